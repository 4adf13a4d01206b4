"""The claim that a network with convolution is more accurate than one without.

    python launch.py with-without-convolution

What convolution knows of images is where pixels are; under one fixed permutation of all pixels it
knows nothing. So what it brings is its lead on images less its lead on permuted pixels, in which
all that makes one network larger or easier to train than the other stands on both sides. Twins have
as many parameters as the CNN, within 1% where maps are large, or as many MACs.
"""

from cnnjax.study.claims import Claim, Comparison, Lead, Overrides, Study
from experiments.claims.fair import RATES

IMAGES, PERMUTED = {"permute_pixels": False}, {"permute_pixels": True}
CNN, LOCAL, LOGISTIC = ({"model": model} for model in ("cnn", "local_twin", "logistic"))
MLP, WIDE_MLP = ({"model": "mlp_twin", "match": match} for match in ("parameters", "macs"))


def _lead(pixels: Overrides, twin: Overrides) -> Lead:
    return Lead({**CNN, **pixels}, {**twin, **pixels})


STUDY = Study(
    name="with-without-convolution",
    question="Is it the convolution that makes a CNN better?",
    base={"widths": (8, 16), "train_examples": 300, "steps": 300, "eval_every": 100},
    arms=tuple(
        {**network, **pixels}
        for network in (CNN, MLP, WIDE_MLP)
        for pixels in (IMAGES, PERMUTED)
    ) + ({**LOCAL, **IMAGES}, {**LOGISTIC, **IMAGES}),
    tuning=RATES,
    claims=(
        Claim(
            id="with-without-convolution",
            statement="A network with convolution is more accurate than one without.",
            comparisons=(
                Comparison(
                    _lead(IMAGES, MLP), _lead(PERMUTED, MLP), ">",
                    "2026-11-26: supported on each set, most where things are anywhere",
                ),
                Comparison(
                    _lead(IMAGES, WIDE_MLP), _lead(PERMUTED, WIDE_MLP), ">",
                    "2026-11-26: supported at equal MACs too",
                ),
                Comparison({**CNN, **IMAGES}, {**MLP, **IMAGES}, ">", "CNN ahead on images"),
                Comparison(
                    {**CNN, **PERMUTED}, {**MLP, **PERMUTED}, ">",
                    "2026-11-26: behind, refuted",
                ),
                Comparison({**CNN, **IMAGES}, {**LOCAL, **IMAGES}, ">", "CNN ahead on images"),
                Comparison({**CNN, **IMAGES}, {**LOGISTIC, **IMAGES}, ">", "CNN ahead on images"),
            ),
            tried_as="A CNN leads an MLP of its size by more on images than on the same images with"
            " permuted pixels.",
        ),
    ),
    controls=(PERMUTED,),
)  # fmt: skip
