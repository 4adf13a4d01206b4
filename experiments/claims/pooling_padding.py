"""The default study: every pooling under two borders, and whether one depends on the other.

    python launch.py

Trains 10 arms x 20 seeds at one learning rate; under a minute on two CPU cores. The studies of
which this is part, `pooling` and `padding`, tune every arm's.
"""

from cnnjax.study.claims import Comparison, Lead, Study, cross
from experiments.claims import padding, pooling

POOLS = ("max", "avg", "stride", "none")
FILLS = ("zero", "reflect")
FLAT = {"head": "flatten"}

STUDY = Study(
    name="pooling-padding",
    question="Pooling x padding: which way of shrinking maps learns best from few images?",
    base={"widths": (8, 16), "pool_every": 2, "train_examples": 300, "steps": 300},
    arms=(
        *cross({"pool": POOLS, "padding": ("SAME",), "fill": FILLS, "head": ("flatten",)}),
        {"pool": "max", **padding.AVERAGED},
        {"pool": "max", **padding.VALID},
    ),
    claims=(
        pooling.MAX_BEATS_AVERAGE._replace(
            comparisons=(
                *(
                    pair._replace(a={**pooling.MAX, **FLAT}, b={**pooling.AVG, **FLAT})
                    for pair in pooling.MAX_BEATS_AVERAGE.comparisons
                ),
                *(
                    Comparison(
                        {"pool": "max", **FLAT}, {"pool": pool, **FLAT}, ">", "2026-11-26: ahead"
                    )
                    for pool in ("stride", "none")
                ),
            )
        ),
        padding.PADDING._replace(
            comparisons=(
                Comparison(
                    {"fill": "zero", **FLAT}, {"fill": "reflect", **FLAT}, "=",
                    "2026-11-26: equivalent", margin=padding.A_POINT,
                ),
                *(
                    Comparison(
                        Lead(
                            {"pool": "max", "fill": "zero", **FLAT},
                            {"pool": pool, "fill": "zero", **FLAT},
                        ),
                        Lead(
                            {"pool": "max", "fill": "reflect", **FLAT},
                            {"pool": pool, "fill": "reflect", **FLAT},
                        ),
                        "!=",
                        "2026-11-26: none",
                        about="interaction of pool and fill",
                    )
                    for pool in POOLS[1:]
                ),
                Comparison(
                    {"pool": "max", **padding.AVERAGED}, {"pool": "max", **padding.VALID}, "=",
                    "2026-11-26: SAME ahead", margin=padding.A_POINT,
                ),
            )
        ),
    ),
)  # fmt: skip
