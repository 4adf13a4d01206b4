"""The claims on what pooling forgives: noise, shifts, rotations.

    python launch.py max-suppresses-noise pool-invariance

Trained on clean images without augmentation, tested on corrupted and moved ones.
"""

from cnnjax.study.claims import Claim, Comparison, Study, cross

BASE = {"pool_every": 2}
INVARIANT = 0.95  # share of images that keep their class, or are recognised
MAX, AVG, NONE = ({"pool": pool} for pool in ("max", "avg", "none"))

NOISE = Study(
    name="max-suppresses-noise",
    question="Does max pooling suppress noise?",
    base=BASE,
    arms=cross({"pool": ("max", "avg", "stride", "none")}),
    metric="auc_gaussian",
    claims=(
        Claim(
            id="max-suppresses-noise",
            statement="Max pooling suppresses noise; average pooling only shrinks.",
            comparisons=(
                Comparison(MAX, AVG, ">", "average wins under Gaussian noise"),
                Comparison(MAX, AVG, ">", "average wins", metric="auc_salt"),
                Comparison(MAX, AVG, ">", "max wins", metric="auc_pepper"),
                Comparison(MAX, AVG, ">", "max wins", metric="auc_dropped"),
                Comparison(MAX, NONE, ">", "none"),
                Comparison(AVG, NONE, ">", "none"),
            ),
        ),
    ),
    controls=(NONE,),
)

INVARIANCE = Study(
    name="pool-invariance",
    question="Does pooling make a CNN indifferent to shifts and rotations?",
    base=BASE,
    arms=(
        *cross({"pool": ("none", "stride", "avg", "max", "blur"), "head": ("flatten",)}),
        {"pool": "none", "head": "global_avg"},
        {"pool": "max", "head": "global_avg"},
    ),
    metric="shift_consistency",
    claims=(
        Claim(
            id="pool-invariance",
            statement="Pooling gives positional and rotational invariance.",
            comparisons=tuple(
                Comparison(
                    {"pool": pool, "head": "flatten"}, {"pool": "none", "head": "flatten"}, ">",
                    predicted, metric=metric,
                )
                for pool in ("max", "avg", "blur")
                for metric, predicted in (
                    ("shift_consistency", "partial for shifts"),
                    ("auc_rotation", "refuted for rotation"),
                )
            )
            + (
                Comparison(
                    {"pool": "none", "head": "global_avg"}, {"pool": "none", "head": "flatten"},
                    ">", "partial for shifts",
                ),
                Comparison(
                    {"pool": "max", "head": "flatten"}, {"pool": "stride", "head": "flatten"},
                    ">", "partial for shifts",
                ),
                Comparison({"pool": "max", "head": "flatten"}, INVARIANT, ">", "partial"),
                Comparison(
                    {"pool": "max", "head": "flatten"}, INVARIANT, ">", "refuted for rotation",
                    metric="auc_rotation",
                ),
            ),
            tried_as="With max pooling more images keep their class when they move by a pixel, and"
            " more are recognised when they turn.",
            parts=2,
        ),
    ),
    controls=({"pool": "none", "head": "flatten"}, {"pool": "stride"}),
)  # fmt: skip
