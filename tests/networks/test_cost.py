"""A network has the sizes that arithmetic gives it, and is refused where it does not fit."""

import jax
import numpy as np
import pytest
from flax import linen as nn

import cnnjax
from cnnjax.config import layouts
from cnnjax.config.config import KNOBS, Config
from cnnjax.config.knobs import ConfigError
from cnnjax.networks import cost, models, modules
from cnnjax.report import text
from tests import here
from tests.small import stand_in

SHAPE, CLASSES = (8, 8, 1), 10


@pytest.mark.parametrize(
    ("config", "parameters", "macs", "field", "map_shape"),
    [
        # 3*3*1*16+16 + 3*3*16*32+32 + 4*4*32*64+64 + 64*10+10; MACs: 64*9*16 + 64*9*16*32 + dense
        (Config(pool_every=2), 160 + 4640 + 32832 + 650, 9216 + 294912 + 32768 + 640, 6,
         (4, 4, 32)),
        (Config(padding="VALID", pool_every=2), 160 + 4640 + 8256 + 650,
         36 * 144 + 16 * 4608 + 8192 + 640, 6, (2, 2, 32)),
        (Config(pool="stride", pool_every=2), 38282, 9216 + 16 * 4608 + 32768 + 640, 5, (4, 4, 32)),
        (Config(pool="none"), 160 + 4640 + 8 * 8 * 32 * 64 + 64 + 650, 9216 + 294912 + 131072 + 640,
         5, (8, 8, 32)),
        (Config(model="mlp"), 64 * 64 + 64 + 650, 64 * 64 + 640, 8, (8, 8, 1)),
    ],
    ids=["max", "VALID", "stride", "none", "mlp"],
)  # fmt: skip
def test_cost_by_hand(config, parameters, macs, field, map_shape):
    measured = cost.measure(config, SHAPE, CLASSES)
    assert (measured.parameters, measured.macs) == (parameters, macs)
    assert (measured.receptive_field, measured.map_shape) == (field, map_shape)
    params, _ = here.make_model(config, SHAPE, CLASSES).init(jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == parameters


@pytest.mark.parametrize(
    ("fields", "parameters", "macs"),
    [
        ({"conv": "separable"}, (9 + 16 + 16) + (9 * 16 + 16 * 32 + 32),
         64 * (9 + 16) + 64 * (9 * 16 + 16 * 32)),
        ({"conv": "unshared"}, 64 * 9 * 16 + 16 + 64 * 144 * 32 + 32, 64 * 9 * 16 + 64 * 144 * 32),
        ({"groups": 4}, 160 + 9 * 4 * 32 + 32, 64 * 144 + 64 * 9 * 4 * 32),
        ({"bias": False}, 144 + 4608, 64 * 144 + 64 * 4608),
        ({"connectivity": "lenet5", "widths": (6, 16)}, 60 + 9 * 60 + 16, 64 * 54 + 64 * 9 * 60),
        ({"kernel_size": (3, 5)}, 15 * 16 + 16 + 15 * 16 * 32 + 32, 64 * 240 + 64 * 15 * 512),
        ({"norm": "batch"}, 160 + 4640, 9216 + 294912),
        ({"activation": "maxout"}, 320 + 9 * 16 * 64 + 64, 64 * 288 + 64 * 9 * 16 * 64),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_cost_of_convolutions_by_hand(fields, parameters, macs):
    layers_of = cost.measure(Config(**fields, pool_every=2), SHAPE, CLASSES).layers
    found = [layer for layer in layers_of if layer.name.startswith("conv")]
    assert sum(layer.parameters for layer in found) == parameters
    assert sum(layer.macs for layer in found) == macs


def test_what_a_cell_declares_anew_is_measured_anew(outside):
    cell = """
@cnnjax.pooling("cell")
def cell(maps, size, stride, padding, *, param):
    gain = param("gain", jax.nn.initializers.ones, (SIZE,))
    return maps[:, ::2, ::2] * gain.mean()
"""
    found = []
    for size in (1, 5):
        scope = {"__name__": "__cell__", "cnnjax": cnnjax, "jax": jax}
        exec(cell.replace("SIZE", str(size)), scope)
        found.append(cost.measure(Config(pool="cell", pool_every=2), (8, 8, 1), 10).parameters)
    assert found[1] == found[0] + 4


def test_sharing_cuts_parameters_and_not_computation():
    """Claims `local-connectivity` and `parameter-sharing`: the second half is false as stated."""
    dense, local, shared = (
        cost.measure(Config(**fields, hidden=()), SHAPE, CLASSES).layers[0]
        for fields in ({"kernel_size": (15,), "conv": "unshared"}, {"conv": "unshared"}, {})
    )
    assert shared.parameters == 3 * 3 * 16 + 16
    assert local.parameters == 64 * 3 * 3 * 16 + 16
    assert local.macs == shared.macs
    assert dense.parameters > 20 * local.parameters  # every cell sees the whole image


@pytest.mark.slow
@pytest.mark.parametrize(
    "fields",
    [{"pool": "avg"}, {"pool": "avg", "dilation": 2}, {"pool": "stride", "kernel_size": (5,)},
     {"pool": "avg", "pool_every": 1, "pool_size": 3, "pool_stride": 1}, {"pool": "blur"},
     {"pool": "polyphase", "pool_size": 3}],
    ids=str,
)  # fmt: skip
def test_receptive_field_is_what_a_gradient_sees(fields):
    config = Config(hidden=(), activation="identity", **fields)
    shape = (32, 32, 1)
    module = models.make_module(config, CLASSES, here.PLATFORM)
    params, _ = jax.jit(here.make_model(config, shape, CLASSES).init)(jax.random.key(0))
    ones = jax.tree.map(lambda leaf: abs(leaf) + 0.1, params)  # so that nothing cancels
    last = "conv_2" if config.pool == "stride" else "pool_2"

    def one_cell(image):
        _, state = module.apply({"params": ones}, image, train=False, capture_intermediates=True)
        maps = state["intermediates"][last]["__call__"][0]
        return maps[0, maps.shape[1] // 2, maps.shape[2] // 2].sum()

    rng = np.random.default_rng(0)  # a maximum sees one cell at a time: look many times
    images = rng.normal(size=(60, 1, *shape)).astype(np.float32)
    grads = np.abs(jax.jit(jax.vmap(jax.grad(one_cell)))(images)).sum(axis=(0, 1, 4))
    seen = np.argwhere(grads > 1e-5 * grads.max())  # Winograd rounds where a plain sum has zeros
    extent = seen.max(axis=0) - seen.min(axis=0) + 1
    assert extent.tolist() == [cost.measure(config, shape, CLASSES).receptive_field] * 2


def gate_by_dense(config, maps):
    return here.make_dense(config, maps.shape[-1], "gate")(maps.mean(axis=(1, 2)))[:, None, None]


def gate_by_convolution(config, maps):
    mean = maps.mean(axis=(1, 2), keepdims=True)
    return here.make_conv(config, layouts.Conv(maps.shape[-1], (1,)), 1, "gate")(mean)


def gate_by_foreign_layer(config, maps):
    return nn.Dense(maps.shape[-1])(maps.max(axis=(1, 2)))[:, None, None]


def gate_by_nothing(config, maps):
    return nn.LayerNorm()(maps)


@pytest.mark.parametrize(
    ("gate", "field"),
    [(gate_by_dense, None), (gate_by_convolution, None), (gate_by_foreign_layer, None),
     (gate_by_nothing, 5)],
)  # fmt: skip
@pytest.mark.parametrize("head", KNOBS["head"].choices)
def test_a_global_branch_sees_the_whole_image_and_a_head_is_none(monkeypatch, gate, field, head):
    class Gated(nn.Module):
        config: Config
        num_classes: int
        platform: str

        @nn.compact
        def __call__(self, maps, train):
            config = self.config
            maps = here.make_conv(config, layouts.Conv(4, (3,)), 1, "conv_1")(maps)
            maps = maps * nn.sigmoid(gate(config, maps))
            maps = here.make_conv(config, layouts.Conv(8, (3,)), 1, "conv_2")(maps)
            head = modules.Dense(config, self.num_classes, self.platform, name="head")
            return head(modules.apply_head(config, maps), train)

    stand_in(monkeypatch, "cnn", lambda config, classes: Gated(config, classes, here.PLATFORM))
    cost.measure.cache_clear()
    measured = cost.measure(Config(head=head, seed=1), (12, 12, 1), CLASSES)
    cost.measure.cache_clear()
    assert measured.receptive_field == field
    by_name = {layer.name: layer.receptive_field for layer in measured.layers}
    assert (by_name["conv_1"], by_name["conv_2"]) == (3, field)
    assert text.field(measured.receptive_field) == ("whole image" if field is None else "5")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"kernel_size": (9,), "padding": "VALID"},
            "conv_1: a 9x9 kernel does not fit on a map of 8x8",
        ),
        ({"shift": 8, "shift_fill": "reflect"}, "--shift=8 mirrors more cells than images of 8x8"),
        ({"pool_size": 9}, "pool_2: a 9x9 pooling leaves nothing of a map of 8x8"),
        ({"padding": "VALID", "pool_every": 1, "widths": (4, 4, 4)}, "pool_2: a 2x2 pooling"),
        ({"groups": 3}, "conv_2: 3 groups do not divide 16 channels into 32"),
        ({"groups": 2, "connectivity": "random"}, "--groups=2 excludes --connectivity=random"),
        (
            {"fill": "reflect", "kernel_size": (9,), "padding": "FULL"},
            "conv_1: reflect cannot fill",
        ),
    ],
)
def test_refuses_what_does_not_fit_naming_the_layer(fields, message):
    with pytest.raises(ConfigError, match=message):
        cost.measure(Config(**fields), SHAPE, CLASSES)
