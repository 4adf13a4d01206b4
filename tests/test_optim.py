"""Each optimiser and schedule against its formula, and every number reaching the update."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cnnjax import optim
from cnnjax.config import KNOBS, Config, numbers_of

OPTAX = True  # see conftest.py

GRADS = [np.array([[1.0], [-2.0]], np.float32), np.array([[0.5], [1.0]], np.float32)]
START = np.array([[3.0], [4.0]], np.float32)


def run(config: Config, steps: int = 2) -> np.ndarray:
    """The kernel after the first `steps` of GRADS."""
    numbers = {name: jnp.asarray(value) for name, value in numbers_of(config).items()}
    optimizer = optim.make_optimizer(config, numbers)
    params = {"kernel": jnp.asarray(START)}
    state = optimizer.init(params)
    for grads in GRADS[:steps]:
        updates, state = optimizer.update({"kernel": jnp.asarray(grads)}, state, params)
        params = optax.apply_updates(params, updates)
    return np.asarray(params["kernel"])


def constant(**fields) -> Config:
    return Config(**{"schedule": "constant", "learning_rate": 0.1, **fields})


def test_sgd():
    expected = START - 0.1 * GRADS[0] - 0.1 * GRADS[1]
    np.testing.assert_allclose(run(constant(optimizer="sgd")), expected, rtol=1e-6)


def test_momentum():
    expected = START - 0.1 * GRADS[0] - 0.1 * (GRADS[1] + 0.5 * GRADS[0])
    found = run(constant(optimizer="momentum", momentum=0.5))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_adam():
    kernel, mean, square = START.copy(), np.zeros_like(START), np.zeros_like(START)
    for step, grads in enumerate(GRADS, start=1):
        mean = 0.9 * mean + 0.1 * grads
        square = 0.999 * square + 0.001 * grads**2
        direction = (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        kernel = kernel - 0.1 * direction
    np.testing.assert_allclose(run(constant(optimizer="adam")), kernel, rtol=1e-5)


def test_weight_decay_is_decoupled():
    decayed = run(constant(optimizer="adam", weight_decay=0.5), steps=1)
    plain = run(constant(optimizer="adam"), steps=1)
    np.testing.assert_allclose(decayed, plain - 0.1 * 0.5 * START, rtol=1e-6)


def test_weight_decay_spares_biases():
    tree = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}
    assert optim.kernels_only(tree) == {"kernel": True, "bias": False}


@pytest.mark.parametrize(
    ("name", "rates"), [("constant", [0.1, 0.1, 0.1]), ("cosine", [0.1, 0.05, 0.0])]
)
def test_schedules_at_start_middle_and_end(name, rates):
    schedule = optim.SCHEDULES[name](jnp.asarray(0.1), 100)
    found = [float(schedule(jnp.asarray(step))) for step in (0, 50, 100)]
    np.testing.assert_allclose(found, rates, atol=1e-7)


def test_tables_have_the_choices_of_the_knobs():
    assert set(optim.DIRECTIONS) == set(KNOBS["optimizer"].choices)
    assert set(optim.SCHEDULES) == set(KNOBS["schedule"].choices)
