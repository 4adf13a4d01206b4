"""Networks and test images for measures that look into a network."""

import jax
import jax.numpy as jnp
import numpy as np

from cnnjax.config.config import make_config
from cnnjax.data.batches import Batches
from cnnjax.measures.observed import Observed
from cnnjax.networks import models


def make_network(shape=(8, 8, 1), seed=0, **given):
    """A network as it begins: its functions, parameters and statistics."""
    model = models.make_model(make_config(given), shape, 10, "cpu")
    return model, *jax.jit(model.init)(jax.random.key(seed))


def make_foreign(module, shape=(8, 8, 1)):
    """One that is a Linen module from elsewhere."""
    blank = jnp.zeros((1, *shape))

    def init(key):
        variables = module.init(key, blank, train=False)
        return variables.get("params", {}), variables.get("batch_stats", {})

    def apply(params, stats, images, key=None):
        variables = {"params": params, "batch_stats": stats}
        return module.apply(variables, images, train=False), stats

    return models.Model(init, apply, None, None), *init(jax.random.key(0))


def make_function(logits):
    """A network without parameters: a function of images."""
    return models.Model(
        lambda key: ({}, {}), lambda params, stats, images, key=None: (logits(images), stats),
        None, None,
    ), {}, {}  # fmt: skip


def draw_images(count, shape=(8, 8, 1), seed=1):
    return jax.random.normal(jax.random.key(seed), (count, *shape))


def show(images, size, real=None):
    """What measures are given of these test images in batches of that size, so many of them real;
    what is no image at all is 99.
    """  # fmt: skip
    real = len(images) if real is None else real
    padding = -len(images) % size
    shown = np.pad(np.asarray(images), [(0, padding)] + [(0, 0)] * 3, constant_values=99)
    mask = (np.arange(len(shown)) < real).astype(np.float32)
    shown[real:] = 99
    batches = Batches(
        jnp.asarray(shown.reshape(-1, size, *images.shape[1:])),
        jnp.zeros((len(shown) // size, size), jnp.int32),
        jnp.asarray(mask.reshape(-1, size)),
    )
    return observe(batches)


def observe(test):
    """What measures are given of test images in batches, which a network takes as they are."""
    return Observed(None, lambda images: images, None, test, None, None, None, None)


def silence(params):
    """Weights of a network that says the same of all images: its biases."""
    return jax.tree.map(lambda leaf: jnp.full_like(leaf, 0.1 * (leaf.ndim == 1)), params)
