"""The largest eigenvalue of a Hessian, against the whole matrix and against what diverges."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from cnnjax.config.config import make_config
from cnnjax.measures import curvature
from cnnjax.networks import count
from cnnjax.sweep import runner
from tests import here
from tests.training.test_program import make_functions

OPTAX = True  # see conftest.py


def test_the_largest_eigenvalue_of_a_matrix():
    """Dense eigenvalues of random symmetric matrices, also where all are negative or few."""
    rng = np.random.default_rng(0)
    for size, shift in [(200, 0.0), (200, -60.0), (3, 0.0), (1, 2.0)]:
        matrix = rng.normal(size=(size, size))
        matrix = ((matrix + matrix.T) / 2 + shift * np.eye(size)).astype(np.float32)
        start = jnp.asarray(rng.normal(size=size), jnp.float32)
        steps = min(64, size)
        found = curvature.find_largest(lambda v, m=matrix: m @ v, start, steps)
        expected = np.linalg.eigvalsh(matrix.astype(np.float64))[-1]
        assert found == pytest.approx(expected, rel=2e-3)


def test_gradient_descent_diverges_beyond_two_over_it():
    """Claim `learning-rate`, on a quadratic."""
    matrix = np.diag(np.array([0.1, 1.0, 2.0, 5.0], np.float32))
    largest = float(curvature.find_largest(lambda v: matrix @ v, jnp.ones(4), 4))
    assert largest == pytest.approx(5, rel=1e-5)
    for rate, grows in ((1.98 / largest, False), (2.02 / largest, True)):
        x = np.ones(4)
        for _ in range(1000):
            x = x - rate * matrix @ x
        assert (np.abs(x).max() > 1) == grows


@pytest.fixture(scope="module")
def tiny():
    return make_config(
        {"widths": (2,), "hidden": (4,), "image_size": 4, "pool_every": 1, "activation": "tanh",
         "train_examples": 40, "batch_size": 20, "steps": 2, "eval_every": 0, "draw": "seed",
         "label_smoothing": 0.1, "measure": ("largest_eigenvalue",)}
    )  # fmt: skip


def find(config, digits):
    functions, data, numbers = make_functions(config, digits)
    assert functions.begin is not None
    found = jax.jit(functions.begin)(numbers, functions.init(numbers), data.train)
    return float(found["largest_eigenvalue"]["largest_eigenvalue"])


def test_it_is_that_of_the_whole_hessian_in_float64(tiny, digits):
    """Of a network written out by hand, on all 600 images, so that no draw and no order matter."""
    config = make_config(
        {"model": "mlp", "hidden": (4,), "activation": "tanh", "draw": "seed", "steps": 2,
         "train_examples": 600, "label_smoothing": 0.1, "measure": ("largest_eigenvalue",)}
    )  # fmt: skip
    functions, data, numbers = make_functions(config, digits)
    params = count.flatten(functions.init(numbers).params)
    with jax.enable_x64(True):
        images = (digits.train.images.astype(np.float64) - data.spec.mean) / data.spec.std
        targets = np.eye(10)[digits.train.labels] * 0.9 + 0.01
        flat, unravel = ravel_pytree({k: np.asarray(v, np.float64) for k, v in params.items()})

        def loss(flat):
            own = unravel(flat)
            units = images.reshape(600, -1) @ own["dense_1/kernel"] + own["dense_1/bias"][None]
            logits = jnp.tanh(units) @ own["logits/kernel"] + own["logits/bias"][None]
            return -(targets * jax.nn.log_softmax(logits)).sum() / 600

        matrix = np.asarray(jax.jit(jax.hessian(loss))(flat))
    assert find(config, digits) == pytest.approx(np.linalg.eigvalsh(matrix)[-1], rel=1e-4)


@pytest.mark.slow
def test_what_is_not_trained_is_no_part_of_it(tiny, digits):
    """Against the rows and columns of the other parameters, of a Hessian by JAX."""
    frozen = dataclasses.replace(tiny, train_examples=600, freeze="convolutions")
    functions, data, numbers = make_functions(frozen, digits)
    params, stats = functions.init(numbers)[:2]
    model = here.make_model(frozen, (8, 8, 1), 10)
    images = (digits.train.images - data.spec.mean) / data.spec.std
    targets = np.eye(10)[digits.train.labels] * 0.9 + 0.01
    flat, unravel = ravel_pytree(params)
    held, _ = ravel_pytree(
        {name: jax.tree.map(lambda leaf, name=name: leaf * 0 + name.startswith("conv"), own)
         for name, own in params.items()}
    )  # fmt: skip

    def loss(flat):
        logits, _ = model.apply(unravel(flat), stats, jnp.asarray(images, jnp.float32), None)
        return -(targets * jax.nn.log_softmax(logits)).sum() / 600

    matrix, moved = np.asarray(jax.jacrev(jax.grad(loss))(flat)), np.asarray(held) == 0
    expected = np.linalg.eigvalsh(matrix[np.ix_(moved, moved)])[-1]
    found = find(frozen, digits)
    assert found == pytest.approx(expected, rel=1e-3)
    assert found < 0.99 * np.linalg.eigvalsh(matrix)[-1]


@pytest.mark.slow
def test_it_is_of_the_runs_own_weights_images_and_labels(tiny, digits):
    found = find(tiny, digits)
    for part in ("seed_init", "seed_draw"):
        assert find(dataclasses.replace(tiny, **{part: 5}), digits) != pytest.approx(
            found, rel=1e-3
        )
    assert find(dataclasses.replace(tiny, shuffle_labels=True), digits) != pytest.approx(found)
    # In another order they are the same images.
    ordered = find(dataclasses.replace(tiny, seed_order=5), digits)
    assert ordered == pytest.approx(found, rel=1e-3)


@pytest.mark.slow
def test_a_record_has_it_also_of_a_run_that_failed(tiny, digits):
    lanes = [tiny, dataclasses.replace(tiny, optimizer="sgd", learning_rate=1e30)]
    one, failed = (result.scores for result in runner.run_lanes(lanes, digits))
    assert failed["failed"] and one["largest_eigenvalue"] == failed["largest_eigenvalue"] > 0
    assert one["largest_eigenvalue"] == pytest.approx(find(tiny, digits), rel=1e-4)


def test_where_a_batch_is_normalised_together_there_is_none(tiny, digits):
    functions, _, _ = make_functions(dataclasses.replace(tiny, norm="batch"), digits)
    assert functions.begin is None
    functions, _, _ = make_functions(dataclasses.replace(tiny, measure=()), digits)
    assert functions.begin is None
