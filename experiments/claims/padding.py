"""The claim that a convolution may pad the border of its input or not.

    python launch.py padding

Trains 2 arms x 20 seeds; a quarter of a minute on two CPU cores.
"""

from cnnjax.study import Claim, Comparison, Study

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
    question="SAME or VALID: does padding the border change what a CNN learns?",
    base={"train_examples": 300},
    grid={"padding": ("SAME", "VALID")},
    claims=(PADDING,),
)
