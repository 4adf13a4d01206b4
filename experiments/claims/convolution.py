"""The claim that a network with convolution is more accurate than one without.

    python launch.py with-without-convolution

The twins have as many parameters as the CNN, within 1%. What convolution knows of images is where
pixels are; under one fixed permutation of all pixels it knows nothing.
"""

from cnnjax.study.claims import Claim, Comparison, Lead, Study, cross

IMAGES, PERMUTED = {"permute_pixels": False}, {"permute_pixels": True}
CNN, MLP, LOCAL, LOGISTIC = (
    {"model": model} for model in ("cnn", "mlp_twin", "local_twin", "logistic")
)

STUDY = Study(
    name="with-without-convolution",
    question="Is it the convolution that makes a CNN better?",
    base={"pool_every": 2, "train_examples": 300},
    arms=cross(
        {
            "model": ("cnn", "mlp_twin", "local_twin", "logistic"),
            "permute_pixels": (False, True),
        }
    ),
    claims=(
        Claim(
            id="with-without-convolution",
            statement="A network with convolution is more accurate than one without.",
            comparisons=(
                Comparison({**CNN, **IMAGES}, {**MLP, **IMAGES}, ">", "CNN ahead on images"),
                Comparison(
                    Lead({**CNN, **IMAGES}, {**MLP, **IMAGES}),
                    Lead({**CNN, **PERMUTED}, {**MLP, **PERMUTED}),
                    ">",
                    "the lead is gone under the permutation",
                ),
                Comparison({**CNN, **PERMUTED}, {**MLP, **PERMUTED}, ">", "no lead"),
                Comparison({**CNN, **IMAGES}, {**LOCAL, **IMAGES}, ">", "CNN ahead on images"),
                Comparison({**CNN, **IMAGES}, {**LOGISTIC, **IMAGES}, ">", "CNN ahead on images"),
            ),
        ),
    ),
    controls=(PERMUTED,),
)
