"""What the border of a convolution tells a network of places: it must say where a dot lies.

    python launch.py position

With a border that wraps around and a global average, no place differs from any other.
"""

from cnnjax.study.claims import Claim, Comparison, Study, cross

WRAPPED = {"fill": "circular", "head": "global_avg"}
ZEROS = {"fill": "zero", "head": "global_avg"}
CHANCE = 1 / 16

STUDY = Study(
    name="position",
    question="Does the border tell a network where things are?",
    base={
        "dataset": "dot", "draw": "seed", "train_examples": 2000, "pool": "none",
        "widths": (12, 12, 12, 12), "padding": "SAME", "steps": 600, "eval_every": 100,
    },
    arms=(
        *cross({"fill": ("zero", "circular", "reflect", "edge"), "head": ("global_avg",)}),
        *cross({"fill": ("zero", "circular"), "head": ("flatten",)}),
    ),
    claims=(
        Claim(
            id="padding",
            statement="Padding is VALID, SAME, or zero.",
            comparisons=(
                Comparison(ZEROS, WRAPPED, ">", "zero padding above chance, circular at chance"),
                Comparison(WRAPPED, CHANCE, "=", "at chance"),
                Comparison(ZEROS, CHANCE, ">", "above chance"),
                Comparison(
                    ZEROS, WRAPPED, "<", "zero padding nearer", metric="test_position_error"
                ),
                Comparison({"head": "flatten", "fill": "circular"}, WRAPPED, ">", "far above"),
            ),
            tried_as="Zero padding tells a network where it is.",
        ),
    ),
    controls=({"head": "flatten"},),
)  # fmt: skip
