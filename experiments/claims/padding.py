"""The claim that a convolution may pad the border of its input or not.

    python launch.py padding

Six borders under two heads: 12 arms; about a minute for 20 seeds on two CPU cores. What a border
tells a network of places is another study: `python launch.py position`.
"""

from cnnjax.study.claims import Claim, Comparison, Study, cross

FILLS = ("zero", "reflect", "circular", "edge")
HEADS = ("flatten", "global_avg")

PADDING = Claim(
    id="padding",
    statement="Padding is VALID, SAME, or zero.",
    comparisons=(
        Comparison({"padding": "SAME"}, {"padding": "VALID"}, "=", "equivalent on blank borders"),
    ),
    tried_as="The choice of padding makes no difference to the accuracy.",
)

STUDY = Study(
    name="padding",
    question="Does the border of a convolution change what a CNN learns?",
    base={"pool_every": 2, "train_examples": 300},
    arms=(
        *cross({"padding": ("SAME",), "fill": FILLS, "head": HEADS}),
        *cross({"padding": ("VALID", "FULL"), "head": HEADS}),
    ),
    claims=(
        PADDING._replace(
            comparisons=(
                *PADDING.comparisons,
                *(
                    Comparison({"fill": "zero"}, {"fill": fill}, "=", "equivalent on blank borders")
                    for fill in FILLS[1:]
                ),
                Comparison(
                    {"padding": "FULL"}, {"padding": "VALID"}, "=", "equivalent on blank borders"
                ),
                *(
                    Comparison(
                        {"padding": "SAME", "head": head},
                        {"padding": "VALID", "head": head},
                        "=",
                        "equivalent on blank borders",
                    )
                    for head in HEADS
                ),
            )
        ),
    ),
)
