"""The claim that filters start random and become useful through training.

    python launch.py learned-filters

Only one linear layer stands above the filters, so that it cannot learn in their place; the same
layer on the raw pixels says what it can alone. Each arm has its own rate.
"""

from cnnjax.study.claims import Claim, Comparison, Study
from experiments.claims.fair import RATES

TRAINED, FROZEN = {"freeze": "none"}, {"freeze": "convolutions"}
# Poolings so that all but the shallowest have last maps of one size.
DEPTHS = tuple(
    {"widths": (8,) * depth, "pool_every": every}
    for depth, every in ((1, 1), (2, 1), (4, 2), (6, 3))
)
CNN, PIXELS = {"model": "cnn"}, {"model": "logistic"}

STUDY = Study(
    name="learned-filters",
    question="How much of a CNN's accuracy is in its trained kernels?",
    base={"hidden": (), "train_examples": 300, "steps": 300, "eval_every": 100},
    arms=tuple({**CNN, **depth, **kept} for depth in DEPTHS for kept in (TRAINED, FROZEN))
    + (PIXELS,),
    tuning=RATES,
    claims=(
        Claim(
            id="learned-filters",
            statement="Filters start random and become useful through training.",
            comparisons=(
                Comparison(TRAINED, FROZEN, ">", "2026-11-26: ahead by more than 5 points"),
                *(
                    Comparison({**depth, **TRAINED}, {**depth, **FROZEN}, ">", f"2026-11-26: {how}")
                    for depth, how in zip(
                        DEPTHS,
                        ("ahead by little", "ahead", "ahead by more", "ahead by most"),
                        strict=True,
                    )
                ),
                Comparison(
                    {**DEPTHS[0], **FROZEN}, PIXELS, ">", "2026-11-26: random filters help a little"
                ),
                Comparison({**DEPTHS[3], **FROZEN}, PIXELS, ">", "2026-11-26: behind, refuted"),
            ),
            tried_as="Below one linear layer, trained filters are more accurate than random ones.",
        ),
    ),
    controls=(FROZEN, PIXELS),
)
