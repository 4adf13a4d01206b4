"""The claims on what pooling forgives: noise, shifts, rotations.

    python launch.py max-suppresses-noise pool-invariance

Scored by the images that are recognised as they are: the share that is recognised still. Without a
pooling, one cell of each window is kept (`decimate`), so that the maps of all arms are as large.
"""

from cnnjax.study.claims import Claim, Comparison, Study, cross
from experiments.claims import fair

BASE = {"widths": (8, 16), "pool_every": 1, "train_examples": 300, "steps": 300}
INVARIANT = 0.95  # share of the recognised images that are so still
CLEAN, NOISY = {"noise": 0.0}, {"noise": 0.5}  # of training images, in their deviations
MAX, AVG, KEPT = ({"pool": pool} for pool in ("max", "avg", "decimate"))

NOISE = Study(
    name="max-suppresses-noise",
    question="Does max pooling suppress noise?",
    base=BASE,
    arms=(*cross({"noise": (0.0, 0.5), "pool": ("max", "avg")}), {**CLEAN, **KEPT}),
    metric="kept_gaussian",
    tuning=fair.RATES,
    claims=(
        Claim(
            id="max-suppresses-noise",
            statement="Max pooling suppresses noise; average pooling only shrinks.",
            comparisons=(
                Comparison(
                    {**MAX, **CLEAN}, {**AVG, **CLEAN}, ">", "2026-11-26: average keeps more"
                ),
                *(
                    Comparison({**MAX, **CLEAN}, {**AVG, **CLEAN}, ">", predicted, metric=metric)
                    for metric, predicted in (
                        ("kept_salt", "2026-11-26: average keeps more"),
                        ("kept_pepper", "2026-11-26: max keeps more"),
                        ("kept_dropped", "2026-11-26: max keeps more"),
                    )
                ),
                Comparison(
                    {**MAX, **NOISY}, {**AVG, **NOISY}, ">",
                    "2026-11-26: trained on noise, equivalent",
                ),
                *(
                    Comparison({**pool, **CLEAN}, KEPT, ">", predicted)
                    for pool, predicted in (
                        (MAX, "2026-11-26: equivalent"), (AVG, "2026-11-26: keeps more"),
                    )
                ),
            ),
            tried_as="Of the images that a network recognises, it recognises more under noise with"
            " max pooling than with average pooling.",
        ),
    ),
    controls=(KEPT,),
)  # fmt: skip

FLAT, AVERAGED = {"head": "flatten"}, {"head": "global_avg"}
BLUR, POLYPHASE = {"pool": "blur"}, {"pool": "polyphase"}

INVARIANCE = Study(
    name="pool-invariance",
    question="Does pooling make a CNN indifferent to shifts and rotations?",
    base=BASE,
    arms=(
        *cross({"pool": ("decimate", "avg", "max", "blur", "polyphase"), "head": ("flatten",)}),
        {**MAX, **AVERAGED},
    ),
    metric="kept_shift",
    tuning=fair.RATES,
    claims=(
        Claim(
            id="pool-invariance",
            statement="Pooling gives positional and rotational invariance.",
            comparisons=(
                Comparison({**MAX, **FLAT}, KEPT, ">", "2026-11-26: ahead, by 2 to 10 points"),
                Comparison(
                    {**MAX, **FLAT}, KEPT, ">", "2026-11-26: within 2 points either way",
                    metric="kept_rotation",
                ),
                Comparison(AVG, KEPT, ">", "2026-11-26: ahead"),
                Comparison(
                    BLUR, {**MAX, **FLAT}, ">",
                    "2026-11-26: ahead, as Zhang 2019 finds (section 4.2)",
                ),
                Comparison(POLYPHASE, KEPT, ">", "2026-11-26: ahead, the border spoils the rest"),
                Comparison({**MAX, **AVERAGED}, {**MAX, **FLAT}, ">", "2026-11-26: far ahead"),
                Comparison({**MAX, **FLAT}, INVARIANT, ">", "2026-11-26: below"),
                Comparison(
                    {**MAX, **FLAT}, INVARIANT, ">", "2026-11-26: far below",
                    metric="kept_rotation",
                ),
            ),
            tried_as="Of the images that a network recognises, it recognises more where they move"
            " by a pixel, and more where they turn, with max pooling than where every other cell"
            " is kept (maps, parameters and multiplications as many; a pooling sees further).",
            parts=2,
        ),
    ),
    controls=(KEPT,),
)  # fmt: skip
