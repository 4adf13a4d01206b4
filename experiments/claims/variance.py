"""Where the variance of a result comes from: what draws the weights, the order or the images.

    python launch.py variance

Five arms of 20 seeds; half a minute on two CPU cores. After Bouthillier et al. 2021, "Accounting
for variance in machine learning benchmarks". One part at a time follows the seed, and the others
stand at a seed that no run has. Predicted on 2026-11-26, before its first run.
"""

from typing import Literal

from cnnjax.study.claims import Claim, Comparison, Deviation, Overrides, Study

VARIES, FIXED = -1, 1_000_000  # as --seed, or always the same
PARTS = ("seed_init", "seed_order", "seed_draw")
NONE: Overrides = {part: FIXED for part in PARTS}
ALL: Overrides = {part: VARIES for part in PARTS}
INIT, ORDER, DRAW = ({**NONE, part: VARIES} for part in PARTS)
MARGIN = 0.001  # of accuracy: of two deviations that are alike


def _compare(
    a: Overrides, b: Overrides | float, relation: Literal[">", "="], predicted: str, about: str
) -> Comparison:
    other = b if isinstance(b, int | float) else Deviation(b)
    return Comparison(Deviation(a), other, relation, predicted, margin=MARGIN, about=about)


STUDY = Study(
    name="variance",
    question="What does a result vary with: the initial weights, the order of batches, the images?",
    base={"pool_every": 2, "train_examples": 300, "draw": "seed"},
    arms=(ALL, INIT, ORDER, DRAW, NONE),
    claims=(
        Claim(
            id="variance",
            statement="Which images train makes results vary more than the initial weights do.",
            comparisons=(
                _compare(DRAW, INIT, ">", "supported", "images against weights"),
                _compare(DRAW, ORDER, ">", "supported", "images against order"),
                _compare(INIT, ORDER, "=", "about the same", "weights against order"),
                _compare(ALL, DRAW, ">", "a little more", "all against images"),
                _compare(ALL, INIT, ">", "supported", "all against weights"),
                _compare(NONE, 0.0, "=", "exactly the same", "nothing varies"),
            ),
        ),
    ),
    controls=(NONE,),
    whole=ALL,
)
