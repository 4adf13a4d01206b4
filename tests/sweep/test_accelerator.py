"""What runs on a GPU or TPU, traced on a CPU: bfloat16 is real there, and lanes run in step.

Nothing is compiled or run. A dtype that does not fit shows while a program is traced.
"""

import functools
import re

import jax
import numpy as np
import pytest

from cnnjax.config import models
from cnnjax.config.config import KNOBS, Config, make_config, numbers_of, structure_of
from cnnjax.data.batches import Batches
from cnnjax.sweep import placement
from cnnjax.training import program
from tests.small import SMALL, cut_blocks, make_small

OPTAX = True  # see conftest.py
STRATEGIES = {"map": 1, "vmap": 2}  # lanes that a device trains in step
LANES = 2


@pytest.fixture(autouse=True)
def few_blocks(monkeypatch):
    """Residual networks with one block that keeps its channels, and one that does not a stage."""
    cut_blocks(monkeypatch, first=2)


def spread_shape(*shape, dtype=np.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


def trace(config: Config, chunk: int, platform: str = "tpu") -> dict:
    """The programs of a structure for lanes on an accelerator: jaxpr and output shapes by name."""
    shape = models.images_of(config.model)
    structure = structure_of(config)
    functions = make_functions(
        structure, program.DataSpec(shape, 10, 8, mean=0.0, std=1.0), platform
    )
    numbers = {
        name: spread_shape(LANES, dtype=placement.DTYPES[KNOBS[name].type])
        for name in numbers_of(structure)
    }
    train = program.TrainData(
        spread_shape(8, *shape, dtype=np.uint8), spread_shape(8, dtype=np.int32)
    )
    split = Batches(
        spread_shape(2, 4, *shape, dtype=np.uint8), spread_shape(2, 4, dtype=np.int32),
        spread_shape(2, 4),
    )  # fmt: skip
    mesh = placement.make_mesh(1)

    def run(name: str, num_own: int, *arguments):
        over_all = placement.over_lanes(getattr(functions, name), mesh, chunk, num_own)
        return jax.make_jaxpr(over_all, return_shape=True)(*arguments)

    found = {"init": run("init", 1, numbers)}
    state = found["init"][1]
    return {
        **found,
        "advance": run("advance", 2, numbers, state, train, np.int32(2)),
        "evaluate": run("evaluate", 1, state, split),
        "examine": run("examine", 1, state, split, split),
    }


@functools.cache  # both strategies share what one lane traces
def make_functions(structure: Config, spec: program.DataSpec, platform: str) -> program.Program:
    functions = program.make_program(structure, spec, platform=platform)
    advance = functools.partial(functions.advance, reach=2)
    return program.Program(
        jax.jit(functions.init), jax.jit(advance), jax.jit(functions.evaluate),
        jax.jit(functions.examine),
    )  # fmt: skip


def list_products(jaxpr, stack: str = ""):
    """Every convolution and product of a program: where it stands, and its operands' dtypes."""
    for equation in jaxpr.eqns:
        name = equation.params.get("name", "")
        own = f"{stack}/{equation.source_info.name_stack}|{name}"
        if equation.primitive.name in ("dot_general", "conv_general_dilated"):
            yield own, {str(operand.aval.dtype) for operand in equation.invars}
        for value in equation.params.values():
            for part in value if isinstance(value, tuple | list) else (value,):
                inner = getattr(part, "jaxpr", part)
                if hasattr(inner, "eqns"):
                    yield from list_products(inner, own)


NETWORK = re.compile(r"\b(CNN|ResNet|Dense)\b")  # a Flax module's scope
# Products that are in float32 whatever the run's precision: images are resized before they are
# rounded, muon orthogonalises float32 gradients, and what is measured is measured in float32.
OTHERS = re.compile(r"_resize|examine|muon")


def check(config: Config, chunk: int) -> None:
    programs = trace(config, chunk)
    _, state = programs["init"]
    assert programs["advance"][1] == state  # the same tree, shapes and dtypes after steps
    assert {leaf.dtype for leaf in jax.tree.leaves(state.params)} == {np.dtype(np.float32)}
    for name, (jaxpr, _) in programs.items():
        products = [(f"{config.optimizer} {own}", operands) for own, operands in
                    list_products(jaxpr.jaxpr)]  # fmt: skip
        own = [(where, operands) for where, operands in products if NETWORK.search(where)]
        assert own, f"no product of the network was found in {name}"
        wrong = [(where, operands) for where, operands in own if operands != {config.dtype}]
        assert not wrong, f"{name}: {wrong[:3]}"
        strange = [where for where, _ in products if not NETWORK.search(where)]
        assert all(OTHERS.search(where) for where in strange), f"{name}: {strange}"


@pytest.mark.slow
@pytest.mark.parametrize("dtype", KNOBS["dtype"].choices)
@pytest.mark.parametrize("model", SMALL)
def test_every_model_runs_in_its_precision(model, dtype):
    for chunk in STRATEGIES.values():
        check(make_small(model, dtype=dtype, batch_size=4, steps=2), chunk)


TINY = {"widths": (6, 8), "hidden": (8,)}
RESNET = {"model": "resnet20", "width_multiplier": 0.25}
OPTIONS = [
    {"connectivity": "lenet5"}, {"connectivity": "random"}, {"first_layer": "whitened"},
    {"bias": False}, {"groups": 2}, {"conv": "separable"}, {"conv": "unshared"},
    {"fill": "partial"}, {"fill": "reflect"}, {"ema_decay": 0.9}, {"optimizer": "muon"},
    {"randaugment": 2}, {"views": "mirror_shift"}, {"flip": True, "flip_alternating": True},
    {"lookahead": 5}, {"norm_bias_rate": 64.0, "norm": "batch"},
    {"first_layer": "whitened", "whitening_bias_steps": 1},
    {"norm": "response"}, {"activation": "maxout"}, {"init": "pytorch"}, {"image_size": 12},
    {"dropout": 0.5}, {"mixup": 0.2}, {"logits": "rbf", "hidden": (84,)}, {"head": "global_avg"},
    {"squeeze_ratio": 2}, {**RESNET, "squeeze_ratio": 2}, {"head": "global_gem"},
    {"model": "mlp", "hidden": (64, 64), "residual": True},
    *[{"norm": norm} for norm in ("batch", "layer", "group")],
    {"norm": "batch", "norm_scale": False}, {"pool": "max"}, {"pool": "avg"},
    {**RESNET, "stochastic_depth": 0.5}, {**RESNET, "padding": "VALID", "image_size": 84},
]  # fmt: skip
MORE = [
    *[{"norm": norm, "norm_scale": False} for norm in ("layer", "group")],
    *[{"pool": pool} for pool in KNOBS["pool"].choices if pool not in ("max", "avg")],
    {**RESNET, "norm": "none"}, {**RESNET, "norm": "group"},
]  # fmt: skip


def test_every_network_has_a_form_for_lanes_in_step_on_a_gpu():
    tuned = [make_small(model) for model in SMALL]
    given = [make_config({**TINY, **option} if "model" not in option else option)
             for option in OPTIONS + MORE]  # fmt: skip
    forms = [placement.settle_form(structure_of(config), "gpu", 32) for config in tuned + given]
    assert {structure.conv_form for structure in forms} == {"auto", "patches"}


@pytest.mark.parametrize(
    "given", [*OPTIONS, *(pytest.param(own, marks=pytest.mark.slow) for own in MORE)], ids=str
)
def test_every_layer_runs_in_bfloat16(given):
    base = {} if "model" in given else TINY
    check(make_config({**base, "dtype": "bfloat16", "batch_size": 4, "steps": 2,
                                  **given}), STRATEGIES["vmap"])  # fmt: skip


def test_a_platform_decides_its_form_strategy_and_precision():
    config = Config(dtype="bfloat16")
    spec = program.DataSpec((8, 8, 1), 10, 8, 0.0, 1.0)
    assert placement.find_strategy(config, "cpu") == "map"
    assert (
        placement.find_strategy(config, "tpu") == placement.find_strategy(config, "cuda") == "vmap"
    )
    assert (
        placement.count_chunk(config, spec, "cpu") == 1 < placement.count_chunk(config, spec, "tpu")
    )
    large = Config(widths=(32, 64), pool_every=1, hidden=(256,), batch_size=128)
    assert placement.count_pieces(large, (28, 28, 1), 10, "cpu") == 8
    assert placement.count_pieces(large, (28, 28, 1), 10, "cuda") == 1
    for platform, native, dtype in (("cpu", False, "float32"), ("cuda", True, "bfloat16")):
        jaxpr, _ = trace(config, 1, platform)["evaluate"]
        assert ("conv_general_dilated" in str(jaxpr)) == native
        assert {name for _, names in list_products(jaxpr.jaxpr) for name in names} == {dtype}
