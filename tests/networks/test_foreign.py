"""A network written in plain Flax is what it would be had it been ours: costs, roles, training."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from cnnjax.config.config import Config, make_config, request_of
from cnnjax.config.knobs import ConfigError
from cnnjax.measures import examine
from cnnjax.networks import cost, count, models
from cnnjax.networks.facts import Roles
from cnnjax.study import plan
from cnnjax.study.claims import Study, cross
from cnnjax.sweep import placement, runner
from cnnjax.training import microbatch, optimizers
from tests import here
from tests.training.test_program import make_functions

OPTAX = True  # see conftest.py
SHAPE, CLASSES = (8, 8, 1), 10
CONFIG = Config(train_examples=96, batch_size=16, steps=30, eval_every=15, pool_every=1)


class SqueezeExcite(nn.Module):
    """Two convolutions; the maps of the first are weighted by channel (Hu et al. 2018)."""

    num_classes: int
    squeeze: bool = True
    norm: bool = True

    @nn.compact
    def __call__(self, images, train):
        maps = nn.Conv(8, (3, 3), name="edges")(images)
        if self.norm:
            maps = nn.BatchNorm(use_running_average=not train)(maps)
        maps = nn.relu(maps)
        if self.squeeze:
            units = nn.relu(nn.Dense(2, name="narrow")(maps.mean(axis=(1, 2))))
            gate = nn.sigmoid(nn.Dense(8, name="widen")(units))
            maps = maps * gate[:, None, None]
        maps = nn.max_pool(maps, (2, 2), (2, 2))
        maps = nn.relu(nn.Conv(16, (3, 3), strides=2, use_bias=False, name="parts")(maps))
        return nn.Dense(self.num_classes, name="answer")(maps.mean(axis=(1, 2)))


@pytest.fixture
def use(monkeypatch):
    """Lets `cnn` stand for a module made by a function of the number of classes."""

    def use(make):
        monkeypatch.setitem(models.MODELS, "cnn", lambda config, num_classes, _: make(num_classes))
        cost.measure.cache_clear()
        cost.find_poolings.cache_clear()

    yield use
    cost.measure.cache_clear()
    cost.find_poolings.cache_clear()


@pytest.fixture
def foreign(use):
    use(SqueezeExcite)


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


def test_roles_follow_from_the_way_of_the_parameters(foreign):
    roles = here.make_model(CONFIG, SHAPE, CLASSES).roles
    below = {f"{name}/kernel" for name in ("edges", "narrow", "widen", "parts")}
    assert roles == Roles(
        kernels=frozenset({*below, "answer/kernel"}),
        scaled=frozenset(below),
        convolutions=frozenset({"edges/kernel", "edges/bias", "parts/kernel"}),
        logits="answer/kernel",
        first="edges",
    )


def test_it_trains_in_a_sweep_and_is_measured(foreign, digits):
    longer = dataclasses.replace(CONFIG, steps=150, eval_every=75, learning_rate=0.01)
    results = list(
        runner.run_lanes([longer, dataclasses.replace(longer, seed=1, init_gain=2.0)], digits)
    )
    for result in results:
        assert not isinstance(result, runner.Failure) and not result.scores["failed"]
        assert result.metrics[-1]["train_loss"] < 0.7 * np.log(10)
        assert result.scores["test_accuracy"] > 0.5
        assert -1 < result.scores["fc_correlation"] < 1


def test_its_batch_is_trained_whole_where_it_keeps_statistics_of_it(use):
    config = dataclasses.replace(CONFIG, batch_size=4096)
    for norm in (True, False):
        use(lambda num_classes, norm=norm: SqueezeExcite(num_classes, norm=norm))
        assert cost.measure(config, SHAPE, CLASSES).mixes_batch == norm
        assert (microbatch.count_pieces(config, SHAPE, CLASSES) == 1) == norm


def test_chunks_know_its_size(foreign, digits):
    spec = make_functions(CONFIG, digits)[1].spec
    # 2^30 bytes of activations, of which 2,896 are an image's, and 2^33 MACs hold two such batches.
    for batch_size, expected in ((16, 32), (2**17, 2)):
        config = dataclasses.replace(CONFIG, batch_size=batch_size, steps=40)
        assert placement.count_chunk(config, spec, "gpu") == expected


def train(config, digits):
    functions, data, numbers = make_functions(config, digits)
    start = functions.init(numbers)
    advance = jax.jit(functions.advance, static_argnums=3)
    return start.params, advance(numbers, start, data.train, 5)[0].params


def test_frozen_convolutions_stay_and_all_else_moves(foreign, digits):
    before, after = train(dataclasses.replace(CONFIG, freeze="convolutions"), digits)
    same = jax.tree.map(lambda a, b: bool((a == b).all()), before, after)
    assert {name for name, held in count.flatten(same).items() if held} == {
        "edges/kernel", "edges/bias", "parts/kernel",
    }  # fmt: skip


def test_gain_multiplies_kernels_below_activations(foreign, digits):
    def start(gain):
        functions, _, numbers = make_functions(dataclasses.replace(CONFIG, init_gain=gain), digits)
        return count.flatten(functions.init(numbers).params)

    one, two = start(1.0), start(2.0)
    assert {name for name in one if (two[name] != one[name]).any()} == {
        f"{name}/kernel" for name in ("edges", "narrow", "widen", "parts")
    }
    np.testing.assert_array_equal(two["widen/kernel"], 2 * one["widen/kernel"])


class Placed(nn.Module):
    """A matrix of positions is added to units, and multiplies none."""

    num_classes: int

    @nn.compact
    def __call__(self, images, train):
        rows = nn.relu(nn.Dense(6)(images[..., 0]))
        rows = rows + self.param("places", nn.initializers.ones, (8, 6))[None]
        return nn.Dense(self.num_classes)(rows.reshape(len(rows), -1))


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_what_multiplies_nothing_neither_decays_nor_is_orthogonalised(use, optimizer):
    use(Placed)
    config = Config(optimizer=optimizer, weight_decay=0.5, learning_rate=0.1, schedule="constant")
    model = here.make_model(config, SHAPE, CLASSES)
    params, _ = model.init(jax.random.key(0))
    numbers = {"learning_rate": jnp.float32(0.1), "weight_decay": jnp.float32(0.5)}
    rule = optimizers.make_optimizer(config, numbers, model.roles)
    zeros = jax.tree.map(jnp.zeros_like, params)
    updates, _ = rule.update(zeros, rule.init(params), params)
    after = optax.apply_updates(params, updates)
    np.testing.assert_array_equal(after["places"], params["places"])
    kernel = params["Dense_0"]["kernel"]
    np.testing.assert_allclose(after["Dense_0"]["kernel"], 0.95 * kernel, rtol=1e-5)


def test_features_are_what_the_layer_of_the_logits_sees(foreign, digits):
    model = here.make_model(CONFIG, SHAPE, CLASSES)
    params, stats = model.init(jax.random.key(0))
    images = digits.test.images[:20].astype(np.float32)
    logits, features = model.observe(params, stats, images)
    assert features.shape == (20, 16)
    layer = params["answer"]
    np.testing.assert_allclose(features @ layer["kernel"] + layer["bias"][None], logits, rtol=1e-5)
    kernel = models.find_parameter(params, model.roles.logits)
    np.testing.assert_array_equal(kernel, layer["kernel"])
    assert examine.correlate_weights(kernel, kernel.T, jnp.ones(10)) > 0.9


def test_the_plan_has_its_costs(foreign):
    study = Study("rates", "Which rate?", {}, cross({"learning_rate": (0.01, 0.1)}), ())
    found = plan.make_plan(study, CONFIG, 2, {request_of(CONFIG): (SHAPE, CLASSES)})
    assert (found.num_groups, found.num_lanes) == (1, 4)
    assert {own.macs for own in found.arms.values()} == {9408}
    assert found.training_macs == 3.0 * 9408 * 16 * 30 * found.num_lanes
    assert found.state_bytes == 4 * 1460 * 4 * found.num_lanes


class Convolving(nn.Module):
    """Without dense layers: the logits are the mean of maps."""

    num_classes: int

    @nn.compact
    def __call__(self, images, train):
        return nn.Conv(self.num_classes, (3, 3))(images).mean(axis=(1, 2))


class Activated(nn.Module):
    """No layer gives the logits: they are capped."""

    num_classes: int

    @nn.compact
    def __call__(self, images, train):
        units = nn.relu(nn.Dense(5)(images.reshape(len(images), -1)))
        return 5 * jnp.tanh(nn.Dense(self.num_classes)(units))


class Joined(nn.Module):
    """The activation below the layer of the logits stands in the same module."""

    num_classes: int

    @nn.compact
    def __call__(self, images, train):
        units = nn.relu(images.reshape(len(images), -1))
        return units @ self.param("matrix", nn.initializers.ones, (64, self.num_classes))


@pytest.mark.parametrize("module", [Convolving, Activated, Joined])
def test_features_are_not_made_up_where_no_dense_layer_gives_the_logits(use, digits, module):
    use(module)
    assert here.make_model(CONFIG, SHAPE, CLASSES).observe is None
    (result,) = runner.run_lanes([dataclasses.replace(CONFIG, steps=2, eval_every=2)], digits)
    assert "fc_correlation" not in result.scores


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


def test_an_author_may_say_the_roles(use):
    roles = Roles(frozenset({"matrix"}), frozenset(), frozenset({"matrix"}), None, "")

    class Declared(Joined):
        roles = Roles(frozenset({"matrix"}), frozenset(), frozenset({"matrix"}), None, "")

    use(Declared)
    assert here.make_model(CONFIG, SHAPE, CLASSES).roles == roles
    Declared.roles = roles._replace(kernels=frozenset({"kernel"}))
    count.read_once.cache_clear()
    with pytest.raises(ConfigError, match="its roles name kernel, which is no parameter"):
        cost.measure(CONFIG, SHAPE, CLASSES)


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
