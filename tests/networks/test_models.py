"""Every knob that shapes a network changes what it does, and as stated."""

import functools
import itertools

import jax
import numpy as np
import pytest

from cnnjax.config import knobs, layouts
from cnnjax.config.config import KNOBS, Config, make_config
from cnnjax.networks import cost, models
from cnnjax.ops import connectivity, initial
from cnnjax.ops.precision import round_to
from tests import here
from tests.small import make_small

SHAPE, CLASSES = (8, 8, 1), 10


@functools.cache  # the base is that of many
def logits_of(config: Config, train: bool = False) -> np.ndarray:
    model = here.make_model(cost.find_network(config, SHAPE, CLASSES), SHAPE, CLASSES)
    images = np.random.default_rng(0).normal(size=(3, *SHAPE)).astype(np.float32)
    key = jax.random.key(1) if train else None
    params, stats = jax.jit(model.init)(jax.random.key(0))
    return np.asarray(jax.jit(model.apply)(params, stats, images, key)[0])


@pytest.mark.slow
@pytest.mark.parametrize("model", KNOBS["model"].choices)
def test_gives_a_logit_a_class(model):
    logits = logits_of(make_small(model))
    assert logits.shape == (3, CLASSES) and np.isfinite(logits).all()


# Each value of each knob that shapes a network, beside the default, with what it needs to matter.
WIDE = {"widths": (6, 16)}
BORDER = {"padding": "FULL"}
ODD = {"widths": (16,), "kernel_size": (5,), "stride": 2, "pool": "none"}
RESNET = {"model": "resnet20", "width_multiplier": 0.25}
LARGE = {"model": "resnet18", "width_multiplier": 0.1, "image_size": 24}


def others_of(name: str, *without: str) -> list[str]:
    return [value for value in KNOBS[name].choices if value not in (KNOBS[name].default, *without)]


OTHER_VALUES = {
    "image_size": [(12, {}), (6, {})],
    "match": [("macs", {"model": "mlp_twin"}), ("macs", {"model": "local_twin"})],
    "widths": [((8, 32), {}), ((16,), {})],
    "width_multiplier": [(0.5, RESNET)],
    "conv": [("separable", {}), ("unshared", {})],
    "kernel_size": [((1,), {}), ((5,), {}), ((3, 5), {})],
    "stride": [(2, {})],
    "dilation": [(2, {})],
    "groups": [(2, {}), (16, {})],
    "connectivity": [("lenet5", WIDE), ("random", WIDE), ("drawn", WIDE)],
    "first_layer": [("whitened", {})],
    "bias": [(False, {"init": "pytorch"}), (False, {**RESNET, "init": "pytorch"})],
    "padding": [*[(value, ODD) for value in others_of("padding", "published")],
                ("published", {"model": "all_cnn_c", "padding": "SAME", "image_size": 16})],
    "pad": [((2,), {"padding": "explicit"}), ((0, 1), {"padding": "explicit"})],
    "fill": [(fill, BORDER) for fill in others_of("fill")],
    "stem": [("small", LARGE)],
    "pool": [(pool, {}) for pool in others_of("pool", "subsample")]
            + [("subsample", {"activation": "tanh"})] + [("avg", LARGE)],
    "pool_size": [(1, {}), (3, {})],
    "pool_stride": [(1, {}), (3, {})],
    "pool_padding": [("SAME", {"pool_size": 3}), ("HALF", {"pool_size": 3})],
    "count_padding": [(True, {"pool": "avg", "pool_size": 3, "pool_padding": "SAME"})],
    "pool_every": [(2, {}), (3, {})],
    "norm": [(norm, {}) for norm in others_of("norm")],
    "norm_epsilon": [(0.1, {"norm": "batch"})],
    "logit_scale": [(0.5, {}), (0.5, {"model": "all_cnn_c", "image_size": 12})],
    "activation": [(name, {}) for name in others_of("activation")] + [("tanh", RESNET)],
    "hidden_activation": [("identity", {}), ("relu", {"activation": "tanh"})],
    "squeeze_ratio": [(1, {}), (4, {}), (2, RESNET), (2, {"activation": "maxout"})],
    "head": [(head, {}) for head in others_of("head")],
    "hidden": [((), {}), ((32,), {}), ((64, 64), {})],
    "residual": [(True, {"model": "mlp", "hidden": (64, 64)})],
    "logits": [("rbf", {"hidden": (84,)})],
    "init": [(name, {}) for name in others_of("init")],
}  # fmt: skip
TRAINING_ONLY = {
    "dropout": [(0.5, {}), (0.5, {"model": "all_cnn_c", "dropout": 0.0, "image_size": 12})],
    "input_dropout": [(0.2, {}), (0.2, {"model": "mlp"})],
    "stochastic_depth": [(0.5, RESNET)],
}
CASES = [
    (name, dict(needs), [value for value, own in values if tuple(own.items()) == needs])
    for name, values in {**OTHER_VALUES, **TRAINING_ONLY}.items()
    for needs in dict.fromkeys(tuple(own.items()) for _, own in values)
]


def test_forms_of_convolution_change_the_last_bits_only():
    outputs = [logits_of(Config(conv_form=form)) for form in others_of("conv_form")]
    for output in outputs:
        np.testing.assert_allclose(output, logits_of(Config()), atol=1e-4)
    assert len({output.tobytes() for output in outputs}) >= 3


def test_every_choice_of_every_knob_is_tried_here():
    for name, values in OTHER_VALUES.items():
        if KNOBS[name].choices:
            assert {KNOBS[name].default, *(value for value, _ in values)} == set(
                KNOBS[name].choices
            )


@pytest.mark.slow
@pytest.mark.parametrize(("name", "needs", "values"), CASES, ids=str)
def test_each_value_changes_the_output_in_its_own_way(name, needs, values):
    base = make_config(needs)
    configs = [base, *(make_config({**needs, name: value}) for value in values)]
    outputs = [logits_of(config, train=name in TRAINING_ONLY) for config in configs]
    assert all(np.isfinite(output).all() for output in outputs)
    for one, other in itertools.combinations(range(len(outputs)), 2):
        pair = [knobs.format_value(getattr(configs[n], name)) for n in (one, other)]
        assert not np.allclose(outputs[one], outputs[other], atol=1e-6), pair


@pytest.mark.parametrize("pool", ["stochastic"])
def test_random_pooling_is_random_in_training_only(pool):
    config = Config(pool=pool)
    assert not np.allclose(logits_of(config, train=True), logits_of(config))
    np.testing.assert_array_equal(logits_of.__wrapped__(config), logits_of(config))


def test_batch_norm_keeps_running_statistics_and_evaluates_by_them():
    model = here.make_model(Config(norm="batch"), SHAPE, CLASSES)
    images = np.random.default_rng(0).normal(2.0, 3.0, size=(50, *SHAPE)).astype(np.float32)
    params, stats = jax.jit(model.init)(jax.random.key(0))
    apply = jax.jit(model.apply)
    before = apply(params, stats, images, None)
    assert jax.tree.all(jax.tree.map(np.array_equal, before[1], stats))
    trained = stats
    for step in range(100):
        _, trained = apply(params, trained, images, jax.random.key(step))
    batch = np.asarray(apply(params, trained, images, jax.random.key(0))[0])
    running = np.asarray(apply(params, trained, images, None)[0])
    np.testing.assert_allclose(running, batch, atol=0.05)  # 0.9 ** 100 of the start is left
    assert not np.allclose(before[0], running, atol=0.1)


@pytest.mark.parametrize("model", ["cnn", pytest.param("resnet20", marks=pytest.mark.slow)])
def test_norm_momentum_is_the_decay_of_the_running_statistics(model):
    def first_mean(momentum):
        config = make_small(model, norm="batch", norm_momentum=momentum)
        network = here.make_model(config, SHAPE, CLASSES)
        images = np.random.default_rng(0).normal(1.0, size=(9, *SHAPE)).astype(np.float32)
        params, stats = jax.jit(network.init)(jax.random.key(0))
        _, stats = jax.jit(network.apply)(params, stats, images, jax.random.key(1))
        return np.asarray(stats["norm_1" if model == "cnn" else "norm_stem"]["mean"])

    np.testing.assert_allclose(first_mean(0.9) / 0.1, first_mean(0.6) / 0.4, rtol=1e-4)


@pytest.mark.parametrize("norm", ["batch", "layer", "group"])
def test_without_norm_scale_a_norm_has_a_bias_alone(norm):
    config = make_config({**RESNET, "norm": norm, "norm_scale": False})
    params, _ = jax.eval_shape(here.make_model(config, SHAPE, CLASSES).init, jax.random.key(0))
    norms = [own for path, own in jax.tree.flatten_with_path(params)[0] if "norm" in str(path)]
    assert {leaf.ndim for leaf in norms} == {1} and len(norms) == 21


def test_dirac_convolutions_copy_their_inputs():
    kernel = np.asarray(initial.find("dirac")(jax.random.key(0), (3, 3, 4, 6)))
    maps = np.random.default_rng(0).normal(size=(2, 5, 5, 4)).astype(np.float32)
    output = np.asarray(here.conv2d(maps, kernel))
    np.testing.assert_allclose(output[..., :4], maps, atol=1e-6)
    assert (kernel[..., 4:] != 0).all() and abs(kernel[..., 4:]).max() <= 1 / 6


def test_bfloat16_on_a_cpu_has_its_eight_bits_in_float32():
    values = np.random.default_rng(0).normal(size=100).astype(np.float32)
    rounded, slopes = jax.jit(
        jax.vmap(jax.value_and_grad(lambda x: round_to("bfloat16", x, "cpu") ** 2))
    )(values)
    expected = values.astype(jax.numpy.bfloat16).astype(np.float32)
    np.testing.assert_array_equal(np.sqrt(rounded), abs(expected))
    np.testing.assert_array_equal(slopes, 2 * expected)
    half, full = (logits_of(Config(dtype=dtype)) for dtype in ("bfloat16", "float32"))
    error = np.linalg.norm(half - full) / np.linalg.norm(full)
    assert 1e-4 < error < 0.03 and half.dtype == np.float32


def test_probabilities_sum_to_one_and_cool_down():
    """Claim `fc-probabilities`, the half that is mathematics."""
    logits = np.array([[2.0, 0.0, -1.0], [300.0, 0.0, 0.0]], np.float32)
    sharp, soft = (np.asarray(models.probabilities(logits, t)) for t in (1.0, 4.0))
    np.testing.assert_allclose(sharp.sum(axis=1), 1, rtol=1e-6)
    expected = np.exp(logits[0] / 4) / np.exp(logits[0] / 4).sum()
    np.testing.assert_allclose(soft[0], expected, rtol=1e-6)
    assert soft[0].max() < sharp[0].max()


def test_dropout_keeps_the_mean():
    config = Config(model="mlp", hidden=(), dropout=0.5)
    model = here.make_model(config, SHAPE, CLASSES)
    images = np.ones((1, *SHAPE), np.float32)
    params, stats = model.init(jax.random.key(0))
    drawn = [model.apply(params, stats, images, jax.random.key(n))[0] for n in range(400)]
    clean = np.asarray(model.apply(params, stats, images, None)[0])
    np.testing.assert_allclose(np.mean(drawn, axis=0), clean, atol=0.25)


@pytest.mark.parametrize("name", KNOBS["init"].choices)
def test_initial_kernels_have_the_stated_variance(name):
    fan_in, fan_out = 400, 600
    hidden, linear = (
        np.asarray(init(jax.random.key(0), (fan_in, fan_out), np.float32))
        for init in (initial.find(name), initial.find_other(name, "logits"))
    )
    glorot, lecun = 2 / (fan_in + fan_out), 1 / fan_in
    expected = {
        "he": (2 * lecun, lecun),
        "glorot": (glorot, glorot),
        "lecun": (lecun, lecun),
        "orthogonal": (1 / fan_out, 1 / fan_out),
        "pytorch": (lecun / 3, lecun / 3),
        "dirac": (lecun / 3, lecun / 3),  # dense ones
        "lenet5": ((2.4 * lecun) ** 2 / 3, (2.4 * lecun) ** 2 / 3),
    }
    for kernel, variance in zip((hidden, linear), expected[name.split("_")[0]], strict=True):
        assert kernel.mean() == pytest.approx(0, abs=4 * np.sqrt(variance / kernel.size))
        assert kernel.var() == pytest.approx(variance, rel=0.02)
    if name == "orthogonal":
        np.testing.assert_allclose(hidden @ hidden.T, np.eye(fan_in), atol=1e-4)


def test_unseen_channels_stay_unseen_under_decay_and_their_scale_is_in_the_initial_kernel():
    layer = here.make_conv(
        Config(connectivity="lenet5", bias=False), layouts.Conv(16, (3,), partial=True), 1, "conv"
    )
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 6)).astype(np.float32)
    kernel = layer.init(jax.random.key(0), images)["params"]["kernel"]
    table = connectivity.lenet5_table(6, 16)
    plain = here.conv2d(images, kernel * table[None, None])  # masked, not scaled again
    np.testing.assert_allclose(
        layer.apply({"params": {"kernel": kernel}}, images), plain, atol=1e-5
    )


@pytest.mark.parametrize("kind", ["lenet5", "random"])
def test_partial_connectivity_keeps_the_scale_of_the_outputs_and_cuts_connections(kind):
    def maps_of(connectivity):
        config = Config(connectivity=connectivity, bias=False)
        layer = here.make_conv(config, layouts.Conv(16, (3,), partial=True), 1, "conv")
        images = np.random.default_rng(0).normal(size=(64, 8, 8, 6)).astype(np.float32)
        variables = layer.init(jax.random.key(0), images)
        return variables, layer, np.asarray(layer.apply(variables, images))

    _, _, dense = maps_of("all")
    variables, layer, sparse = maps_of(kind)
    assert sparse.var() == pytest.approx(dense.var(), rel=0.15)
    gradient = jax.grad(lambda v: layer.apply(v, np.ones((1, 8, 8, 6), np.float32)).sum())(
        variables
    )
    reached = np.asarray(gradient["params"]["kernel"]) != 0
    assert reached.any(axis=(0, 1)).sum() == 60


def test_activation_reaches_every_layer():
    # Identity everywhere, with mean pooling: the network is affine in its input.
    model = here.make_model(Config(activation="identity", pool="avg"), SHAPE, CLASSES)
    params, stats = model.init(jax.random.key(0))
    one, other = np.random.default_rng(0).normal(size=(2, 1, *SHAPE)).astype(np.float32)
    logits = [np.asarray(model.apply(params, stats, x, None)[0]) for x in (one, other, one + other)]
    np.testing.assert_allclose(logits[0] + logits[1], logits[2], atol=1e-4)
