"""What an iteration of training is made of, and the loss before the first one."""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from sklearn import datasets

from cnnjax.config.config import Config, make_config
from cnnjax.networks import models
from cnnjax.ops import activation, conv, pool
from cnnjax.sweep import group
from experiments.checks import Outcome, decide

PARTS = ("forward pass", "loss", "backward pass", "update")
SEEDS, STEPS, BATCH, CHANCE = 20, 40, 32, 0.1
EXTREME = 10  # times the loss of a uniform guess: what we take "extremely high" to mean


@functools.cache
def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """Images [1797, 8, 8, 1], standardised, and labels, in a fixed random order."""
    pixels, labels = datasets.load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    images = np.asarray(pixels, np.float32)[order].reshape(-1, 8, 8, 1)
    return (images - images.mean()) / images.std(), np.asarray(labels, np.int32)[order]


def check_training_iteration() -> Outcome:
    """The gradient by finite differences, the sign of the update, and each part left out."""
    error, entries = compare_gradients()
    before, with_sign, against = follow_gradient()
    descends = int((with_sign < before).sum())
    climbs = int((against > before).sum())
    accuracies = train_with_and_without()
    complete, broken = accuracies[0], accuracies[1:]
    errors = broken.std(axis=1, ddof=1) / math.sqrt(SEEDS)
    at_chance = np.abs(broken.mean(axis=1) - CHANCE) <= np.maximum(3 * errors, 0.01)
    without = ", ".join(
        f"{100 * own.mean():.0f}% without {part}" for own, part in zip(broken, PARTS, strict=True)
    )
    return decide(
        bool(
            error < 1e-6 and descends == climbs == SEEDS
            and complete.min() > 0.5 and at_chance.all()
        ),
        f"the gradient agrees with finite differences within {error:.0e} in all {entries} entries;"
        f" an update lowers the loss in {descends} of {SEEDS} networks and with the wrong sign"
        f" raises it in {climbs}; {STEPS} iterations reach {100 * complete.mean():.0f}% of test"
        f" digits with all four parts, {without} (chance {100 * CHANCE:.0f}%)",
    )  # fmt: skip


def compare_gradients() -> tuple[float, int]:
    """The largest error of a tiny network's gradient over its largest entry; number of entries.

    Convolution, ReLU, max pooling and a dense layer, in float64.
    """
    convolve = functools.partial(conv.conv2d, platform=jax.default_backend())
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(4, 6, 6, 1)), jnp.asarray([0, 1, 2, 1])
    with jax.enable_x64(True):
        images = jnp.asarray(images)
        shapes = {"kernel": (3, 3, 1, 2), "bias": (1, 1, 1, 2), "dense": (18, 3)}
        params = {name: jnp.asarray(rng.normal(size=shape)) for name, shape in shapes.items()}
        point, unravel = ravel_pytree(params)

        def find_loss(flat: jax.Array) -> jax.Array:
            own = unravel(flat)
            maps = activation.relu(convolve(images, own["kernel"]) + own["bias"])
            logits = pool.max_pool(maps, 2, 2).reshape(len(images), -1) @ own["dense"]
            return optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

        shifts = 1e-6 * jnp.eye(len(point), dtype=point.dtype)
        find_losses = jax.jit(jax.vmap(find_loss))
        expected = (find_losses(point[None] + shifts) - find_losses(point[None] - shifts)) / 2e-6
        found = jax.jit(jax.grad(find_loss))(point)
        return float(jnp.abs(found - expected).max() / jnp.abs(expected).max()), len(point)


def map_over(function: Callable[[Any], jax.Array], runs: Any) -> np.ndarray:
    """The function of each run, one after the other in one program that is quick to compile."""
    options = group.CPU_COMPILER_OPTIONS if jax.default_backend() == "cpu" else {}
    mapped = jax.jit(lambda runs: jax.lax.map(function, runs), compiler_options=options)
    return np.asarray(mapped(runs))


def make_tools() -> tuple[Any, Any]:
    """`init(seed)` and `apply(params, images)` of a small CNN."""
    platform = jax.default_backend()
    model = models.make_model(Config(widths=(8,), pool_every=1, hidden=()), (8, 8, 1), 10, platform)
    return (
        lambda seed: model.init(jax.random.key(seed))[0],
        lambda params, images: model.apply(params, {}, images, None)[0],
    )


def follow_gradient() -> np.ndarray:
    """Loss of a batch before a step, after it, and after one with the wrong sign: [3, seeds]."""
    init, apply = make_tools()
    images, labels = (jnp.asarray(array[:BATCH]) for array in load_digits())

    def try_both(seed: jax.Array) -> jax.Array:
        def find_loss(params: Any) -> jax.Array:
            logits = apply(params, images)
            return optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

        params = init(seed)
        loss, grads = jax.value_and_grad(find_loss)(params)
        by_rate = jax.lax.map(
            lambda rate: find_loss(jax.tree.map(lambda a, b: a + rate * b, params, grads)),
            jnp.array([-1e-3, 1e-3]),
        )
        return jnp.concatenate([loss[None], by_rate])

    return map_over(try_both, jnp.arange(SEEDS)).T


def train_with_and_without() -> np.ndarray:
    """Test accuracies [5, seeds]: with all four parts, then without each of `PARTS`.

    In the place of what is left out: outputs that are constant, the mean output (which no label
    enters), a random direction, and the weights as they were.
    """
    init, apply = make_tools()
    images, labels = (jnp.asarray(array) for array in load_digits())
    train, test = slice(0, 600), slice(797, None)
    optimizer = optax.adam(1e-2)

    def accuracy_of(run: tuple) -> jax.Array:
        seed, (forward, loss, backward, update) = run

        def find_loss(params: Any, chosen: jax.Array) -> jax.Array:
            logits = jnp.where(forward, apply(params, images[train][chosen]), 0.0)
            losses = optax.losses.softmax_cross_entropy_with_integer_labels(
                logits, labels[train][chosen]
            )
            return jnp.where(loss, losses.mean(), logits.mean())

        def step(carry: tuple, number: jax.Array) -> tuple:
            params, state = carry
            key = jax.random.fold_in(jax.random.key(seed), number)
            grads = jax.grad(find_loss)(params, jax.random.randint(key, (BATCH,), 0, 600))
            grads = jax.tree.map(
                lambda leaf: jnp.where(backward, leaf, jax.random.normal(key, leaf.shape)), grads
            )
            changes, state = optimizer.update(grads, state, params)
            moved = optax.apply_updates(params, changes)
            params = jax.tree.map(
                lambda after, before: jnp.where(update, after, before), moved, params
            )
            return (params, state), None

        params = init(seed)
        (params, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), jnp.arange(STEPS))
        return (apply(params, images[test]).argmax(axis=-1) == labels[test]).mean()

    kept = np.concatenate([np.ones((1, 4), bool), ~np.eye(4, dtype=bool)])
    seeds, kept = jnp.tile(jnp.arange(SEEDS), 5), jnp.repeat(jnp.asarray(kept), SEEDS, axis=0)
    return map_over(accuracy_of, (seeds, tuple(kept.T))).reshape(5, SEEDS)


def check_initial_loss() -> Outcome:
    """Losses at initialisation against that of a uniform guess, ln(number of classes)."""
    logistic = make_config({"model": "logistic"})
    cases = {
        ("CNN", 10): Config(),
        ("MLP", 10): Config(model="mlp"),
        **{("logistic regression", classes): logistic for classes in (2, 100)},
    }
    ratios = {
        case: find_initial_losses(config, case[1]) / math.log(case[1])
        for case, config in cases.items()
    }
    every = np.concatenate(list(ratios.values()))
    means = ", ".join(
        f"{own.mean():.2f} ({name}, {classes} classes)" for (name, classes), own in ratios.items()
    )
    rbf = find_initial_losses(Config(model="mlp", hidden=(84,), logits="rbf"), 10) / math.log(10)
    return decide(
        bool(np.median(every) > EXTREME),
        f"before training the loss is {every.min():.2f} to {every.max():.2f} times ln(classes),"
        f" that of a uniform guess, over {SEEDS} seeds each: {means} on average; with LeNet-5's RBF"
        f" outputs, which are squared distances, it is {rbf.mean():.1f} times",
    )


def find_initial_losses(config: Config, num_classes: int) -> np.ndarray:
    """Mean losses [seeds] of new networks on 500 digits, whose labels are random but for 10."""
    images, labels = (array[:500] for array in load_digits())
    if num_classes != 10:
        labels = np.random.default_rng(0).integers(num_classes, size=500, dtype=np.int32)
    model = models.make_model(config, (8, 8, 1), num_classes, jax.default_backend())

    def find_loss(seed: jax.Array) -> jax.Array:
        logits, _ = model.apply(*model.init(jax.random.key(seed)), jnp.asarray(images), None)
        return optax.losses.softmax_cross_entropy_with_integer_labels(
            logits, jnp.asarray(labels)
        ).mean()

    return map_over(find_loss, jnp.arange(SEEDS))
