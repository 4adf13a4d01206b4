"""The claim that stride shifts the kernel by more than a cell, and so downsamples.

    python launch.py stride

That a convolution of stride 2 is one of stride 1 of which every other cell is kept is a known
answer (`python -m experiments.checks`). Here maps are pooled, or shrunk by convolutions of stride
2 in as many multiplications, which have about twice the channels; a test holds that to 2%.
"""

from cnnjax.study.claims import Claim, Comparison, Lead, Study
from experiments.claims import fair

FEW, MANY = {"train_examples": 100}, {"train_examples": 600}
MAX = {"pool": "max", "widths": (8, 16)}
STRIDE = {"pool": "stride", "widths": (16, 35)}  # as many multiplications
NARROW = {"pool": "stride", "widths": (8, 16)}  # as many channels
# As All-CNN-C and ConvPool-CNN-C: a convolution more before each shrinking, strided or pooled.
ALL_CNN, CONV_POOL = (
    {"pool": pool, "widths": (8, 8, 16, 16), "pool_every": 2} for pool in ("stride", "max")
)

STUDY = Study(
    name="stride",
    question="Is a strided convolution as good as a pooling?",
    base={"padding": "HALF", "pool_every": 1, "hidden": (), "steps": 300},
    arms=(
        *({**arm, **size} for size in (FEW, MANY) for arm in (MAX, STRIDE)),
        *({**arm, **MANY} for arm in (NARROW, ALL_CNN, CONV_POOL)),
    ),
    tuning=fair.RATES,
    claims=(
        Claim(
            id="stride",
            statement="Stride is the shift of the kernel per step, and so downsamples.",
            comparisons=(
                Comparison(
                    Lead({**MAX, **FEW}, {**STRIDE, **FEW}),
                    Lead({**MAX, **MANY}, {**STRIDE, **MANY}),
                    ">",
                    "2026-11-26: larger on few examples",
                ),
                Comparison({**MAX, **FEW}, {**STRIDE, **FEW}, ">", "2026-11-26: max ahead"),
                Comparison({**MAX, **MANY}, {**STRIDE, **MANY}, ">", "2026-11-26: equivalent"),
                Comparison(
                    {**MAX, **MANY}, NARROW, ">",
                    "2026-11-26: max ahead, as Model C of Springenberg et al. 2015, table 3",
                ),
                Comparison(
                    ALL_CNN, CONV_POOL, "=",
                    "2026-11-26: behind; Springenberg et al. 2015, table 3: 9.1 and 9.3% wrong",
                ),
            ),
            tried_as="Max pooling's lead over strided convolutions of as many multiplications is"
            " larger on few images than on many.",
        ),
    ),
    controls=(STRIDE, NARROW),
)  # fmt: skip
