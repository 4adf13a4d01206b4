"""One batch is learned by heart by every model with every optimiser."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cnnjax.config.config import KNOBS
from cnnjax.networks import cost
from cnnjax.training import optimizers
from tests import here
from tests.small import cut_blocks, make_small

OPTAX = True  # see conftest.py
RATES = {"sgd": 0.1, "momentum": 0.02, "nesterov": 0.02, "lion": 1e-3, "lamb": 0.01, "muon": 0.01}
# Thirteen layers without a norm; outputs that are squared distances, which on some processors
# plain descent leaves for good.
GENTLE = {"vgg16": 0.25, "lenet5": 0.25}
SHAPE, CLASSES, STEPS = (8, 8, 1), 10, 400
make_key = functools.cache(jax.random.key)


@pytest.mark.slow
@pytest.mark.parametrize("model", KNOBS["model"].choices)
def test_one_batch_is_learned_by_heart(model, monkeypatch):
    cut_blocks(monkeypatch)
    images = np.random.default_rng(0).normal(size=(8, *SHAPE)).astype(np.float32)
    labels = np.arange(8)
    config = make_small(model, dropout=0.0, schedule="constant", steps=STEPS)
    network = here.make_model(cost.find_network(config, SHAPE, CLASSES), SHAPE, CLASSES)
    params, stats = jax.jit(network.init)(jax.random.key(0))

    @jax.jit
    @functools.partial(jax.value_and_grad, has_aux=True)
    def find_loss(params, stats, key):
        logits, stats = network.apply(params, stats, images, key)
        losses = optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels)
        return losses.mean(), stats

    def learn(name):
        rate = jnp.float32(RATES.get(name, 3e-3) * GENTLE.get(model, 1.0))
        numbers = {"learning_rate": rate, "momentum": jnp.float32(0.9), "weight_decay": 0.0}
        optimizer = optimizers.make_optimizer(
            make_small(model, optimizer=name, schedule="constant"), numbers, network.roles
        )

        @jax.jit
        def update(grads, opt_state, params):
            updates, opt_state = optimizer.update(grads, opt_state, params)
            return optax.apply_updates(params, updates), opt_state

        own, own_stats, opt_state, losses = params, stats, jax.jit(optimizer.init)(params), []
        while len(losses) < STEPS and (not losses or losses[-1] > 0.02):
            (loss, own_stats), grads = find_loss(own, own_stats, make_key(len(losses)))
            own, opt_state = update(grads, opt_state, own)
            losses.append(float(loss))
        return losses

    for name in KNOBS["optimizer"].choices:
        losses = learn(name)
        assert losses[-1] <= 0.02, f"{name}: {losses[0]:.3g} to {losses[-1]:.3g}"
