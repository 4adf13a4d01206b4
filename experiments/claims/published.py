"""What was published of shrinking maps, in small: directions and orders to meet, not values.

    python launch.py zhang2019 all-cnn

Networks and data are not theirs, whose tables would take days: where a direction is another here,
that says so of small networks on few images alone.
"""

from cnnjax.study.claims import Claim, Comparison, Study
from experiments.claims import fair

MAX, RECT, TRI, BIN = ({"pool": pool} for pool in ("max", "blur2", "blur", "blur5"))

ZHANG = Study(
    name="zhang2019",
    question="Does a wider blur before each subsampling make a CNN's answers move less?",
    base={"dataset": "scans", "widths": (8, 16), "pool_every": 1, "train_examples": 600,
          "steps": 300},
    arms=(MAX, RECT, TRI, BIN),
    metric="shift_consistency",
    tuning=fair.RATES,
    claims=(
        Claim(
            id="zhang2019",
            statement="Max pooling followed by a blur is the more consistent under shifts, and the"
            " more so the wider the blur.",
            comparisons=(
                Comparison(RECT, MAX, ">", "2026-11-26: ahead"),
                Comparison(TRI, RECT, ">", "2026-11-26: ahead, by less"),
                Comparison(BIN, TRI, ">", "2026-11-26: ahead, by less again"),
                Comparison(
                    BIN, MAX, ">", "2026-11-26: equivalent or ahead, as Zhang 2019 on CIFAR-10",
                    metric="test_accuracy",
                ),
            ),
            tried_as="The share of moves by one pixel that leave an answer as it was is larger with"
            " a [1, 1] blur than with none, with [1, 2, 1] than with that, and with [1, 4, 6, 4, 1]"
            " than with that (Zhang 2019, section 4.2: Rect-2, Tri-3, Bin-5). A wider blur sees"
            " further, too.",
            parts=3,
        ),
    ),
    controls=(MAX,),
)  # fmt: skip

# Springenberg et al. 2015, table 2, with one convolution between two shrinkings in place of two.
# The error rates of the paper's table 3, on CIFAR-10 as it is: 9.74, 10.19, 9.31 and 9.08%.
MODEL_C, STRIDED = (
    {"pool": pool, "widths": (8, 16), "pool_every": 1} for pool in ("max", "stride")
)
CONV_POOL, ALL_CONV = (
    {"pool": pool, "widths": (8, 8, 16, 16), "pool_every": 2} for pool in ("max", "stride")
)

ALL_CNN = Study(
    name="all-cnn",
    question="Do strided convolutions replace max pooling where they are a layer more?",
    base={"dataset": "scans", "padding": "HALF", "hidden": (), "train_examples": 600,
          "steps": 300},
    arms=(MODEL_C, STRIDED, CONV_POOL, ALL_CONV),
    tuning=fair.RATES,
    claims=(
        Claim(
            id="all-cnn",
            statement="Max pooling can be replaced by a convolution of stride 2, as a layer more,"
            " without a loss.",
            tried_as="As published: the strided network multiplies half as often as the pooled one"
            " of its layers.",
            comparisons=(
                Comparison(ALL_CONV, CONV_POOL, "=", "2026-11-26: behind, by 1 to 3 points"),
                Comparison(STRIDED, MODEL_C, "<", "2026-11-26: behind, as in the paper"),
                Comparison(CONV_POOL, MODEL_C, ">", "2026-11-26: ahead, as in the paper"),
                Comparison(ALL_CONV, MODEL_C, ">", "2026-11-26: equivalent; ahead in the paper"),
            ),
        ),
    ),
    controls=(STRIDED,),
)  # fmt: skip
