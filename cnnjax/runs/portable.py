"""A run's network as one function, and that as bytes that other programs open.

StableHLO by `jax.export`, ONNX by jax2onnx, of the extra `onnx`.
"""

import importlib.util
import logging
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from cnnjax.config import installed, words
from cnnjax.config.config import Config, structure_of
from cnnjax.config.data import input_shape
from cnnjax.config.knobs import ConfigError
from cnnjax.data import transform
from cnnjax.data.prepare import find_scale
from cnnjax.networks import cost, models
from cnnjax.sweep.final import Final, Input

Function = Callable[[Array], Array]
# For all of them there is one program: with a convolution that each compiler has its own of.
PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
NATIVE = "tpu"  # whose arithmetic it is: of those whose convolution is the compiler's
OPSET = 23  # of ONNX: what ONNX Runtime 1.24 and later have
INPUT, OUTPUT = "images", "probabilities"


class Form(NamedTuple):
    """A kind of file."""

    file: str
    convert: Callable[[Function, tuple[int, ...], np.dtype], bytes]
    needs: tuple[str, ...]  # packages that write and open it
    opens: tuple[str, ...]  # those that open it
    read: str  # how, as Python


def make_function(config: Config, own: Final) -> Function:
    """`images` as stored [n, H, W, C] to probabilities [n, classes]; weights are constants.

    The same as `Run.predict`, with no batch size of its own: pixels are permuted, standardised and
    resized in it.
    """
    taken, structure = own.input, structure_of(config)
    network = cost.find_network(structure, taken.image_shape, taken.num_classes)
    model = models.make_model(network, taken.image_shape, taken.num_classes, NATIVE)
    mean, scale = find_scale(config, taken.pixels.mean, taken.pixels.std)
    resize = make_resize(config, taken)
    permute: Any = transform.permute_pixels  # of NumPy or of JAX

    def answer(images: Array) -> Array:
        with jax.default_matmul_precision(structure.precision):
            if config.permute_pixels:
                images = permute(images)
            prepared = resize((images.astype(np.float32) - mean) / scale)
            return models.probabilities(models.answer(model, own.params, own.stats, prepared))

    return answer


def make_resize(config: Config, taken: Input) -> Function:
    """`prepare.resize` as two products with matrices, as JAX has it within.

    jax2onnx takes no `jax.image.resize` of a batch whose size is open.
    """
    height, width, _ = taken.image_shape
    rows, columns, _ = input_shape(config, taken.image_shape)
    if (rows, columns) == (height, width):
        return lambda images: images
    down, across = (
        np.asarray(jax.image.resize(jnp.eye(before), (after, before), "bilinear"))
        for before, after in ((height, rows), (width, columns))
    )
    precision = jax.lax.Precision[config.precision.upper()]
    return lambda images: jnp.einsum("nhwc,yh,xw->nyxc", images, down, across, precision=precision)


def stored_dtype(taken: Input) -> np.dtype:
    """The type of images as stored: uint8 or float32.

    Weights of before that was kept say only what the pixels were: bytes, if they can have been.
    """
    if taken.dtype:
        return np.dtype(taken.dtype)
    low, high = taken.pixels.low, taken.pixels.high
    whole = low.is_integer() and high.is_integer() and 0 <= low <= high <= 255
    return np.dtype(np.uint8 if whole and high > 1 else np.float32)


def to_stablehlo(function: Function, shape: tuple[int, ...], dtype: np.dtype) -> bytes:
    """As `jax.export` writes it, for any number of images of a shape [H, W, C]."""
    from jax import export

    (count,) = export.symbolic_shape("n")
    images = jax.ShapeDtypeStruct((count, *shape), dtype)
    return bytes(export.export(jax.jit(function), platforms=PLATFORMS)(images).serialize())


def to_onnx(function: Function, shape: tuple[int, ...], dtype: np.dtype) -> bytes:
    """As jax2onnx writes it, for any number of images of a shape [H, W, C]."""
    import jax2onnx  # pyright: ignore[reportMissingImports]

    images: Any = jax.ShapeDtypeStruct(("n", *shape), dtype)  # pyright: ignore[reportArgumentType]
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # what it thinks of its own graph
    try:
        with warnings.catch_warnings(action="ignore"):  # it asks JAX for float64
            model = jax2onnx.to_onnx(
                function, [images], model_name="cnnjax", opset=OPSET, input_names=[INPUT],
                output_names=[OUTPUT],
            )  # fmt: skip
            return model.SerializeToString()
    finally:
        logging.disable(before)


FORMS = {
    "stablehlo": Form(
        "model.stablehlo", to_stablehlo, ("flatbuffers",), ("jax", "jaxlib", "flatbuffers"),
        "from jax import export\n"
        'model = export.deserialize(bytearray(open("model.stablehlo", "rb").read()))\n'
        "probabilities = model.call(images)\n",
    ),
    "onnx": Form(
        "model.onnx", to_onnx, ("jax2onnx", "onnxruntime"), ("onnxruntime",),
        "import onnxruntime\n"
        'model = onnxruntime.InferenceSession("model.onnx")\n'
        f'probabilities = model.run(None, {{"{INPUT}": images}})[0]\n',
    ),
}  # fmt: skip


def find_form(name: str) -> Form:
    """The form of that name. Raises ConfigError where there is none, or what writes it lacks."""
    if name not in FORMS:
        raise ConfigError(f"format={name!r}: give {' or '.join(FORMS)}")
    for package in FORMS[name].needs:
        if importlib.util.find_spec(package) is None:
            how = installed.how_to_add("onnx") if name == "onnx" else f"pip install {package}"
            raise ConfigError(f"format={name}: {package} is missing: {how}")
    return FORMS[name]


def convert(config: Config, own: Final, name: str) -> bytes:
    """The network of a run in that form. Raises ConfigError where it cannot be written so."""
    form, taken = find_form(name), own.input
    if name == "onnx" and config.dtype != "float32":
        raise ConfigError(
            f"format=onnx: ONNX Runtime has no convolution in {config.dtype}; try format=stablehlo"
        )
    function = make_function(config, own)
    try:
        return form.convert(function, taken.image_shape, stored_dtype(taken))
    except ConfigError:  # of a plug-in: its file and line
        raise
    except Exception as error:  # each converter has its own for what it does not take
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        others = " or ".join(f"format={own}" for own in FORMS if own != name)
        raise ConfigError(
            f"format={name} does not take this network: {words.shorten(reason)}; try {others}"
        ) from error
