"""What the border of a convolution tells a network of places: it must say where a dot lies.

    python launch.py position

All that is seen of the last map is its mean. With a border that wraps around no place differs from
any other, which is a known answer: `tests/networks/test_places.py` holds us to it.
"""

from cnnjax.study.claims import Claim, Comparison, Study
from experiments.claims import fair

CHANCE = 1 / 16


def _deep(layers: int, fill: str = "zero") -> dict[str, object]:
    return {"fill": fill, "widths": (12,) * layers}


DEPTHS = {  # convolutions, and what was expected of them
    1: "2026-11-26: above chance by less than 10 points, dots at the border alone are told apart",
    2: "2026-11-26: above chance",
    4: "2026-11-26: far above chance",
    6: "2026-11-26: far above chance, above 4",
}

STUDY = Study(
    name="position",
    question="Does the border tell a network where things are?",
    base={
        "dataset": "dot", "draw": "seed", "train_examples": 2000, "pool": "none",
        "head": "global_avg", "padding": "SAME", "steps": 400, "eval_every": 100,
    },
    arms=(*map(_deep, DEPTHS), _deep(4, "reflect"), _deep(4, "edge")),
    tuning=fair.RATES,
    claims=(
        Claim(
            id="padding",
            statement="Padding is VALID, SAME, or zero.",
            comparisons=(
                *(
                    Comparison(_deep(layers), CHANCE, ">", predicted)
                    for layers, predicted in DEPTHS.items()
                ),
                Comparison(
                    _deep(6), _deep(1), ">", "2026-11-26: ahead, as Islam et al. 2020 find of depth"
                ),
                *(
                    Comparison(_deep(4), _deep(4, fill), ">", "2026-11-26: zeros ahead")
                    for fill in ("reflect", "edge")
                ),
                Comparison(
                    _deep(4), _deep(1), "<", "2026-11-26: nearer", metric="test_position_error"
                ),
            ),
            tried_as="Zero padding tells a network where it is, whether of 1, 2, 4 or 6"
            " convolutions.",
            parts=len(DEPTHS),
        ),
    ),
)  # fmt: skip
