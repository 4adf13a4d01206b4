"""Does it matter whether a convolution pads the border of its input?

    python launch.py padding

Trains 2 arms x 20 seeds; a quarter of a minute on two CPU cores.
"""

from cnnjax.study import Claim, Comparison, Study

PADDING = Claim(
    id="padding",
    statement="Padding is VALID or SAME: a choice of convenience, not of accuracy.",
    comparisons=(
        Comparison({"padding": "SAME"}, {"padding": "VALID"}, "=", "equivalent on blank borders"),
    ),
)

STUDY = Study(
    name="padding",
    question="SAME or VALID: does padding the border change what a CNN learns?",
    base={"train_examples": 300},
    grid={"padding": ("SAME", "VALID")},
    claims=(PADDING,),
)
