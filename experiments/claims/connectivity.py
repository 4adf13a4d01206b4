"""The claim that a kernel may see all input channels or fewer.

    python launch.py channel-connectivity --seeds=40

Widths are chosen so that parameters and multiplications of the arms are within 4% of each other,
which a test holds. Equivalence within half a point takes about 40 seeds. Each seed draws the random
table anew, so that what is found is not of one table.
"""

from cnnjax.study.claims import Claim, Comparison, Study
from experiments.claims.fair import RATES

ALL = {"connectivity": "all", "widths": (12, 20)}
GROUPED = {"groups": 2, "widths": (12, 40)}
TABLE = {"connectivity": "lenet5", "widths": (12, 32)}
DRAWN = {"connectivity": "drawn", "widths": (12, 32)}

STUDY = Study(
    name="channel-connectivity",
    question="Must each kernel see every channel?",
    base={
        "kernel_size": (5,),
        "head": "global_avg",
        "hidden": (),
        "train_examples": 400,
        "steps": 300,
        "eval_every": 100,
    },
    arms=(ALL, GROUPED, TABLE, DRAWN),
    tuning=RATES,
    claims=(
        Claim(
            id="channel-connectivity",
            statement="A kernel may see all input channels or fewer, and how many may vary from"
            " kernel to kernel.",
            comparisons=(
                Comparison(DRAWN, ALL, "=", "2026-11-26: equivalent on digits, ahead elsewhere"),
                Comparison(TABLE, ALL, "=", "2026-11-26: equivalent on digits, ahead elsewhere"),
                Comparison(GROUPED, ALL, "=", "2026-11-26: within a point either way"),
                Comparison(TABLE, DRAWN, "=", "equivalent within half a point"),
            ),
            tried_as="Kernels that see fewer channels, which ones by chance, are as accurate,"
            " parameter for parameter and product for product.",
        ),
    ),
    controls=(DRAWN,),
)
