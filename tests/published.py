"""What torchvision's files hold: each tensor's name and shape, written out from its modules."""

import numpy as np

from cnnjax.config.config import Config, make_config
from cnnjax.networks import published

RESNETS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}
# Places of convolutions among the modules of `features`, with their channels and kernels.
PLAIN = {
    "alexnet": {0: (64, 11), 3: (192, 5), 6: (384, 3), 8: (256, 3), 10: (256, 3)},
    "vgg11": {0: (64, 3), 3: (128, 3), 6: (256, 3), 8: (256, 3), 11: (512, 3), 13: (512, 3),
              16: (512, 3), 18: (512, 3)},
    "vgg16": {0: (64, 3), 2: (64, 3), 5: (128, 3), 7: (128, 3), 10: (256, 3), 12: (256, 3),
              14: (256, 3), 17: (512, 3), 19: (512, 3), 21: (512, 3), 24: (512, 3),
              26: (512, 3), 28: (512, 3)},
}  # fmt: skip
CLASSIFIERS = {"alexnet": (6, (1, 4, 6)), "vgg11": (7, (0, 3, 6)), "vgg16": (7, (0, 3, 6))}
NARROW, HIDDEN, CLASSES = 0.125, 24, 5


def config_of(name: str, **given) -> Config:
    """A narrow one as it is here, of images as they are stored."""
    hidden = {"hidden": (HIDDEN, HIDDEN)} if name in PLAIN else {}
    small = {"width_multiplier": NARROW, "image_size": 0, **hidden}
    return make_config({**published.SETTINGS[name], **small, **given})


def shapes_of(name: str, width=NARROW, hidden=HIDDEN, classes=CLASSES) -> dict[str, tuple]:
    """By the name of a tensor, its shape."""
    if name in RESNETS:
        return _shapes_of_resnet(name, width, classes)
    found, channels = {}, 3
    for place, (features, cells) in PLAIN[name].items():
        own = round(features * width)
        found |= _layer(f"features.{place}", own, channels, cells, cells)
        channels = own
    side, places = CLASSIFIERS[name]
    units = channels * side**2
    for place, features in zip(places, (hidden, hidden, classes), strict=True):
        found |= _layer(f"classifier.{place}", features, units)
        units = features
    return found


def _shapes_of_resnet(name, width, classes):
    def conv(place, features, channels, cells, norm):
        return {f"{place}.weight": (features, channels, cells, cells)} | _norm(norm, features)

    wide = 4 if name == "resnet50" else 1
    channels = round(64 * width)
    found = conv("conv1", channels, 3, 7, "bn1")
    for stage, count in enumerate(RESNETS[name], start=1):
        narrow = round(32 * 2**stage * width)
        for number in range(count):
            own, out = f"layer{stage}.{number}", narrow * wide
            shapes = [(narrow, 3), (narrow, 3)]
            if wide > 1:
                shapes = [(narrow, 1), (narrow, 3), (out, 1)]
            seen = channels
            for index, (features, cells) in enumerate(shapes, start=1):
                found |= conv(f"{own}.conv{index}", features, seen, cells, f"{own}.bn{index}")
                seen = features
            if number == 0 and (stage > 1 or wide > 1):
                found |= conv(f"{own}.downsample.0", out, channels, 1, f"{own}.downsample.1")
            channels = out
    return found | _layer("fc", classes, channels)


def _layer(place, features, *others):
    return {f"{place}.weight": (features, *others), f"{place}.bias": (features,)}


def _norm(place, features):
    names = ("weight", "bias", "running_mean", "running_var")
    found = {f"{place}.{name}": (features,) for name in names}
    return found | {f"{place}.num_batches_tracked": ()}


def draw(shapes: dict[str, tuple], seed: int = 0) -> dict[str, np.ndarray]:
    """Random tensors, under which units neither die nor grow, and running statistics of note."""
    rng = np.random.default_rng(seed)

    def own(name, shape):
        if name.endswith("num_batches_tracked"):
            return np.array(7)
        if name.endswith("running_var"):
            return rng.uniform(0.5, 1.5, shape).astype(np.float32)
        if name.endswith("weight") and len(shape) == 1:  # a norm's, in each residual branch
            return rng.uniform(0.3, 0.9, shape).astype(np.float32)
        scale = (2 / np.prod(shape[1:])) ** 0.5 if len(shape) > 1 else 0.1
        return (scale * rng.normal(size=shape)).astype(np.float32)

    return {name: own(name, shape) for name, shape in shapes.items()}
