"""The claim that max pooling beats average pooling.

    python launch.py pooling

Six ways of shrinking maps in two sizes, on few and on many examples: 20 arms; about two minutes
for 20 seeds on two CPU cores.
"""

from cnnjax.study.claims import Claim, Comparison, Lead, Study, cross

FEW, MANY = {"train_examples": 100}, {"train_examples": 600}
A_LOT = 0.02  # of accuracy
POOLS = ("max", "avg", "l2", "mixed")

MAX_BEATS_AVERAGE = Claim(
    id="max-beats-average",
    statement="Max pooling does a lot better than average pooling, though sometimes average wins.",
    comparisons=(
        Comparison(
            {"pool": "max"}, {"pool": "avg"}, ">", "under 2 points either way", threshold=A_LOT
        ),
        Comparison({"pool": "max"}, {"pool": "avg"}, ">", "under 2 points either way"),
        Comparison({"pool": "max"}, {"pool": "none"}, ">", "large on few examples"),
        Comparison({"pool": "avg"}, {"pool": "none"}, ">", "large on few examples"),
        Comparison({"pool": "max"}, {"pool": "stride"}, ">", "large on few examples"),
    ),
    tried_as="Max pooling is more than two points ahead of average pooling.",
)

STUDY = Study(
    name="pooling",
    question="How should a CNN shrink its maps: max, average, between the two, stride, not at all?",
    base={"pool_every": 2},
    arms=(
        *cross({"train_examples": (100, 600), "pool": ("none", "stride")}),
        *cross({"train_examples": (100, 600), "pool": POOLS, "pool_size": (2, 3)}),
    ),
    claims=(
        MAX_BEATS_AVERAGE._replace(
            comparisons=(
                *MAX_BEATS_AVERAGE.comparisons,
                Comparison(
                    Lead({"pool": "max", **FEW}, {"pool": "none", **FEW}),
                    Lead({"pool": "max", **MANY}, {"pool": "none", **MANY}),
                    ">",
                    "large on few examples",
                ),
                *(
                    Comparison(
                        {"pool": "max", **case}, {"pool": "avg", **case}, ">", "under 2 points"
                    )
                    for case in (FEW, MANY, {"pool_size": 2}, {"pool_size": 3})
                ),
                Comparison({"pool": "l2"}, {"pool": "max"}, "=", "none"),
                Comparison({"pool": "mixed"}, {"pool": "max"}, "=", "none"),
            )
        ),
    ),
    controls=({"pool": "none"},),
)
