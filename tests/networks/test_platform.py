"""Whose arithmetic a program has is said by its caller, and never taken from the host unasked."""

import importlib
import importlib.util
import inspect
import pkgutil
import types

import jax
import pytest

import cnnjax
from cnnjax.networks import cost, models, modules
from tests.small import make_small

# Modules that import what an extra has, which may not be there.
OF_EXTRAS = {"cnnjax.sweep.engines.on_ray": "ray", "cnnjax.sweep.engines.on_slurm": "submitit"}


def list_signatures():
    """Every function, class (its fields are its arguments) and method of cnnjax, by its name."""
    for info in pkgutil.walk_packages(cnnjax.__path__, "cnnjax."):
        if info.name in OF_EXTRAS and importlib.util.find_spec(OF_EXTRAS[info.name]) is None:
            continue
        module = importlib.import_module(info.name)
        for name, found in vars(module).items():
            if getattr(found, "__module__", None) != info.name:
                continue
            if inspect.isfunction(found) or inspect.isclass(found):
                yield f"{info.name}.{name}", found
            for inner, method in vars(found).items() if inspect.isclass(found) else ():
                if isinstance(method, types.FunctionType):
                    yield f"{info.name}.{name}.{inner}", method


def test_no_platform_has_a_default():
    takers = set()
    for name, found in list_signatures():
        try:
            parameters = inspect.signature(found).parameters
        except ValueError:  # a class of C code
            continue
        if "platform" in parameters:
            takers.add(name)
            assert parameters["platform"].default is inspect.Parameter.empty, name
    assert {
        "cnnjax.ops.conv.conv2d", "cnnjax.ops.pool.blur_pool", "cnnjax.ops.precision.round_to",
        "cnnjax.networks.convolution.Conv", "cnnjax.networks.layers.make_dense",
        "cnnjax.networks.modules.ResNet",
        "cnnjax.networks.models.make_model", "cnnjax.training.program.make_program",
        "cnnjax.sweep.placement.count_chunk",
    } <= takers  # fmt: skip


def test_a_network_without_a_platform_is_refused():
    with pytest.raises(TypeError, match="platform"):
        modules.CNN(make_small("cnn"), 10)  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize("model", ["cnn", "airbench94", "resnet20"])
def test_parameters_have_the_same_shapes_on_every_platform(model):
    """`models.SHAPES_ONLY` rests on it."""
    config = cost.find_network(make_small(model), (8, 8, 1), 10)
    shapes = [
        jax.eval_shape(models.make_model(config, (8, 8, 1), 10, platform).init, jax.random.key(0))
        for platform in ("cpu", "gpu", "tpu")
    ]
    assert shapes[0] == shapes[1] == shapes[2]
