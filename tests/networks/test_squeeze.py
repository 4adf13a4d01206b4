"""Squeeze and excitation against its paper's equations, where it stands, and what it costs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax.config.config import Config, make_config, override
from cnnjax.config.errors import ConfigError
from cnnjax.networks import cost, layers
from tests import here
from tests.small import make_small

SHAPE, CLASSES = (8, 8, 1), 10
RESNET = {"model": "resnet20", "width_multiplier": 0.25, "squeeze_ratio": 2}


@pytest.mark.parametrize("given", [{}, {"bias": False}, {"activation": "tanh"}], ids=str)
def test_a_block_is_equations_2_to_4_by_hand(given):
    """Hu et al. 2018: s = sigmoid(W2 relu(W1 z)), z the means; each map times its own."""
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(2, 3, 4, 6)).astype(np.float32)
    block = layers.Squeeze(Config(squeeze_ratio=3, **given), here.PLATFORM)
    shapes = jax.eval_shape(block.init, jax.random.key(0), maps)
    params = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), shapes)
    found = np.asarray(block.apply(params, maps))
    first, second = (params["params"][f"dense_{number}"] for number in (1, 2))
    assert first["kernel"].shape == (6, 2) and second["kernel"].shape == (2, 6)
    for image in range(2):
        means = [maps[image, :, :, c].astype(float).sum() / 12 for c in range(6)]
        units = [
            sum(means[c] * first["kernel"][c, u] for c in range(6))
            + (first["bias"][u] if "bias" in first else 0)
            for u in range(2)
        ]
        units = [np.tanh(u) if given.get("activation") == "tanh" else max(u, 0) for u in units]
        for c in range(6):
            total = sum(units[u] * second["kernel"][u, c] for u in range(2))
            total += second["bias"][c] if "bias" in second else 0
            share = 1 / (1 + np.exp(-total))
            np.testing.assert_allclose(found[image, ..., c], share * maps[image, ..., c], rtol=1e-5)
    assert ("bias" in first) == ("bias" in second) == given.get("bias", True)


def list_squeezes(config, shape=SHAPE):
    """The layers of blocks, with the layer of weights or norm called before each."""
    network, calls, found = here.make_model(config, shape, CLASSES), [""], []

    def record(next_function, args, kwargs, context):
        output = next_function(*args, **kwargs)
        if context.method_name == "__call__":
            path = "/".join(context.module.path)
            if isinstance(context.module, layers.Squeeze):
                found.append((path, args[0].shape[1:]))
            calls.append(path)
        return output

    params, stats = jax.eval_shape(network.init, jax.random.key(0))
    with layers.nn.intercept_methods(record):
        jax.eval_shape(network.apply, params, stats, jnp.zeros((1, *shape)))
    return found


def test_it_follows_every_convolution_and_stands_on_every_residual_branch():
    assert list_squeezes(Config(squeeze_ratio=4)) == [
        ("squeeze_1", (8, 8, 16)), ("squeeze_2", (4, 4, 32)),
    ]  # fmt: skip
    blocks = list_squeezes(make_config(RESNET))
    assert [path for path, _ in blocks] == [f"block_{n}/squeeze" for n in range(1, 10)]
    logits = make_small("all_cnn_c", squeeze_ratio=2)  # the last convolution's maps are the logits
    assert [path for path, _ in list_squeezes(logits)] == [f"squeeze_{n}" for n in range(1, 9)]


def test_a_residual_sum_has_the_branch_scaled_and_the_shortcut_as_it_is():
    """With kernels of 0 in the second layer, and its bias, each share is a half."""
    config, plain = (make_config({**RESNET, "squeeze_ratio": r, "norm": "none"}) for r in (2, 0))
    squeezed, without = (here.make_model(c, SHAPE, CLASSES) for c in (config, plain))
    params, stats = jax.jit(squeezed.init)(jax.random.key(0))
    images = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype(np.float32)
    for number in range(1, 10):
        block = params[f"block_{number}"]
        block["squeeze"]["dense_2"] = jax.tree.map(np.zeros_like, block["squeeze"]["dense_2"])
    halved = jax.tree.map(lambda leaf: leaf, params)
    for number in range(1, 10):
        del halved[f"block_{number}"]["squeeze"]
        conv = halved[f"block_{number}"]["conv_2"]
        halved[f"block_{number}"]["conv_2"] = jax.tree.map(lambda leaf: leaf / 2, conv)
    found, expected = (
        np.asarray(jax.jit(network.apply)(own, stats, images, None)[0])
        for network, own in ((squeezed, params), (without, halved))
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_cost_counts_its_two_layers_and_that_it_sees_the_whole_image():
    config = Config(widths=(8, 8, 4), squeeze_ratio=4, pool_every=3)
    plain = override(config, {"squeeze_ratio": 0})
    with_it, without = (cost.measure(own, SHAPE, CLASSES) for own in (config, plain))
    units = [(8, 2), (8, 2), (4, 1)]
    assert with_it.macs - without.macs == sum(2 * c * u for c, u in units)
    assert with_it.parameters - without.parameters == sum(2 * c * u + u + c for c, u in units)
    fields = {layer.name: layer.receptive_field for layer in with_it.layers}
    assert fields["conv_1"] == 3 and fields["conv_2"] is None and fields["conv_3"] is None
    assert with_it.receptive_field is None and without.receptive_field == 8
    assert cost.measure(Config(widths=(8,), squeeze_ratio=1), SHAPE, CLASSES).macs > 0
    params, _ = here.make_model(config, SHAPE, CLASSES).init(jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == with_it.parameters


def test_se_resnet_50_has_the_parameters_of_its_paper():
    """Section 4: with r = 16, 2 / r times the sum of N C^2 more, about 2.5 million; here biases."""
    data = (224, 224, 3), 1000
    plain, squeezed = (
        cost.measure(make_config({"model": "resnet50", "squeeze_ratio": r}), *data) for r in (0, 16)
    )
    blocks = [(3, 256), (4, 512), (6, 1024), (3, 2048)]
    kernels = sum(number * 2 * c**2 // 16 for number, c in blocks)
    biases = sum(number * (c + c // 16) for number, c in blocks)
    assert squeezed.parameters - plain.parameters == kernels + biases
    assert kernels == 2_514_944 and squeezed.macs - plain.macs == kernels


def test_it_is_weighed_like_other_dense_layers_and_no_convolution():
    roles = here.make_model(make_config(RESNET), SHAPE, CLASSES).roles
    own = {f"block_1/squeeze/dense_{n}/kernel" for n in (1, 2)}
    assert own <= roles.kernels and own <= roles.scaled and not own & roles.convolutions


@pytest.mark.parametrize("model", ["mlp", "logistic", "mnist1d_mlp"])
def test_a_network_without_maps_refuses_it(model):
    with pytest.raises(ConfigError, match=f"--squeeze_ratio=16 does nothing with --model={model}"):
        make_config({"model": model, "squeeze_ratio": 16})
