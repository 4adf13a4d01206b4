"""Networks of no paper, which their knobs describe: CNN, MLP, twins of a CNN. Imports no JAX."""

from typing import TYPE_CHECKING, Any

from cnnjax.config import presets, register
from cnnjax.config.layouts import POOL, Conv, Dense, Layout, Twin

if TYPE_CHECKING:
    from cnnjax.config.config import Config


@register.model("cnn", reads=presets.CNN, small=presets.SMALL_CNN)
def cnn(config: "Config", num_classes: int) -> Layout:
    """Convolutions of `widths`, with a pooling after every `pool_every` of them."""
    layout: list[Conv | str] = []
    every = config.pool_every or 1  # `cost.find_network` has put another number where 0 needs one
    for index, width in enumerate(config.widths, start=1):
        layout.append(
            Conv(width, config.kernel_size, config.stride, grouped=index > 1, partial=True)
        )
        if index % every == 0:
            layout.append(POOL)
    return tuple(layout)


@register.model("mlp", reads=presets.MLP, small={"hidden": (32,)})
def mlp(config: "Config", num_classes: int) -> Dense:
    """Dense layers of `hidden` units."""
    return Dense()


@register.model("logistic", reads=presets.EVERY | {"logits"}, defaults={"hidden": ()})
def logistic(config: "Config", num_classes: int) -> Dense:
    """The layer of the logits alone."""
    return Dense()


@register.model(
    "mlp_twin",
    # Matched to the sizes of a CNN alone, it has no convolutions of its own.
    reads=(presets.CNN | {"match"})
    - {"conv_form", "fill", "freeze", "count_padding", "first_layer", "init=dirac"},
    small=presets.SMALL_CNN,
)
def mlp_twin(config: "Config", num_classes: int) -> Twin:
    """Dense layers in the place of convolutions, of about the size of that CNN."""

    def widen(cnn: "Config", width: int) -> dict[str, Any]:
        return {"model": "mlp", "hidden": (width,) * len(cnn.widths) + cnn.hidden}

    return Twin(widen)


@register.model(
    "local_twin",
    reads=(presets.CNN | {"match"}) - {"conv", "conv_form", "first_layer", "init=dirac"},
    small=presets.SMALL_CNN,
)
def local_twin(config: "Config", num_classes: int) -> Twin:
    """A kernel of its own at every position, in a network of about the size of that CNN."""

    def widen(cnn: "Config", width: int) -> dict[str, Any]:
        widths = tuple(max(round(own * width / max(cnn.widths)), 1) for own in cnn.widths)
        return {"conv": "unshared", "widths": widths}

    return Twin(widen)
