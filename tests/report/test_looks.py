"""What a network learned, drawn: pictures and the words beside them."""

import numpy as np
import pytest

from cnnjax.config.config import Config
from cnnjax.data.pictures import Shown
from cnnjax.report import look_page, looks
from cnnjax.report.drawing import render_svg


@pytest.fixture
def shown():
    """Two images, one of which is mistaken, with pictures of them."""
    rng = np.random.default_rng(0)
    gradient, integrated = rng.random((2, 8, 8))
    pictures = {"saliency_gradient": gradient, "saliency_integrated": -integrated}
    images = rng.integers(0, 255, (2, 8, 8, 1))
    own = Shown(4, "cat", "cat", images[0], pictures)
    return [own, Shown(9, "dog", "cat", images[1], pictures)]


def test_tiles_stand_in_rows_of_eight_a_cell_apart():
    tiles = np.arange(10 * 6, dtype=float).reshape(10, 2, 3)
    found = looks.lay_tiles(tiles)
    assert found.shape == (5, 8 * 4 - 1)
    assert np.array_equal(found[3:5, 4:7], tiles[9])
    assert np.isnan(found[2]).all() and np.isnan(found[:2, 3]).all()


@pytest.mark.parametrize(
    ("channels", "said"),
    [(1, "Black to white are weights,"), (3, "Colours are weights by channel,"),
     (5, "Black to white are weights averaged over 5 channels,")],
)  # fmt: skip
def test_kernels_are_shown_with_their_scale(channels, said):
    kernels = np.zeros((3, 3, channels, 70))
    kernels[0, 0, 0, 0] = -0.25
    found = looks.describe_filters(kernels, {"first_layer_gabor": np.full(70, 0.5)})
    assert found.says.startswith("70 kernels of 3x3.") and said in found.says
    assert "-0.25 to 0.25" in found.says and "The first 64 of 70." in found.says
    assert found.rows == [("variance that a Gabor function explains", "50.00%")]
    assert "svg" in render_svg(found.drawings[0])


def test_saliency_says_whether_it_stands_its_test(shown):
    scores = {"saliency_gradient": 0.02, "saliency_integrated": 0.4, "saliency_completeness": 0.002}
    cascade = {"saliency_gradient": [0.3, 0.1], "saliency_integrated": [0.5, 0.4]}
    found = looks.describe_saliency(shown, scores, cascade, ["head/logits", "conv_1"])
    assert found.rows == [("gradient", "+0.02"), ("integrated gradients", "+0.40")]
    assert "miss the difference of logits by 0.2%" in found.says
    picture, curve = map(render_svg, found.drawings)
    assert "dog, taken for cat" in picture and "4: cat" in picture
    assert "head/logits" in curve and "conv_1" in curve


def test_probes_are_shown_with_parts_where_there_are_any():
    scores = {"probe_by_layer": {"conv_1": 0.25, "conv_2": 0.75}}
    found = looks.describe_probes(scores, 10, (99, 1200))
    assert "1,200 test images" in found.says and "99 validation images" in found.says
    assert "hardly more than noise" in found.says
    assert found.rows == [("conv_1", "25.0%"), ("conv_2", "75.0%")]
    parts = {"probe_parts_by_layer": {"conv_1": 0.9, "conv_2": 0.95}}
    found = looks.describe_probes({**scores, **parts}, 10, (100, 50))
    assert "noise" not in found.says
    assert found.rows[0] == ("conv_1", "25.0%", "90.0%") and found.columns[-1] == "parts"


def test_of_many_layers_some_names_stand_on_an_axis():
    names = [f"block_{place}" for place in range(40)]
    thinned = looks.thin(names)
    assert len(thinned) == 40 and 10 < sum(map(bool, thinned)) <= looks.FEW
    assert looks.thin(names[:16]) == names[:16]


def test_likeness_of_runs_names_both():
    found = looks.describe_similarity(("a", "b"), ["x"], ["y", "z"], np.array([[0.25, 1.0]]))
    assert found.title == "How alike layers see: b" and "a (rows) and b (columns)" in found.says
    assert "0.25" in render_svg(found.drawings[0])
    assert "this run" in looks.describe_similarity(("a", "a"), ["x"], ["x"], np.ones((1, 1))).says


def test_the_field_is_described_by_its_side():
    found = looks.describe_field(np.eye(8), 2.83, 6)
    assert "a square of 2.8 pixels" in found.says and "of 6 that could weigh" in found.says


def test_the_page_holds_all_and_is_sealed(shown):
    active = looks.describe_maps(shown, {"conv_1": 0.5})
    page = look_page.render("runs/<one>", Config(), [active], "python -m experiments.look x")
    assert "What the layers answer" in page and "50.0%" in page and "runs/&lt;one&gt;" in page
    assert page.count("<figure>") == len(shown) == 2
