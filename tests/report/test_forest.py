"""The forest plot: each data set's interval below what is claimed, and nothing over another."""

import warnings

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from cnnjax.report import forest
from cnnjax.study.claims import Claim, Comparison
from cnnjax.study.judge import describe_across
from tests.by_hand import CLAIM, STUDY
from tests.study.test_spread import SPREAD, judge

LONG = Claim(
    "long", "Said at length.",
    tuple(
        Comparison({"pool": a, "padding": "SAME"}, {"pool": b, "padding": "VALID"}, ">", "none")
        for a, b in (("max", "avg"), ("avg", "max"))
    ),
    parts=2,
)  # fmt: skip


@pytest.mark.parametrize("claim", [CLAIM, LONG])
@pytest.mark.parametrize("num_seeds", [3, 8])
def test_no_text_lies_over_another_or_beyond_the_figure(claim, num_seeds):
    judgement = judge((0.02, -0.3), SPREAD._replace(claims=(claim,)), seeds=num_seeds)
    drawing = forest.draw_forest(judgement)
    assert drawing is not None
    canvas = FigureCanvasAgg(drawing.figure)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        canvas.draw()
    renderer = canvas.get_renderer()
    whole = drawing.figure.bbox
    titles = [own.get_window_extent(renderer) for own in drawing.figure.texts]
    panels = [own.get_tightbbox(renderer) for own in drawing.figure.axes]
    assert len(titles) == len(panels) == claim.parts
    boxes = [*titles, *panels]
    for place, box in enumerate(boxes):
        assert whole.x0 <= box.x0 and box.x1 <= whole.x1
        assert whole.y0 <= box.y0 and box.y1 <= whole.y1
        assert not any(box.overlaps(other) for other in boxes[:place])
    names = [label.get_text() for label in drawing.figure.axes[0].get_yticklabels()]
    assert [name.partition(":")[0] for name in names] == ["digits", "shapes"]
    words = " ".join(drawing.figure.texts[0].get_text().split())
    own = [row for row in judgement.verdicts if row["claim"] == claim.id]
    assert words.endswith(describe_across(claim, own))


def test_of_one_data_set_there_is_none():
    one = judge((0.02,), STUDY._replace(datasets=("digits",)))
    assert forest.draw_forest(one) is None
