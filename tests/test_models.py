"""Networks have the sizes that arithmetic gives them, and every knob changes what they do."""

import jax
import numpy as np
import pytest

from cnnjax import cost, models
from cnnjax.config import KNOBS, Config, ConfigError

SHAPE, CLASSES = (8, 8, 1), 10


def logits_of(config: Config) -> np.ndarray:
    model = models.make_model(config, SHAPE, CLASSES)
    images = np.random.default_rng(0).normal(size=(3, *SHAPE)).astype(np.float32)
    return np.asarray(model.apply(model.init(jax.random.key(0)), images))


@pytest.mark.parametrize("model", KNOBS["model"].choices)
def test_gives_a_logit_a_class(model):
    assert logits_of(Config(model=model)).shape == (3, CLASSES)


# Each value of each knob that shapes a network, beside the default.
OTHER_VALUES = {
    "model": ["mlp"],
    "widths": [(8, 32), (16,)],
    "kernel_size": [1, 5],
    "stride": [2],
    "padding": ["VALID"],
    "pool": ["avg", "stride", "none"],
    "pool_size": [1, 3],
    "pool_every": [1, 3],
    "hidden": [(), (32,), (64, 64)],
    "activation": ["tanh"],
}


def test_every_choice_of_every_knob_is_tried_here():
    for name, values in OTHER_VALUES.items():
        if KNOBS[name].choices:
            assert {KNOBS[name].default, *values} == set(KNOBS[name].choices)


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in OTHER_VALUES for value in OTHER_VALUES[name]]
)
def test_each_value_changes_the_output(name, value):
    assert not np.allclose(logits_of(Config()), logits_of(Config(**{name: value})))


def test_activation_reaches_every_layer():
    # With tanh after every layer the last hidden units, and so the logits, are bounded.
    config = Config(activation="tanh", hidden=(4,))
    model = models.make_model(config, SHAPE, CLASSES)
    params = jax.tree.map(lambda leaf: 100 * leaf, model.init(jax.random.key(0)))
    images = np.full((1, *SHAPE), 1e3, np.float32)
    head = params["head"]["logits"]["kernel"]
    assert np.abs(model.apply(params, images)).max() <= np.abs(head).sum(axis=0).max() + 1e-3


@pytest.mark.parametrize(
    ("config", "parameters", "macs", "field", "map_shape"),
    [
        # 3*3*1*16+16 + 3*3*16*32+32 + 4*4*32*64+64 + 64*10+10; MACs: 64*9*16 + 64*9*16*32 + dense
        (Config(), 160 + 4640 + 32832 + 650, 9216 + 294912 + 32768 + 640, 6, (4, 4, 32)),
        (Config(padding="VALID"), 160 + 4640 + 8256 + 650, 36 * 144 + 16 * 4608 + 8192 + 640, 6,
         (2, 2, 32)),
        (Config(pool="stride"), 38282, 9216 + 16 * 4608 + 32768 + 640, 5, (4, 4, 32)),
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
    params = models.make_model(config, SHAPE, CLASSES).init(jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == parameters


def test_receptive_field_is_what_a_gradient_sees():
    config = Config(hidden=(), pool="avg")
    module = models.make_module(config, CLASSES)
    params = models.make_model(config, SHAPE, CLASSES).init(jax.random.key(0))
    ones = jax.tree.map(lambda leaf: abs(leaf) + 0.1, params)  # so that nothing cancels

    def one_cell(image):
        _, state = module.apply({"params": ones}, image, capture_intermediates=True)
        return state["intermediates"]["pool_2"]["__call__"][0][0, 1, 1].sum()

    seen = np.argwhere(np.asarray(jax.grad(one_cell)(np.ones((1, *SHAPE), np.float32)))[0, ..., 0])
    extent = seen.max(axis=0) - seen.min(axis=0) + 1
    assert extent.tolist() == [cost.measure(config, SHAPE, CLASSES).receptive_field] * 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"kernel_size": 9, "padding": "VALID"},
            "conv_1: a 9x9 kernel does not fit on a map of 8x8",
        ),
        ({"pool_size": 9}, "pool_2: a 9x9 pooling leaves nothing of a map of 8x8"),
        ({"padding": "VALID", "pool_every": 1, "widths": (4, 4, 4)}, "pool_2: a 2x2 pooling"),
    ],
)
def test_refuses_what_does_not_fit_naming_the_layer(fields, message):
    with pytest.raises(ConfigError, match=message):
        cost.measure(Config(**fields), SHAPE, CLASSES)
