"""Each optimiser and schedule against its formula, and every number reaching the update."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cnnjax.config.config import Config, numbers_of
from cnnjax.training import optimizers, schedules
from tests import here

OPTAX = True  # see conftest.py

GRADS = [np.array(rows, np.float32) for rows in ([[1.0], [-2.0]], [[0.5], [1.0]], [[-0.3], [0.7]])]
START = np.array([[3.0], [4.0]], np.float32)


def run(config: Config, steps: int = 2) -> np.ndarray:
    """The kernel after the first `steps` of GRADS."""
    numbers = {name: jnp.asarray(value) for name, value in numbers_of(config).items()}
    optimizer = here.make_optimizer(config, numbers)
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
    for step, grads in enumerate(GRADS[:2], start=1):
        mean = 0.9 * mean + 0.1 * grads
        square = 0.999 * square + 0.001 * grads**2
        direction = (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        kernel = kernel - 0.1 * direction
    np.testing.assert_allclose(run(constant(optimizer="adam")), kernel, rtol=1e-5)


# The kernel after three steps of PyTorch 2.13.0 in float64, at a rate of 0.1.
PYTORCH = {
    "sgd": ((2.88, 4.03), {}),
    "momentum": ((2.664, 4.282), {"momentum": 0.9}),
    "nesterov": ((2.5776, 4.2838), {"momentum": 0.9}),
    "adam": ((2.7537598390422295, 4.127179428594697), {}),
    "adamw": ((2.340295737079821, 3.5455977434535693), {"weight_decay": 0.5}),
}


@pytest.mark.parametrize("name", PYTORCH)
def test_pytorch_takes_the_same_steps(name):
    kernel, fields = PYTORCH[name]
    found = run(constant(optimizer=name, **fields), steps=3)
    np.testing.assert_allclose(found[:, 0], kernel, rtol=2e-6)


def test_nesterov():
    first = GRADS[0]
    second = GRADS[1] + 0.5 * GRADS[0]
    expected = START - 0.1 * (GRADS[0] + 0.5 * first) - 0.1 * (GRADS[1] + 0.5 * second)
    found = run(constant(optimizer="nesterov", momentum=0.5))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_lion():
    expected, mean = START.copy(), np.zeros_like(START)
    for grads in GRADS[:2]:
        expected = expected - 0.1 * np.sign(0.9 * mean + 0.1 * grads)
        mean = 0.99 * mean + 0.01 * grads
    np.testing.assert_allclose(run(constant(optimizer="lion")), expected, rtol=1e-6)


def test_lamb_steps_as_far_as_the_weights_are_long():
    step = START - run(constant(optimizer="lamb"), steps=1)
    assert np.linalg.norm(step) == pytest.approx(0.1 * np.linalg.norm(START), rel=1e-5)


def test_muon_steps_along_an_orthogonal_matrix():
    grads = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    config = constant(optimizer="muon")
    numbers = {name: jnp.asarray(value) for name, value in numbers_of(config).items()}
    optimizer = here.make_optimizer(config, numbers)
    params = {"kernel": jnp.ones((6, 4)), "bias": jnp.ones(4)}
    updates, _ = optimizer.update(
        {"kernel": grads, "bias": grads[0]}, optimizer.init(params), params
    )
    values = np.linalg.svd(np.asarray(updates["kernel"]), compute_uv=False)
    assert values.max() / values.min() < 2  # Newton-Schulz: about equal, not exactly
    nadam = 0.9 * 0.1 / (1 - 0.9**2) + 1  # the first step of Adam with Nesterov's momentum
    np.testing.assert_allclose(np.abs(updates["bias"]), 0.1 * nadam, rtol=1e-3)


DECAYING = ["sgd", "momentum", "nesterov", "adamw", "lion", "muon"]


@pytest.mark.parametrize("name", DECAYING)
def test_weight_decay_is_decoupled(name):
    plain = run(constant(optimizer=name), steps=1)
    found = run(constant(optimizer=name, weight_decay=0.5), steps=1)
    np.testing.assert_allclose(found, plain - 0.1 * 0.5 * START, rtol=1e-5)


def test_weight_decay_spares_biases():
    tree = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}
    assert optimizers.make_mask({"kernel"})(tree) == {"kernel": True, "bias": False}


def test_clipping_bounds_the_norm_of_the_whole_gradient():
    step = START - run(constant(optimizer="sgd", clip_norm=0.5), steps=1)
    np.testing.assert_allclose(step, 0.1 * 0.5 * GRADS[0] / np.linalg.norm(GRADS[0]), rtol=1e-5)


def rates_of(config: Config, steps) -> list[float]:
    numbers = {name: jnp.asarray(value) for name, value in numbers_of(config).items()}
    schedule = schedules.make_schedule(config, numbers)
    return [float(schedule(jnp.asarray(step))) for step in steps]


@pytest.mark.parametrize(
    ("name", "steps", "rates"),
    [
        ("constant", (0, 50, 100), (0.1, 0.1, 0.1)),
        ("cosine", (0, 50, 100), (0.1, 0.05, 0.0)),
        ("step", (0, 49, 51, 74, 76), (0.1, 0.1, 0.01, 0.01, 0.001)),
        ("one_cycle", (0, 30, 100), (0.004, 0.1, 0.0)),
        ("triangular", (0, 23, 100), (0.02, 0.1, 0.007)),
    ],
)
def test_schedules(name, steps, rates):
    config = Config(schedule=name, learning_rate=0.1, steps=100)
    np.testing.assert_allclose(rates_of(config, steps), rates, atol=1e-6)


def test_warm_up_rises_to_the_peak_and_then_the_schedule_begins():
    config = Config(schedule="cosine", learning_rate=0.1, steps=104, warmup_steps=4)
    expected = [0.025, 0.05, 0.075, 0.1, 0.1, 0.05, 0.0]
    np.testing.assert_allclose(rates_of(config, (0, 1, 2, 3, 4, 54, 104)), expected, atol=1e-6)


def cosine(step, steps):
    return 0.5 * (1 + np.cos(np.pi * step / steps))  # as PyTorch's CosineAnnealingLR, T_max=steps


def falling(step, steps):  # as PyTorch's MultiStepLR at half and three quarters
    return 0.1 ** sum(step >= share * steps for share in (0.5, 0.75))


def one_cycle(step, steps):
    peak = int(0.3 * steps)
    if step < peak:
        return 1 / 25 + (1 - 1 / 25) * (1 - np.cos(np.pi * step / peak)) / 2
    end = 1 / 25 / 1e4
    return end + (1 - end) * cosine(step - peak, steps - peak)


def triangular(step, steps):
    """Jordan 2024: 0.2 at the start, 1 at 23%, 0.07 at the end, lines between."""
    peak = int(0.23 * steps)
    if step < peak:
        return float(np.interp(step, [0, peak], [0.2, 1]))
    return float(np.interp(step, [peak, steps], [1, 0.07]))


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 7, 10, 101])
@pytest.mark.parametrize("warmup", [0, 1, 4])
@pytest.mark.parametrize(
    ("name", "share"),
    [("constant", lambda *_: 1.0), ("cosine", cosine), ("step", falling), ("one_cycle", one_cycle),
     ("triangular", triangular)],
)  # fmt: skip
def test_every_step_has_the_rate_of_its_formula_in_float64(name, share, warmup, steps):
    """From the first to the last step, in runs of any length, behind any warm-up.

    The warm-up is that of Goyal et al. 2017: linear, and at the peak when the schedule begins.
    """
    config = Config(schedule=name, learning_rate=0.1, steps=steps + warmup, warmup_steps=warmup)
    expected = [0.1 * (step + 1) / warmup for step in range(warmup)]
    expected += [0.1 * share(step, steps) for step in range(steps)]
    rates = rates_of(config, range(steps + warmup))
    np.testing.assert_allclose(rates, expected, rtol=2e-5, atol=1e-7)
    assert all(rate > 0 for rate in rates)


def test_the_steps_of_he_et_al_are_at_32_000_and_48_000_of_64_000():
    config = Config(schedule="step", learning_rate=0.1, steps=64_000)
    rates = rates_of(config, (0, 31_999, 32_000, 47_999, 48_000, 63_999))
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.01, 0.01, 0.001, 0.001], rtol=1e-6)


def test_decay_of_a_gradient_is_that_of_a_kernel_over_one_less_momentum():
    """5e-4 added to the gradient, as papers have it, is 5e-3 here with a momentum of 0.9.

    On a kernel whose gradient is nought, in the long run and where decay is slow.
    """
    rate, coupled, mean, steps = 0.01, 5e-4, 0.9, 400
    kernel, velocity = START.astype(np.float64), np.zeros_like(START, np.float64)
    for _ in range(steps):
        velocity = mean * velocity + coupled * kernel
        kernel = kernel - rate * velocity
    config = constant(
        optimizer="momentum", learning_rate=rate, momentum=mean, weight_decay=coupled / (1 - mean)
    )
    assert config.weight_decay == pytest.approx(5e-3)
    numbers = {name: jnp.asarray(value) for name, value in numbers_of(config).items()}
    optimizer = here.make_optimizer(config, numbers)
    params = {"kernel": jnp.asarray(START)}
    state = optimizer.init(params)
    for _ in range(steps):
        updates, state = optimizer.update({"kernel": jnp.zeros_like(START)}, state, params)
        params = optax.apply_updates(params, updates)
    lost, expected = START - np.asarray(params["kernel"], np.float64), START - kernel
    np.testing.assert_allclose(lost, expected, rtol=0.03)


@pytest.mark.parametrize("freeze", ["none", "convolutions"])
def test_norms_biases_learn_at_a_rate_of_their_own_as_a_group_of_pytorch(freeze):
    """Jordan 2024: SGD with Nesterov's momentum in two groups, of which one has 64 times the rate.

    By PyTorch's documented rule in float64: b = m b + g, and p = p - rate (g + m b).
    """
    config = constant(
        optimizer="nesterov", momentum=0.85, norm="batch", norm_bias_rate=64.0, freeze=freeze,
        learning_rate=0.01,
    )  # fmt: skip
    roles = here.KERNEL._replace(norm_biases=frozenset({"norm_1/bias"}))
    numbers = {name: jnp.asarray(value) for name, value in numbers_of(config).items()}
    optimizer = here.make_optimizer(config, numbers, roles=roles)
    params = {"kernel": jnp.asarray(START), "norm_1": {"bias": jnp.zeros(2)}}
    state, expected = optimizer.init(params), {"kernel": START.astype(float), "bias": np.zeros(2)}
    buffers = {name: np.zeros_like(own) for name, own in expected.items()}
    for grads in GRADS:
        given = {"kernel": jnp.asarray(grads), "norm_1": {"bias": jnp.asarray(grads[:, 0])}}
        updates, state = optimizer.update(given, state, params)
        params = optax.apply_updates(params, updates)
        for name, own, rate in (("kernel", grads, 0.01), ("bias", grads[:, 0], 0.64)):
            buffers[name] = 0.85 * buffers[name] + own
            expected[name] = expected[name] - rate * (own + 0.85 * buffers[name])
    np.testing.assert_allclose(params["kernel"], expected["kernel"], rtol=1e-6)
    np.testing.assert_allclose(params["norm_1"]["bias"], expected["bias"], rtol=1e-6)


@pytest.mark.parametrize("bound", [0.5, 1e6])
def test_clipping_is_of_all_layers_together_and_leaves_small_gradients(bound):
    """Pascanu et al. 2013, algorithm 1, in float64."""
    config = constant(optimizer="sgd", clip_norm=bound)
    numbers = {name: jnp.asarray(value) for name, value in numbers_of(config).items()}
    grads = {"kernel": GRADS[0], "bias": np.array([3.0], np.float32)}
    params = {"kernel": jnp.asarray(START), "bias": jnp.zeros(1)}
    optimizer = here.make_optimizer(config, numbers)
    updates, _ = optimizer.update(grads, optimizer.init(params), params)
    norm = np.sqrt(sum((own.astype(np.float64) ** 2).sum() for own in grads.values()))
    for name, own in grads.items():
        np.testing.assert_allclose(updates[name], -0.1 * own * min(1, bound / norm), rtol=1e-6)


def test_gradient_descent_on_a_quadratic_diverges_just_beyond_its_bound():
    """Claim `learning-rate`: it converges exactly below 2 / largest eigenvalue."""
    curvature = np.array([[1.0], [8.0]], np.float32)
    for rate, converges in ((2 / 8 * 0.99, True), (2 / 8 * 1.01, False)):
        config = Config(optimizer="sgd", schedule="constant", learning_rate=rate)
        numbers = {name: jnp.asarray(value) for name, value in numbers_of(config).items()}
        optimizer = here.make_optimizer(config, numbers)
        params = {"kernel": jnp.asarray(START)}
        state = optimizer.init(params)
        for _ in range(500):
            updates, state = optimizer.update(
                {"kernel": curvature * params["kernel"]}, state, params
            )
            params = optax.apply_updates(params, updates)
        norm = float(jnp.linalg.norm(params["kernel"]))
        assert norm < 0.1 if converges else norm > 100
