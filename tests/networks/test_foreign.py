"""A network written in plain Flax is what it would be had it been ours: costs, roles, training."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from cnnjax.config.config import Config, request_of
from cnnjax.config.knobs import ConfigError
from cnnjax.measures import last_layer
from cnnjax.networks import cost, count, models
from cnnjax.networks.facts import Roles
from cnnjax.study import plan
from cnnjax.study.claims import Study, cross
from cnnjax.sweep import placement, runner
from cnnjax.training import microbatch, optimizers
from tests import here
from tests.foreign import CLASSES, CONFIG, SHAPE, SqueezeExcite
from tests.training.test_program import make_functions

OPTAX = True  # see conftest.py


def test_roles_follow_from_the_way_of_the_parameters(foreign):
    roles = here.make_model(CONFIG, SHAPE, CLASSES).roles
    below = {f"{name}/kernel" for name in ("edges", "narrow", "widen", "parts")}
    assert roles == Roles(
        kernels=frozenset({*below, "answer/kernel"}),
        scaled=frozenset(below),
        convolutions=frozenset({"edges/kernel", "edges/bias", "parts/kernel"}),
        logits="answer/kernel",
        first="edges",
        norm_biases=frozenset({"BatchNorm_0/bias"}),
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


class Spectral(nn.Module):
    """It keeps what depends on its parameters alone (Miyato et al. 2018)."""

    num_classes: int

    @nn.compact
    def __call__(self, images, train):
        maps = nn.SpectralNorm(nn.Conv(8, (3, 3)))(images, update_stats=train)
        return nn.Dense(self.num_classes)(nn.relu(maps).mean(axis=(1, 2)))


def test_its_batch_is_trained_whole_where_it_keeps_what_is_of_no_image(use):
    config = dataclasses.replace(CONFIG, batch_size=4096)
    use(Spectral)  # pieces would leave what it keeps as it began
    assert microbatch.count_pieces(config, SHAPE, CLASSES) == 1


def test_chunks_know_its_size(foreign, digits):
    spec = make_functions(CONFIG, digits)[1].spec
    # 2^30 bytes of activations, of which 2,896 are an image's, and 2^33 MACs hold two such batches.
    for batch_size, expected in ((16, 32), (2**17, 2)):
        config = dataclasses.replace(CONFIG, batch_size=batch_size, steps=40)
        assert placement.count_chunk(config, spec, "gpu") == expected


def train(config, digits):
    functions, data, numbers = make_functions(config, digits)
    start = functions.init(numbers)
    advance = jax.jit(functions.advance, static_argnums=4)
    return start.params, advance(numbers, start, data.train, 5, 5).params


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
    assert last_layer.correlate_weights(kernel, kernel.T, jnp.ones(10)) > 0.9


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


@pytest.mark.slow
@pytest.mark.parametrize("module", [Convolving, Activated, Joined])
def test_features_are_not_made_up_where_no_dense_layer_gives_the_logits(use, digits, module):
    use(module)
    assert here.make_model(CONFIG, SHAPE, CLASSES).observe is None
    (result,) = runner.run_lanes([dataclasses.replace(CONFIG, steps=2, eval_every=2)], digits)
    assert "fc_correlation" not in result.scores


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
