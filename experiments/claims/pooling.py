"""The claim that max pooling beats average pooling.

    python launch.py pooling

Two poolings, one behind each convolution. Without a pooling, one cell of each window is kept
(`decimate`): maps, parameters and multiplications are those of a pooling.
"""

from cnnjax.study.claims import Claim, Comparison, Lead, Study, cross
from experiments.claims import fair

FEW, MANY = {"train_examples": 100}, {"train_examples": 600}
A_LOT = 0.02  # of accuracy
MAX, AVG, KEPT = ({"pool": pool} for pool in ("max", "avg", "decimate"))
UNDER_TWO = "2026-11-26: under 2 points either way"

MAX_BEATS_AVERAGE = Claim(
    id="max-beats-average",
    statement="Max pooling does a lot better than average pooling, though sometimes average wins.",
    comparisons=(
        Comparison(MAX, AVG, ">", UNDER_TWO, threshold=A_LOT),
        Comparison(MAX, AVG, ">", UNDER_TWO),
    ),
    tried_as="Max pooling is more than two points ahead of average pooling.",
)

STUDY = Study(
    name="pooling",
    question="How should a CNN shrink its maps: max, average, between the two, not by a pooling?",
    base={"widths": (8, 16), "pool_every": 1, "steps": 300},
    arms=(
        *cross({"train_examples": (100, 600), "pool": ("max", "avg", "decimate")}),
        *cross({"train_examples": (600,), "pool": ("l2", "mixed")}),
    ),
    tuning=fair.RATES,
    claims=(
        MAX_BEATS_AVERAGE._replace(
            comparisons=(
                *MAX_BEATS_AVERAGE.comparisons,
                *(
                    Comparison({**MAX, **case}, {**AVG, **case}, ">", UNDER_TWO)
                    for case in (FEW, MANY)
                ),
                Comparison(MAX, KEPT, ">", "2026-11-26: ahead, by more than 2 points"),
                Comparison(AVG, KEPT, ">", "2026-11-26: ahead"),
                Comparison(
                    Lead({**MAX, **FEW}, {**KEPT, **FEW}),
                    Lead({**MAX, **MANY}, {**KEPT, **MANY}),
                    ">",
                    "2026-11-26: the lead is larger on few examples",
                ),
                *(
                    Comparison({"pool": pool}, {**MAX, **MANY}, "=", "2026-11-26: equivalent")
                    for pool in ("l2", "mixed")
                ),
            )
        ),
    ),
    controls=(KEPT,),
)
