"""The claim that sharing a kernel over all positions pays; its known part is a check.

python launch.py parameter-sharing
"""

from cnnjax.study.claims import Claim, Comparison, Lead, Study, cross

FEW, MANY = {"train_examples": 100}, {"train_examples": 600}
SHARED, UNSHARED = {"conv": "standard"}, {"conv": "unshared"}

STUDY = Study(
    name="parameter-sharing",
    question="What does it bring to use one kernel at all positions?",
    base={"pool_every": 2},
    arms=cross({"train_examples": (100, 600), "conv": ("standard", "unshared")}),
    claims=(
        Claim(
            id="parameter-sharing",
            statement="Sharing a kernel over all positions cuts parameters and makes the"
            " computation cheaper.",
            comparisons=(
                Comparison({**SHARED, **FEW}, {**UNSHARED, **FEW}, ">", "higher on few examples"),
                Comparison({**SHARED, **MANY}, {**UNSHARED, **MANY}, ">", "none"),
                Comparison(
                    Lead({**SHARED, **FEW}, {**UNSHARED, **FEW}),
                    Lead({**SHARED, **MANY}, {**UNSHARED, **MANY}),
                    ">",
                    "higher on few examples",
                ),
            ),
            tried_as="With the same receptive field, shared kernels are more accurate.",
        ),
    ),
    controls=(UNSHARED,),
)
