"""Networks have the sizes that arithmetic gives them, and every knob changes what they do."""

import itertools

import jax
import numpy as np
import pytest

from cnnjax import config as config_lib
from cnnjax import cost, knobs, layers, layouts, models
from cnnjax.config import KNOBS, Config
from cnnjax.knobs import ConfigError
from cnnjax.ops import connectivity, conv, initial
from cnnjax.ops.precision import round_to
from tests.small import make_small

SHAPE, CLASSES = (8, 8, 1), 10


def logits_of(config: Config, train: bool = False) -> np.ndarray:
    model = models.make_model(cost.find_twin(config, SHAPE, CLASSES), SHAPE, CLASSES)
    images = np.random.default_rng(0).normal(size=(3, *SHAPE)).astype(np.float32)
    key = jax.random.key(1) if train else None
    params, stats = jax.jit(model.init)(jax.random.key(0))
    return np.asarray(jax.jit(model.apply)(params, stats, images, key)[0])


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
    "connectivity": [("lenet5", WIDE), ("random", WIDE)],
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
    "pool_every": [(1, {}), (3, {})],
    "norm": [(norm, {}) for norm in others_of("norm")],
    "norm_epsilon": [(0.1, {"norm": "batch"})],
    "logit_scale": [(0.5, {}), (0.5, {"model": "all_cnn_c", "image_size": 12})],
    "activation": [(name, {}) for name in others_of("activation")] + [("tanh", RESNET)],
    "head": [("global_avg", {}), ("global_max", {})],
    "hidden": [((), {}), ((32,), {}), ((64, 64), {})],
    "logits": [("rbf", {"hidden": (84,)})],
    "init": [(name, {}) for name in others_of("init")],
}  # fmt: skip
TRAINING_ONLY = {
    "dropout": [(0.5, {}), (0.5, {"model": "all_cnn_c", "dropout": 0.0, "image_size": 12})],
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


@pytest.mark.parametrize(("name", "needs", "values"), CASES, ids=str)
def test_each_value_changes_the_output_in_its_own_way(name, needs, values):
    base = config_lib.make_config(needs)
    configs = [base, *(config_lib.make_config({**needs, name: value}) for value in values)]
    outputs = [logits_of(config, train=name in TRAINING_ONLY) for config in configs]
    assert all(np.isfinite(output).all() for output in outputs)
    for one, other in itertools.combinations(range(len(outputs)), 2):
        pair = [knobs.format_value(getattr(configs[n], name)) for n in (one, other)]
        assert not np.allclose(outputs[one], outputs[other], atol=1e-6), pair


@pytest.mark.parametrize("pool", ["stochastic"])
def test_random_pooling_is_random_in_training_only(pool):
    config = Config(pool=pool)
    assert not np.allclose(logits_of(config, train=True), logits_of(config))
    np.testing.assert_array_equal(logits_of(config), logits_of(config))


def test_batch_norm_keeps_running_statistics_and_evaluates_by_them():
    model = models.make_model(Config(norm="batch"), SHAPE, CLASSES)
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


@pytest.mark.parametrize("model", ["cnn", "resnet20"])
def test_norm_momentum_is_the_decay_of_the_running_statistics(model):
    def first_mean(momentum):
        config = make_small(model, norm="batch", norm_momentum=momentum)
        network = models.make_model(config, SHAPE, CLASSES)
        images = np.random.default_rng(0).normal(1.0, size=(9, *SHAPE)).astype(np.float32)
        params, stats = jax.jit(network.init)(jax.random.key(0))
        _, stats = jax.jit(network.apply)(params, stats, images, jax.random.key(1))
        return np.asarray(stats["norm_1" if model == "cnn" else "norm_stem"]["mean"])

    np.testing.assert_allclose(first_mean(0.9) / 0.1, first_mean(0.6) / 0.4, rtol=1e-4)


@pytest.mark.parametrize("norm", ["batch", "layer", "group"])
def test_without_norm_scale_a_norm_has_a_bias_alone(norm):
    config = config_lib.make_config({**RESNET, "norm": norm, "norm_scale": False})
    params, _ = jax.eval_shape(models.make_model(config, SHAPE, CLASSES).init, jax.random.key(0))
    norms = [own for path, own in jax.tree.flatten_with_path(params)[0] if "norm" in str(path)]
    assert {leaf.ndim for leaf in norms} == {1} and len(norms) == 21


def test_dirac_convolutions_copy_their_inputs():
    kernel = np.asarray(initial.INITS["dirac"][0](jax.random.key(0), (3, 3, 4, 6)))
    maps = np.random.default_rng(0).normal(size=(2, 5, 5, 4)).astype(np.float32)
    output = np.asarray(conv.conv2d(maps, kernel))
    np.testing.assert_allclose(output[..., :4], maps, atol=1e-6)
    assert (kernel[..., 4:] != 0).all() and abs(kernel[..., 4:]).max() <= 1 / 6


def test_bfloat16_on_a_cpu_has_its_eight_bits_in_float32():
    values = np.random.default_rng(0).normal(size=100).astype(np.float32)
    rounded, slopes = jax.jit(jax.vmap(jax.value_and_grad(lambda x: round_to("bfloat16", x) ** 2)))(
        values
    )
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
    model = models.make_model(config, SHAPE, CLASSES)
    images = np.ones((1, *SHAPE), np.float32)
    params, stats = model.init(jax.random.key(0))
    drawn = [model.apply(params, stats, images, jax.random.key(n))[0] for n in range(400)]
    clean = np.asarray(model.apply(params, stats, images, None)[0])
    np.testing.assert_allclose(np.mean(drawn, axis=0), clean, atol=0.25)


@pytest.mark.parametrize("name", initial.INITS)
def test_initial_kernels_have_the_stated_variance(name):
    fan_in, fan_out = 400, 600
    hidden, linear = (
        np.asarray(init(jax.random.key(0), (fan_in, fan_out), np.float32))
        for init in initial.INITS[name]
    )
    glorot, lecun = 2 / (fan_in + fan_out), 1 / fan_in
    expected = {
        "he": (2 * lecun, lecun),
        "glorot": (glorot, glorot),
        "lecun": (lecun, lecun),
        "orthogonal": (1 / fan_out, 1 / fan_out),
        "pytorch": (lecun / 3, lecun / 3),
        "dirac": (lecun / 3, lecun / 3),  # dense ones
    }
    for kernel, variance in zip((hidden, linear), expected[name.split("_")[0]], strict=True):
        assert kernel.mean() == pytest.approx(0, abs=4 * np.sqrt(variance / kernel.size))
        assert kernel.var() == pytest.approx(variance, rel=0.02)
    if name == "orthogonal":
        np.testing.assert_allclose(hidden @ hidden.T, np.eye(fan_in), atol=1e-4)


def test_unseen_channels_stay_unseen_under_decay_and_their_scale_is_in_the_initial_kernel():
    layer = layers.make_conv(
        Config(connectivity="lenet5", bias=False), layouts.Conv(16, (3,), partial=True), 1, "conv"
    )
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 6)).astype(np.float32)
    kernel = layer.init(jax.random.key(0), images)["params"]["kernel"]
    table = connectivity.lenet5_table(6, 16)
    plain = conv.conv2d(images, kernel * table[None, None])  # masked, not scaled again
    np.testing.assert_allclose(
        layer.apply({"params": {"kernel": kernel}}, images), plain, atol=1e-5
    )


@pytest.mark.parametrize("kind", ["lenet5", "random"])
def test_partial_connectivity_keeps_the_scale_of_the_outputs_and_cuts_connections(kind):
    def maps_of(connectivity):
        config = Config(connectivity=connectivity, bias=False)
        layer = layers.make_conv(config, layouts.Conv(16, (3,), partial=True), 1, "conv")
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
    model = models.make_model(Config(activation="identity", pool="avg"), SHAPE, CLASSES)
    params, stats = model.init(jax.random.key(0))
    one, other = np.random.default_rng(0).normal(size=(2, 1, *SHAPE)).astype(np.float32)
    logits = [np.asarray(model.apply(params, stats, x, None)[0]) for x in (one, other, one + other)]
    np.testing.assert_allclose(logits[0] + logits[1], logits[2], atol=1e-4)


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
    params, _ = models.make_model(config, SHAPE, CLASSES).init(jax.random.key(0))
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
    layers_of = cost.measure(Config(**fields), SHAPE, CLASSES).layers
    found = [layer for layer in layers_of if layer.name.startswith("conv")]
    assert sum(layer.parameters for layer in found) == parameters
    assert sum(layer.macs for layer in found) == macs


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


@pytest.mark.parametrize(
    "fields",
    [{"pool": "avg"}, {"pool": "avg", "dilation": 2}, {"pool": "stride", "kernel_size": (5,)},
     {"pool": "avg", "pool_every": 1, "pool_size": 3, "pool_stride": 1}, {"pool": "blur"}],
    ids=str,
)  # fmt: skip
def test_receptive_field_is_what_a_gradient_sees(fields):
    config = Config(hidden=(), activation="identity", **fields)
    shape = (32, 32, 1)
    module = models.MODELS["cnn"](config, CLASSES)
    params, _ = models.make_model(config, shape, CLASSES).init(jax.random.key(0))
    ones = jax.tree.map(lambda leaf: abs(leaf) + 0.1, params)  # so that nothing cancels
    last = "conv_2" if config.pool == "stride" else "pool_2"

    def one_cell(image):
        _, state = module.apply({"params": ones}, image, train=False, capture_intermediates=True)
        maps = state["intermediates"][last]["__call__"][0]
        return maps[0, maps.shape[1] // 2, maps.shape[2] // 2].sum()

    rng = np.random.default_rng(0)  # a maximum sees one cell at a time: look many times
    images = rng.normal(size=(60, 1, *shape)).astype(np.float32)
    grads = np.abs(jax.vmap(jax.grad(one_cell))(images)).sum(axis=(0, 1, 4))
    seen = np.argwhere(grads > 1e-5 * grads.max())  # Winograd rounds where a plain sum has zeros
    extent = seen.max(axis=0) - seen.min(axis=0) + 1
    assert extent.tolist() == [cost.measure(config, shape, CLASSES).receptive_field] * 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"kernel_size": (9,), "padding": "VALID"},
            "conv_1: a 9x9 kernel does not fit on a map of 8x8",
        ),
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
