"""What each model takes for a knob of its architecture that nobody gave. Imports nothing.

A preset makes a network what its paper says, and every knob of it can be given another value. How
a network was trained (optimiser, rate, augmentation, ...) is no part of it: the flag files in
experiments/recipes/ have that.
"""

TWINS = ("mlp_twin", "local_twin")
CNN_LIKE = ("cnn", *TWINS)  # a twin reads the knobs of the CNN it is matched to
LAYERED = (
    *CNN_LIKE, "lenet5", "lenet5_modern", "alexnet", "all_cnn_c", "vgg11", "vgg16", "airbench94",
    "mnist1d_cnn",
)  # fmt: skip
STEMMED = ("resnet18", "resnet34", "resnet50", "resnet18_small")
RESIDUAL = (*STEMMED, "resnet20")
CONVOLUTIONAL = (*LAYERED, *RESIDUAL)
PUBLISHED = tuple(model for model in CONVOLUTIONAL if model not in CNN_LIKE)
MODELS = (*CONVOLUTIONAL, "mlp", "mnist1d_mlp", "logistic")

_VGG = {"image_size": 224, "hidden": (4096, 4096), "dropout": 0.5}
_RESNET = {"padding": "HALF", "norm": "batch", "head": "global_avg", "hidden": ()}
_STEM = {**_RESNET, "pool_size": 3, "pool_stride": 2, "pool_padding": "HALF"}

PRESETS = {
    # LeCun et al. 1998, "Gradient-based learning applied to document recognition".
    "lenet5": {
        "image_size": 32, "padding": "VALID", "pool": "subsample", "connectivity": "lenet5",
        "activation": "scaled_tanh", "init": "lenet5", "hidden": (84,), "logits": "rbf",
    },
    "lenet5_modern": {"image_size": 32, "padding": "VALID", "hidden": (84,)},
    # Krizhevsky et al. 2012, "ImageNet classification with deep convolutional networks".
    "alexnet": {
        "image_size": 227, "padding": "published", "groups": 2, "norm": "response",
        "pool_size": 3, "pool_stride": 2, "hidden": (4096, 4096), "dropout": 0.5,
    },
    # Springenberg et al. 2015, "Striving for simplicity: the all convolutional net".
    "all_cnn_c": {
        "padding": "published", "pool": "stride", "pool_size": 3, "pool_stride": 2,
        "head": "global_avg", "hidden": (), "dropout": 0.5, "input_dropout": 0.2,
    },
    # Simonyan and Zisserman 2015, configurations A and D.
    "vgg11": _VGG,
    "vgg16": _VGG,
    # Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU".
    "airbench94": {
        "image_size": 32, "first_layer": "whitened", "padding": "published", "bias": False,
        "norm": "batch", "norm_scale": False, "norm_momentum": 0.6, "norm_epsilon": 1e-12,
        "activation": "gelu", "head": "global_max", "hidden": (), "logit_scale": 1 / 9,
        "init": "dirac",
    },
    # Greydanus and Kobak 2024, "Scaling down deep learning with MNIST-1D"; signals are 1x40.
    "mnist1d_cnn": {
        "init": "pytorch", "padding": "explicit", "pad": (0, 1), "pool": "none", "hidden": (),
    },
    "mnist1d_mlp": {"init": "pytorch", "hidden": (100, 100), "residual": True},
    # He et al. 2016, "Deep residual learning for image recognition".
    "resnet18": {**_STEM, "image_size": 224},
    "resnet34": {**_STEM, "image_size": 224},
    "resnet50": {**_STEM, "image_size": 224},
    "resnet18_small": {**_STEM, "stem": "small"},
    "resnet20": {**_RESNET, "stem": "small"},
    "logistic": {"hidden": ()},
}  # fmt: skip
