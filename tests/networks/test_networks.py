"""Published networks have the sizes that their papers and the libraries of the field give."""

import jax
import numpy as np
import pytest

from cnnjax.config.config import Config, make_config, override
from cnnjax.config.knobs import ConfigError
from cnnjax.config.layouts import Twin
from cnnjax.networks import cost, layers, norms
from cnnjax.ops import digit_codes
from tests import here
from tests.small import make_small, stand_in

SIGNALS = ((1, 40, 1), 10)
DIGITS, CIFAR, IMAGENET = ((32, 32, 1), 10), ((32, 32, 3), 10), ((224, 224, 3), 1000)


@pytest.mark.parametrize(
    ("model", "data", "parameters", "macs", "field"),
    [
        # LeCun et al. 1998: 60,000 trainable parameters.
        ("lenet5", DIGITS, 60_000, None, 32),
        ("lenet5_modern", DIGITS, 61_706, 416_520, 32),
        ("alexnet", ((227, 227, 3), 1000), 60_965_224, 724_406_816, 195),
        ("alexnet", IMAGENET, 60_965_224, 724_406_816, 195),
        ("alexnet_2014", IMAGENET, 61_100_840, 714_188_480, 195),
        ("all_cnn_c", CIFAR, 1_369_738, None, None),
        ("vgg11", IMAGENET, 132_863_336, 7_609_090_048, 150),
        ("vgg16", IMAGENET, 138_357_544, 15_470_264_320, 212),
        # 24 biases; 3 groups of two 3x3 convolutions with a bias each; 2,560 weights of the logits.
        ("airbench94", CIFAR, 24 + 50_816 + 737_792 + 1_180_160 + 2_560,
         31**2 * 24 * 12 + 9 * (31**2 * 24 * 64 + 15**2 * (64 * 64 + 64 * 256)
                                + 7**2 * 2 * 256 * 256 + 3**2 * 256 * 256) + 2_560, None),
        ("resnet18", IMAGENET, 11_689_512, 1_814_073_344, 435),
        ("resnet34", IMAGENET, 21_797_672, 3_663_761_408, 899),
        ("resnet50", IMAGENET, 25_557_032, 4_089_184_256, 427),
        ("resnet18_small", CIFAR, 11_173_962, 555_422_720, None),
        ("resnet20", CIFAR, 272_474, None, None),
        ("logistic", ((28, 28, 1), 10), 7_850, 7_840, None),
        ("logistic", SIGNALS, 410, 400, None),
        ("mnist1d_mlp", SIGNALS, 15_210, 15_000, None),
        ("mnist1d_cnn", SIGNALS, 5_210, 19 * 125 + 10 * 1_875 + 5 * 1_875 + 1_250, 17),
    ],
)  # fmt: skip
def test_published_sizes(model, data, parameters, macs, field):
    size = {"image_size": 224} if (model, data) == ("alexnet", IMAGENET) else {}
    measured = cost.measure(make_config({"model": model, **size}), *data)
    assert measured.parameters == parameters
    assert measured.macs == macs or macs is None
    assert measured.receptive_field == field or field is None


def test_lenet5_layer_by_layer():
    """LeCun et al. 1998, section II-B: trainable parameters and connections of each layer."""
    measured = cost.measure(make_config({"model": "lenet5"}), *DIGITS)
    assert [(layer.parameters, layer.connections) for layer in measured.layers] == [
        (156, 122_304), (12, 5_880), (1_516, 151_600), (32, 2_000), (48_120, 48_120),
        (10_164, 10_164), (0, 840),
    ]  # fmt: skip
    assert measured.connections == 340_908
    shapes = [layer.output_shape for layer in measured.layers]
    assert shapes[:5] == [(28, 28, 6), (14, 14, 6), (10, 10, 16), (5, 5, 16), (1, 1, 120)]


def test_layers_of_alexnet_and_all_cnn_c():
    def shapes(model, data):
        layers_of = cost.measure(make_config({"model": model}), *data).layers
        return [layer.output_shape for layer in layers_of]

    alexnet = shapes("alexnet", ((227, 227, 3), 1000))
    assert [s[0] for s in alexnet if len(s) == 3] == [55, 27, 27, 13, 13, 13, 13, 6]
    one_column = shapes("alexnet_2014", IMAGENET)
    assert [s[0] for s in one_column] == [55, 27, 27, 13, 13, 13, 13, 6, 4096, 4096, 1000]
    assert [s[2] for s in one_column if len(s) == 3] == [64, 64, 192, 192, 384, 256, 256, 256]
    assert shapes("all_cnn_c", CIFAR)[-3:] == [(6, 6, 192), (6, 6, 192), (6, 6, 10)]


def test_shapes_of_airbench94():
    for channels, features in ((3, 24), (1, 8)):
        config = make_config({"model": "airbench94"})
        measured = cost.measure(config, (32, 32, channels), 10)
        shapes = [layer.output_shape for layer in measured.layers]
        assert shapes == [
            (31, 31, features), (31, 31, 64), (15, 15, 64), (15, 15, 64), (15, 15, 256),
            (7, 7, 256), (7, 7, 256), (7, 7, 256), (3, 3, 256), (3, 3, 256), (10,),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "data", "dropped"),
    [
        # "In the first two fully-connected layers": Krizhevsky et al. 2012, section 4.2, and
        # Simonyan and Zisserman 2015, section 3.1. Never on the last map.
        ("alexnet", ((227, 227, 3), 10), [(0.5, (4096,)), (0.5, (4096,))]),
        ("vgg11", ((224, 224, 3), 10), [(0.5, (4096,)), (0.5, (4096,))]),
        ("vgg16", ((224, 224, 3), 10), [(0.5, (4096,)), (0.5, (4096,))]),
        # Springenberg et al. 2015, section 3.1, and 20% of the input.
        ("all_cnn_c", CIFAR, [(0.5, (16, 16, 96)), (0.5, (8, 8, 192))]),
    ],
)
def test_dropout_is_where_the_paper_has_it(model, data, dropped):
    config = make_config({"model": model, "padding": "HALF" if model != "alexnet" else
                                     "published"})  # fmt: skip
    network, found = here.make_model(config, *data), []

    def record(next_function, args, kwargs, context):
        if isinstance(context.module, layers.nn.Dropout) and context.method_name == "__call__":
            found.append((context.module.rate, args[0].shape[1:]))
        return next_function(*args, **kwargs)

    params, stats = jax.eval_shape(network.init, jax.random.key(0))
    images = jax.ShapeDtypeStruct((2, *data[0]), np.float32)
    with layers.nn.intercept_methods(record):
        jax.eval_shape(network.apply, params, stats, images, jax.random.key(0))
    assert found == dropped
    assert config.input_dropout == (0.2 if model == "all_cnn_c" else 0.0)


def test_input_dropout_drops_cells_in_training_and_keeps_the_mean():
    config = make_config({"model": "logistic", "input_dropout": 0.2, "bias": False})
    network = here.make_model(config, (50, 50, 1), 2500)
    params = {"logits": {"kernel": np.eye(2500, dtype=np.float32)}}
    images = np.ones((2, 50, 50, 1), np.float32)
    seen = np.asarray(network.apply(params, {}, images, jax.random.key(0))[0])
    assert {float(value) for value in np.unique(seen)} == {0.0, 1.25}
    assert (seen == 0).mean() == pytest.approx(0.2, abs=0.02) and (seen[0] != seen[1]).any()
    np.testing.assert_array_equal(network.apply(params, {}, images, None)[0], 1.0)


def test_rbf_logits_are_minus_squared_distances():
    units = np.random.default_rng(0).normal(size=(2, 84)).astype(np.float32)
    logits = np.asarray(layers.Rbf(10).apply({}, units))
    expected = [[-((row - code) ** 2).sum() for code in digit_codes.CODES] for row in units]
    np.testing.assert_allclose(logits, expected, rtol=1e-5)
    np.testing.assert_array_equal(
        np.argmax(layers.Rbf(10).apply({}, digit_codes.CODES), axis=1), np.arange(10)
    )


def test_response_normalisation_from_the_definition():
    maps = np.random.default_rng(0).normal(size=(2, 3, 3, 7)).astype(np.float32) * 50
    expected = np.zeros_like(maps)
    for channel in range(7):
        near = maps[..., max(channel - 2, 0) : channel + 3]
        expected[..., channel] = maps[..., channel] / (2 + 1e-4 * (near**2).sum(axis=-1)) ** 0.75
    np.testing.assert_allclose(norms.respond(maps), expected, rtol=1e-5)


@pytest.mark.parametrize("model", ["mlp_twin", "local_twin"])
@pytest.mark.parametrize("match", ["parameters", "macs"])
def test_twins_are_as_large_as_their_cnn(model, match):
    config, data = Config(widths=(8, 16), pool="avg"), ((12, 12, 1), 10)
    twin = override(config, {"model": model, "match": match})
    found = cost.find_twin(twin, *data)
    assert found.model == ("mlp" if model == "mlp_twin" else "cnn")
    assert found.conv == ("standard" if model == "mlp_twin" else "unshared")
    sizes = [getattr(cost.measure(each, *data), match) for each in (config, twin)]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.2 if found.conv == "unshared" else 0.02)
    if (model, match) == ("local_twin", "macs"):  # sharing changes no computation
        assert found.widths == config.widths


def test_a_twin_is_what_its_row_says_and_no_name(monkeypatch):
    def flat(config, num_classes):
        return Twin(lambda cnn, width: {"widths": (width,)})

    stand_in(monkeypatch, "local_twin", flat)
    config, data = Config(widths=(8, 16)), ((12, 12, 1), 10)
    twin = cost.find_twin(override(config, {"model": "local_twin"}), *data)
    assert twin.model == "cnn" and twin.conv == "standard" and len(twin.widths) == 1
    cost.forget()


@pytest.mark.slow
@pytest.mark.parametrize(("block", "share"), [(1, 0.8 / 9), (5, 0.8 * 5 / 9), (9, 0.8)])
def test_stochastic_depth_drops_late_branches_more_and_keeps_the_mean(block, share):
    config = make_small("resnet20", norm="none", stochastic_depth=0.8, activation="identity")
    model = here.make_model(config, (8, 8, 1), 10)
    images = np.random.default_rng(0).normal(size=(512, 8, 8, 1)).astype(np.float32)
    params, stats = jax.jit(model.init)(jax.random.key(0))
    apply = jax.jit(model.apply)

    def keep_branches(*numbers):
        """The parameters with all other residual branches at zero."""
        return {
            name: {
                layer: weights if layer == "conv_shortcut" else jax.tree.map(np.zeros_like, weights)
                for layer, weights in own.items()
            }
            if name.startswith("block") and int(name[6:]) not in numbers
            else own
            for name, own in params.items()
        }

    clean, without = (
        np.asarray(apply(keep_branches(*numbers), stats, images, None)[0])
        for numbers in ([block], [])
    )
    drawn = np.asarray(apply(keep_branches(block), stats, images, jax.random.key(1))[0])
    kept = np.abs(drawn - without).max(axis=1) > 1e-3
    assert 1 - kept.mean() == pytest.approx(share, abs=0.06)
    np.testing.assert_allclose(
        (drawn - without)[kept], (clean - without)[kept] / (1 - share), rtol=0.02, atol=0.02
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": "vgg16", "stride": 2}, "--stride=2 does nothing with --model=vgg16"),
        ({"model": "resnet18", "activation": "maxout"}, "--activation=maxout cannot be with"),
        ({"model": "resnet20", "pool": "avg"}, "--pool=avg does nothing with --model=resnet20"),
        ({"model": "resnet18", "norm": "response"}, "--norm=response cannot be with"),
        ({"padding": "published"}, "--padding=published cannot be with --model=cnn"),
        ({"model": "all_cnn_c", "hidden": (9,)}, "--hidden=9 does nothing with --model=all_cnn_c"),
        ({"model": "resnet18", "stem": "small", "pool_size": 5}, "--pool_size=5 does nothing with"),
        ({"model": "mlp", "stochastic_depth": 0.1}, "--stochastic_depth=0.1 does nothing with"),
        ({"width_multiplier": 2.0}, "--width_multiplier=2.0 does nothing with --model=cnn"),
        ({"model": "resnet20", "first_layer": "whitened"}, "--first_layer=whitened does nothing"),
        ({"conv": "unshared", "init": "dirac"}, "--init=dirac cannot be with --conv=unshared"),
        ({"norm_scale": False}, "--norm_scale=false does nothing with --norm=none"),
        ({"norm": "layer", "norm_momentum": 0.5}, "--norm_momentum=0.5 does nothing with"),
        ({"match": "macs"}, "--match=macs does nothing with --model=cnn"),
    ],
)  # fmt: skip
def test_refuses_a_knob_that_a_model_does_not_have(given, message):
    with pytest.raises(ConfigError, match=message):
        make_config(given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": "lenet5", "image_size": 8}, "conv_2: a 5x5 kernel does not fit"),
        ({"model": "lenet5", "hidden": (80,)}, "--logits=rbf compares 84 units"),
        ({"model": "lenet5", "activation": "maxout", "pool": "max"}, None),
        ({"model": "vgg16", "image_size": 16}, "pool_13: a 2x2 pooling leaves nothing"),
    ],
)
def test_refuses_what_does_not_fit_naming_the_layer(given, message):
    config = make_config(given)
    if message is None:
        assert cost.measure(config, *DIGITS).parameters > 60_000
        return
    with pytest.raises(ConfigError, match=message):
        cost.measure(config, *DIGITS)


def test_another_model_brings_its_own_defaults_and_leaves_what_was_given():
    base = make_config({"activation": "tanh"})
    resnet = override(base, {"model": "resnet18"})
    assert (resnet.norm, resnet.hidden, resnet.activation) == ("batch", (), "tanh")
    back = override(resnet, {"model": "cnn"})
    assert back == base


@pytest.mark.parametrize("model", ["cnn", "all_cnn_c", "resnet20", "mlp"])
def test_macs_are_half_of_the_operations_that_xla_counts(model):
    """Only multiplications and additions of layers count; activations and norms are the rest."""
    config = make_small(model, **({} if model in ("mlp", "cnn") else {"width_multiplier": 1.0}))
    form = {} if model == "mlp" else {"conv_form": "patches"}  # Winograd's takes fewer
    config = override(config, {"image_size": 16, **form})
    shape, classes = (16, 16, 3), 10
    network = here.make_model(config, shape, classes)
    params, stats = jax.eval_shape(network.init, jax.random.key(0))
    images = jax.ShapeDtypeStruct((4, *shape), np.float32)
    forward = jax.jit(lambda p, s, x: network.apply(p, s, x, None)[0])
    counted = forward.lower(params, stats, images).compile().cost_analysis()["flops"]
    assert 1.0 <= counted / (2 * 4 * cost.measure(config, shape, classes).macs) < 1.25


def test_activation_memory_by_hand():
    layers_of = cost.measure(Config(pool_every=2), (8, 8, 1), 10)
    cells = 64 * 16 + 64 * 32 + 16 * 32 + 64 + 10
    assert layers_of.activation_bytes == 4 * cells
    half = cost.measure(make_config({"dtype": "bfloat16", "pool_every": 2}), (8, 8, 1), 10)
    assert half.activation_bytes == 2 * cells
