"""The default study: every pooling under every padding, and whether one depends on the other.

    python launch.py

Trains 8 arms x 20 seeds; under a minute on two CPU cores.
"""

from cnnjax.study.claims import Comparison, Study, cross
from experiments.claims import padding, pooling

POOLS = ("max", "avg", "stride", "none")
PADDINGS = ("SAME", "VALID")

STUDY = Study(
    name="pooling-padding",
    question="Pooling x padding: which way of shrinking maps learns best from few images?",
    base={"pool_every": 2, "train_examples": 300},
    arms=cross({"pool": POOLS, "padding": PADDINGS}),
    claims=(
        pooling.MAX_BEATS_AVERAGE._replace(
            comparisons=(
                *pooling.MAX_BEATS_AVERAGE.comparisons,
                *(
                    Comparison(
                        {"pool": "max", "padding": choice},
                        {"pool": "avg", "padding": choice},
                        ">",
                        "under 2 points either way",
                    )
                    for choice in PADDINGS
                ),
            )
        ),
        padding.PADDING._replace(
            comparisons=(
                *padding.PADDING.comparisons,
                *(
                    Comparison(
                        {"pool": choice, "padding": "SAME"},
                        {"pool": choice, "padding": "VALID"},
                        "=",
                        "equivalent on blank borders",
                    )
                    for choice in POOLS
                ),
            )
        ),
    ),
)
