"""The claim that stride shifts the kernel by more than a cell, and so downsamples.

    python launch.py stride

A convolution of stride 2 against one of stride 1 whose map is pooled, or thinned out: the last is
the same function at four times the multiplications.
"""

from cnnjax.study.claims import Claim, Comparison, Lead, Study, cross

FEW, MANY = {"train_examples": 100}, {"train_examples": 600}

STUDY = Study(
    name="stride",
    question="Is a strided convolution as good as a pooling?",
    base={"padding": "HALF", "pool_every": 2},
    arms=cross({"train_examples": (100, 600), "pool": ("stride", "max", "avg", "decimate")}),
    claims=(
        Claim(
            id="stride",
            statement="Stride is the shift of the kernel per step, and so downsamples.",
            comparisons=(
                Comparison({"pool": "stride"}, {"pool": "decimate"}, "=", "the same function"),
                Comparison(
                    {"pool": "stride", **FEW}, {"pool": "max", **FEW}, "<", "worst on few examples"
                ),
                Comparison(
                    {"pool": "stride", **FEW}, {"pool": "avg", **FEW}, "<", "worst on few examples"
                ),
                Comparison(
                    Lead({"pool": "max", **FEW}, {"pool": "stride", **FEW}),
                    Lead({"pool": "max", **MANY}, {"pool": "stride", **MANY}),
                    ">",
                    "worst on few examples",
                ),
            ),
            tried_as="A convolution of stride 2 equals one of stride 1 of which every other cell"
            " is kept.",
        ),
    ),
    controls=({"pool": "decimate"},),
)
