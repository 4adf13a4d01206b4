"""The claim that a convolution may pad the border of its input or not.

    python launch.py padding

Four fills of a border under two heads have the same shapes; without a border the last map is
smaller, which a global average alone allows without another number of parameters. What a border
tells a network of places is another study: `python launch.py position`.
"""

from cnnjax.study.claims import Claim, Comparison, Study, cross
from experiments.claims import fair

FILLS = ("zero", "reflect", "edge", "circular")
A_POINT = 0.01  # half of it is more than 20 seeds can show of networks this small
ZEROS = {"fill": "zero", "head": "flatten"}
AVERAGED = {"padding": "SAME", "fill": "zero", "head": "global_avg"}
VALID = {"padding": "VALID", "head": "global_avg"}

PADDING = Claim(
    id="padding",
    statement="Padding is VALID, SAME, or zero.",
    comparisons=(),
    tried_as="What a border of the same size holds, zeros or what the image goes on with, makes no"
    " difference to the accuracy.",
)

STUDY = Study(
    name="padding",
    question="Does the border of a convolution change what a CNN learns?",
    base={"widths": (8, 16), "pool_every": 2, "train_examples": 300, "steps": 300},
    arms=(
        *cross({"padding": ("SAME",), "fill": FILLS, "head": ("flatten", "global_avg")}),
        VALID,
    ),
    tuning=fair.RATES,
    claims=(
        PADDING._replace(
            comparisons=(
                *(
                    Comparison(
                        ZEROS, {"fill": fill, "head": "flatten"}, "=", predicted, margin=A_POINT
                    )
                    for fill, predicted in (
                        ("reflect", "2026-11-26: equivalent"),
                        ("edge", "2026-11-26: equivalent"),
                        ("circular", "2026-11-26: equivalent on blank borders"),
                    )
                ),
                *(
                    Comparison(
                        AVERAGED,
                        {"fill": fill, "head": "global_avg"},
                        ">",
                        "2026-11-26: zeros ahead, they tell places apart",
                    )
                    for fill in ("reflect", "circular")
                ),
                Comparison(AVERAGED, VALID, "=", "2026-11-26: SAME ahead", margin=A_POINT),
            ),
            parts=3,
        ),
    ),
)
