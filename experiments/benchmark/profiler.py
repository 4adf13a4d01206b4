"""Where the time of a training step goes: each layer alone, as often as a step runs it."""

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jax.sharding import PartitionSpec

from cnnjax.config.config import Config
from cnnjax.config.data import input_shape
from cnnjax.data.dataset import Dataset
from cnnjax.networks import convolution, cost, count, models, norms
from cnnjax.ops import conv
from cnnjax.sweep import meshes, placement

RNGS = ("params", "dropout", "pool", "depth")
NORMS = (norms.BatchNorm, nn.LayerNorm, nn.GroupNorm)
SECONDS = 0.05  # of each measurement, at least


class Call(NamedTuple):
    """A layer as the network calls it for one piece of a batch."""

    path: tuple[str, ...]
    layer: nn.Module  # unbound
    maps: jax.ShapeDtypeStruct  # its input
    others: tuple  # its other arguments
    output: tuple[int, ...]  # shape for one image


class LayerTime(NamedTuple):
    """A layer's part of one training step, over all devices."""

    name: str
    form: str  # of a convolution
    output: tuple[int, ...]
    flops: float  # forward; backward has twice as many, less the images' gradient if none is due
    backward_flops: float
    bytes: float  # forward: its input, output and parameters, once each
    forward: float  # seconds
    backward: float


def find_calls(config: Config, dataset: Dataset, images: int, platform: str) -> list[Call]:
    """Every layer of the network with the input that so many images give it, on a platform."""
    shape = input_shape(config, dataset.image_shape)
    module, found = models.make_module(config, dataset.num_classes, platform), []

    def record(next_function: Any, args: Any, kwargs: Any, context: Any) -> Any:
        output, layer = next_function(*args, **kwargs), context.module
        if context.method_name == "__call__" and isinstance(layer, (*count.OWN, *NORMS)):
            maps = jax.ShapeDtypeStruct(args[0].shape, args[0].dtype)
            unbound = layer.clone(parent=None)
            found.append(Call(layer.path, unbound, maps, args[1:], tuple(output.shape[1:])))
        return output

    with nn.intercept_methods(record):
        blank = jax.ShapeDtypeStruct((images, *shape), jnp.float32)
        keys = {name: jax.random.key(0) for name in RNGS}
        jax.eval_shape(lambda x: module.init(keys, x, train=True), blank)
    return found


def profile(config: Config, dataset: Dataset) -> list[LayerTime]:
    """The layers of one run's training step, from the input up."""
    mesh = meshes.make_group_mesh(config, 1, dataset)
    image_shape = dataset.image_shape
    network = cost.find_network(config, image_shape, dataset.num_classes)
    platform = placement.platform_of(mesh)
    pieces = placement.count_pieces(config, image_shape, dataset.num_classes, platform)
    size, shared = config.batch_size // pieces, mesh.shape["data"]
    macs = {
        layer.name: layer.macs
        for layer in cost.measure(network, image_shape, dataset.num_classes).layers
    }
    found = []
    for number, call in enumerate(find_calls(network, dataset, size, platform)):
        name, first = "/".join(call.path), number == 0
        forward, both, elements = time_layer(call, mesh, first)
        flops = 2.0 * config.batch_size * macs.get(name, 0)
        times = pieces / shared
        found.append(
            LayerTime(
                name, find_form(network, call), call.output, flops, flops * (1 if first else 2),
                4.0 * pieces * elements, times * forward, times * max(both - forward, 0.0),
            )
        )  # fmt: skip
    return found


def find_form(config: Config, call: Call) -> str:
    """How this platform computes a convolution; empty for other layers."""
    layer = call.layer
    if not isinstance(layer, convolution.Conv) or config.conv != "standard":
        return ""
    if config.conv_form != "auto" or jax.default_backend() != "cpu":
        return "native" if config.conv_form == "auto" else config.conv_form
    shape, window, pads = call.maps.shape, layer.kernel_size, layer.find_pads(call.maps.shape)
    kernel = (*window, shape[-1] // layer.groups, layer.count_features(shape[-1]))
    return conv.choose_form(
        shape, kernel, layer.stride, pads, config.dilation, layer.groups, call.maps.dtype
    )


def time_layer(call: Call, mesh: jax.sharding.Mesh, first: bool) -> tuple[float, float, int]:
    """Seconds forward, and forward and backward, on all devices of `mesh` at once; and elements.

    The first layer's images want no gradient. Elements are those of input, output and parameters.
    """
    keys = {name: jax.random.key(0) for name in RNGS}
    maps = jax.random.normal(keys["params"], call.maps.shape, call.maps.dtype)
    variables = jax.jit(lambda x: call.layer.init(keys, x, *call.others))(maps)
    params, stats = variables.get("params", {}), variables.get("batch_stats", {})

    def apply(params: Any, maps: Any) -> Any:
        return call.layer.apply(
            {"params": params, "batch_stats": stats}, maps, *call.others,
            mutable=["batch_stats"], rngs=keys,
        )[0]  # fmt: skip

    def forward(params: Any, maps: Any, grads: Any) -> Any:
        return apply(params, maps)

    def both(params: Any, maps: Any, grads: Any) -> Any:
        if first:
            output, pull = jax.vjp(lambda params: apply(params, maps), params)
        else:
            output, pull = jax.vjp(apply, params, maps)
        return output, pull(grads)

    grads = jnp.ones(jax.eval_shape(apply, params, maps).shape, maps.dtype)
    seconds = [time_loop(function, (params, maps, grads), mesh) for function in (forward, both)]
    elements = sum(leaf.size for leaf in jax.tree.leaves((params, maps, grads)))
    return seconds[0], seconds[1], elements


def time_loop(function: Callable, inputs: tuple, mesh: jax.sharding.Mesh) -> float:
    """Seconds of `function(*inputs)` in a loop of one program, as training runs it."""

    def loop(repeats: Any, inputs: tuple) -> Any:
        def once(_: Any, carry: tuple) -> tuple:
            # The barrier keeps the compiler from doing it once for all turns of the loop, and
            # all outputs in the carry from leaving out what no one reads.
            own, token = lax.optimization_barrier((inputs, carry[1]))
            outputs = function(*own)
            first = jax.tree.leaves(outputs)[0].ravel()[0].astype(jnp.float32)
            return outputs, token + first

        zeros = jax.tree.map(
            lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(function, *inputs)
        )
        carry = lax.fori_loop(0, repeats, once, (zeros, jnp.float32(0)))
        return jax.tree.map(lambda leaf: leaf[None], carry)

    axes, spec = PartitionSpec(mesh.axis_names), PartitionSpec()
    run = jax.jit(
        jax.shard_map(loop, mesh=mesh, in_specs=(spec, spec), out_specs=axes, check_vma=False)
    )

    def measure(repeats: int) -> float:
        return time_call(run, jnp.int32(repeats), inputs) / repeats

    measure(1)
    repeats = max(math.ceil(SECONDS / measure(1)), 2)
    return min(measure(repeats) for _ in range(5))


def measure_peak() -> float:
    """Floating-point operations per second of a large matrix product on all cores."""
    matrix = jnp.ones((2048, 2048)) / 2048
    multiply = jax.jit(lambda a, b: a @ b)
    jax.block_until_ready(multiply(matrix, matrix))
    return 2 * 2048**3 / min(time_call(multiply, matrix, matrix) for _ in range(5))


def measure_bandwidth() -> float:
    """Bytes per second that all cores read and write together, on arrays beyond any cache."""
    values, repeats = jnp.ones(2**25), 8
    add = jax.jit(lambda x: lax.fori_loop(0, repeats, lambda _, x: x + 1, x))
    jax.block_until_ready(add(values))
    return 2 * repeats * values.nbytes / min(time_call(add, values) for _ in range(5))


def time_call(function: Callable, *inputs: Any) -> float:
    """Seconds until `function(*inputs)` and all arrays that it gives are done."""
    begin = time.perf_counter()
    jax.block_until_ready(function(*inputs))
    return time.perf_counter() - begin


def print_profile(
    title: str, times: list[LayerTime], step_seconds: float, peak: float, console: Any
) -> None:
    """Prints time, rate and share of the peak of each layer, and what is left of the step."""
    from cnnjax.report import console as console_lib
    from cnnjax.report import text

    table = console_lib.start_table(title, "layer")
    for name in ("form", "output"):
        table.add_column(name)
    for name in ("fwd ms", "GF/s", "peak", "bwd ms", "GF/s", "peak", "step"):
        table.add_column(name, justify="right")

    def describe(flops: float, seconds: float) -> tuple[str, str, str]:
        if not flops:
            return f"{1e3 * seconds:.2f}", "", ""
        rate = flops / max(seconds, 1e-9)
        return f"{1e3 * seconds:.2f}", f"{rate / 1e9:,.0f}", f"{rate / peak:.0%}"

    for layer in times:
        share = (layer.forward + layer.backward) / step_seconds
        table.add_row(
            layer.name, layer.form, text.shape(layer.output),
            *describe(layer.flops, layer.forward),
            *describe(layer.backward_flops, layer.backward), f"{share:.0%}",
        )  # fmt: skip
    forward, backward = (
        sum(getattr(layer, way) for layer in times) for way in LayerTime._fields[-2:]
    )
    rest = step_seconds - forward - backward
    table.add_section()
    table.add_row("the rest", "", "", f"{1e3 * rest:.2f}", *[""] * 5, f"{rest / step_seconds:.0%}")
    flops = sum(layer.flops for layer in times), sum(layer.backward_flops for layer in times)
    table.add_row("whole step", "", "", *describe(sum(flops), step_seconds), *[""] * 3, "100%")
    console_lib.print_table(table, console)


def draw_roofline(times: list[LayerTime], peak: float, bandwidth: float) -> str:
    """Layers with multiplications under the machine's roof, as SVG text.

    Williams, Waterman and Patterson 2009: rate against operations a byte, forward.
    """
    import matplotlib
    import numpy as np
    from matplotlib import figure

    from cnnjax.report.drawing import INK, LINE_COLORS, STYLE, Drawing, render_svg

    shown = [layer for layer in times if layer.flops]
    with matplotlib.rc_context(STYLE):
        drawing = figure.Figure(figsize=(7.2, 4.4), layout="constrained")
        axes = drawing.subplots()
        intensity = [layer.flops / layer.bytes for layer in shown]
        wide = np.geomspace(min(0.5, *intensity) / 2, max(peak / bandwidth, *intensity) * 2, 200)
        roof = np.minimum(peak, bandwidth * wide) / 1e9
        axes.loglog(wide, roof, color=INK, lw=1.2)
        for layer, across, color in zip(shown, intensity, LINE_COLORS * len(shown), strict=False):
            rate = layer.flops / layer.forward / 1e9
            axes.plot(across, rate, "o", color=color, ms=7)
            axes.annotate(
                f"{layer.name} {layer.form}", (across, rate), textcoords="offset points",
                xytext=(6, -3), fontsize=8,
            )  # fmt: skip
        axes.set_xlabel("Operations of the plain form per byte of input, output and parameters")
        axes.set_ylabel("GFLOP/s, forward")
        axes.grid(alpha=0.2, lw=0.6, which="both")
        alt = f"Roofline: {peak / 1e9:.0f} GFLOP/s and {bandwidth / 1e9:.0f} GB/s; " + ", ".join(
            f"{layer.name} {layer.flops / layer.forward / 1e9:.0f}" for layer in shown
        )
        return render_svg(Drawing(drawing, alt))
