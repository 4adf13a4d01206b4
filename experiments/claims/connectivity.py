"""The claim that a kernel may see all input channels or fewer.

    python launch.py channel-connectivity

Widths are chosen so that the arms have parameters within 3% of each other, which a test holds.
"""

from cnnjax.study.claims import Claim, Comparison, Study

ALL = {"connectivity": "all", "widths": (12, 21)}
GROUPED = {"groups": 3, "widths": (12, 54)}
TABLE = {"connectivity": "lenet5", "widths": (12, 32)}
RANDOM = {"connectivity": "random", "widths": (12, 32)}

STUDY = Study(
    name="channel-connectivity",
    question="Must each kernel see every channel?",
    base={
        "pool_every": 2,
        "head": "global_avg",
        "hidden": (),
        "steps": 1200,
        "eval_every": 100,
    },
    arms=(ALL, GROUPED, TABLE, RANDOM),
    claims=(
        Claim(
            id="channel-connectivity",
            statement="A kernel may see all input channels or fewer, and how many may vary from"
            " kernel to kernel.",
            comparisons=tuple(
                Comparison(fewer, ALL, "=", "equivalent within half a point")
                for fewer in (TABLE, GROUPED, RANDOM)
            )
            + (Comparison(TABLE, RANDOM, "=", "equivalent within half a point"),),
            tried_as="Kernels that see fewer channels are as accurate, parameter for parameter.",
        ),
    ),
    controls=(RANDOM,),
)
