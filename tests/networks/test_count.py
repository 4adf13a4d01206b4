"""What a network is made of, read from its jaxpr, is what one counts by hand."""

import jax
import pytest
from flax import linen as nn

from cnnjax.config.config import make_config
from cnnjax.config.knobs import ConfigError
from cnnjax.networks import cost, count, models
from tests import here
from tests.foreign import CLASSES, CONFIG, SHAPE, SqueezeExcite


def test_sizes_are_those_by_hand(foreign):
    measured = cost.measure(CONFIG, SHAPE, CLASSES)
    assert [layer[:4] for layer in measured.layers] == [
        ("edges", (8, 8, 8), 3 * 3 * 8 + 8, 64 * 9 * 8),
        ("narrow", (2,), 8 * 2 + 2, 16),
        ("widen", (8,), 2 * 8 + 8, 16),
        ("pool", (4, 4, 8), 0, 0),
        ("parts", (2, 2, 16), 9 * 8 * 16, 4 * 9 * 8 * 16),
        ("answer", (10,), 16 * 10 + 10, 160),
    ]
    assert measured.parameters == 80 + 2 * 8 + 18 + 24 + 1152 + 170
    assert measured.macs == 4608 + 16 + 16 + 4608 + 160
    assert measured.activation_bytes == 4 * (512 + 2 + 8 + 128 + 64 + 10)
    bias = [512, 2, 8, 0, 0, 10]
    assert [layer.connections - layer.macs for layer in measured.layers] == [
        own + (4 * 128 if layer.name == "pool" else 0)
        for own, layer in zip(bias, measured.layers, strict=True)
    ]
    assert (measured.map_shape, measured.receptive_field) == ((2, 2, 16), None)
    params, _ = here.make_model(CONFIG, SHAPE, CLASSES).init(jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == measured.parameters


def test_receptive_field_without_a_global_branch(use):
    use(lambda num_classes: SqueezeExcite(num_classes, squeeze=False))
    measured = cost.measure(CONFIG, SHAPE, CLASSES)
    # 3; a pooling adds 1; two cells apart, a kernel of 3 adds 4.
    assert [layer.receptive_field for layer in measured.layers] == [3, 4, 8, 8]
    assert measured.receptive_field == 8


class Looped(nn.Module):
    """Three convolutions of one shape under a scan, one of which is remembered anew."""

    num_classes: int

    @nn.compact
    def __call__(self, images, train):
        def body(module, maps, _):
            return nn.relu(module(maps)), None

        loop = nn.scan(
            body, variable_axes={"params": 0}, split_rngs={"params": True}, length=3
        )  # fmt: skip
        maps, _ = loop(nn.Conv(1, (3, 3), name="layers"), images, None)
        maps = nn.remat(nn.Conv)(4, (3, 3), feature_group_count=1, name="last")(maps)
        return nn.Dense(self.num_classes)(nn.relu(maps).reshape(len(maps), -1))


def test_loops_count_each_round(use):
    use(Looped)
    measured = cost.measure(CONFIG, SHAPE, CLASSES)
    assert [layer[:4] for layer in measured.layers] == [
        ("layers", (8, 8, 1), 3 * 10, 3 * 64 * 9),
        ("last", (8, 8, 4), 40, 64 * 9 * 4),
        ("Dense_0", (10,), 2570, 2560),
    ]
    assert [layer.receptive_field for layer in measured.layers] == [7, 9, 8]


class Shared(nn.Module):
    """A convolution that is called twice, of a module that Python cannot hash."""

    widths: list

    def setup(self):
        self.edges = nn.Conv(self.widths[0], (3, 3))
        self.norm = nn.BatchNorm()
        self.top = nn.Sequential([nn.Dense(5), nn.relu, nn.Dense(10)])

    def encode(self, maps, train):
        return nn.relu(self.norm(self.edges(maps), use_running_average=not train))

    def __call__(self, images, train):
        maps = self.encode(self.encode(images, train), train)
        return self.top(maps.mean(axis=(1, 2)))


def test_a_shared_layer_computes_twice_and_has_its_parameters_once(use):
    use(lambda num_classes: Shared([1]))
    measured = cost.measure(CONFIG, SHAPE, CLASSES)
    assert [layer[:4] for layer in measured.layers] == [
        ("edges", (8, 8, 1), 10, 576),
        ("edges", (8, 8, 1), 0, 576),
        ("top/layers_0", (5,), 10, 5),
        ("top/layers_2", (10,), 60, 50),
    ]
    assert (measured.parameters, measured.receptive_field) == (10 + 2 + 10 + 60, 5)
    assert measured.mixes_batch
    assert here.make_model(CONFIG, SHAPE, CLASSES).roles.logits == "top/layers_2/kernel"


class Attention(nn.Module):
    """Two heads over the cells of a map."""

    num_classes: int

    @nn.compact
    def __call__(self, images, train):
        maps = nn.Conv(8, (2, 2), strides=2, name="patches")(images)
        tokens = maps.reshape(len(maps), -1, 8)
        tokens = tokens + nn.MultiHeadDotProductAttention(2)(nn.LayerNorm()(tokens))
        return nn.Dense(self.num_classes, name="answer")(tokens.mean(axis=1))


def test_products_of_units_with_units_count_and_have_no_kernels(use):
    use(Attention)
    measured = cost.measure(CONFIG, SHAPE, CLASSES)
    # Of 16 cells, 8 channels: patches; query, key, value and output; scores and their sums.
    assert measured.macs == 16 * 4 * 8 + 4 * 16 * 8 * 8 + 2 * 16 * 16 * 8 + 80
    assert measured.map_shape == (4, 4, 8)
    assert len(here.make_model(CONFIG, SHAPE, CLASSES).roles.kernels) == 6


def test_a_module_that_gives_no_logits_is_refused(use):
    use(lambda num_classes: SqueezeExcite(7))
    with pytest.raises(ConfigError, match=r"SqueezeExcite gives \[7\] for an image, not logits"):
        cost.measure(CONFIG, SHAPE, CLASSES)


@pytest.mark.parametrize(
    "given",
    [
        {"model": "cnn", "stride": 2, "dilation": 2, "groups": 2},
        {"model": "cnn", "padding": "FULL", "kernel_size": (3, 5), "bias": False, "pool_every": 3},
        {"model": "cnn", "conv": "unshared", "pool": "stride"},
        {"model": "cnn", "conv": "separable", "pool": "none", "head": "global_max"},
        {"model": "resnet20", "width_multiplier": 0.25},
        {"model": "resnet20", "width_multiplier": 0.25, "squeeze_ratio": 2},
        {"model": "cnn", "squeeze_ratio": 4, "head": "global_gem"},
        {"model": "resnet50", "width_multiplier": 0.07, "image_size": 32, "stem": "small"},
        {"model": "mlp", "hidden": (20, 20)},
    ],
    ids=lambda given: "-".join(map(str, given.values())),
)
def test_our_networks_counted_as_foreign_ones_are_what_their_layers_say(monkeypatch, given):
    """In the form whose arithmetic is the nominal one."""
    unread = given["model"] == "mlp" or given.get("conv") == "unshared"
    form = {} if unread else {"conv_form": "native"}
    config = make_config({**form, **given})
    says = models.read(cost.find_network(config, SHAPE, CLASSES), SHAPE, CLASSES)
    monkeypatch.setattr(count, "OWN", ())
    count.read_once.cache_clear()
    found = models.read(cost.find_network(config, SHAPE, CLASSES), SHAPE, CLASSES)
    count.read_once.cache_clear()
    assert sum(layer.macs for layer in found.layers) == sum(layer.macs for layer in says.layers)
    for name in ("parameters", "mixes_batch", "output_shape"):
        assert getattr(found, name) == getattr(says, name)
    assert found.roles.kernels == says.roles.kernels
    assert found.roles.logits == says.roles.logits
    if config.conv == "standard":
        assert found.roles == says.roles
