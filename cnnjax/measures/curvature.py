"""How sharply the training loss bends where training begins."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from cnnjax.config import register
from cnnjax.measures.arithmetic import divide, find_eigenvalues
from cnnjax.measures.observed import Training
from cnnjax.networks import models

STEPS = 24  # products with the Hessian: 16 gave six digits of CNNs on digits


def find_largest(product: Callable[[Array], Array], start: Array, steps: int = STEPS) -> Array:
    """The largest eigenvalue of a symmetric matrix, given as a product with a vector [n].

    Lanczos 1950: the largest of the tridiagonal matrix that so many products make of it, which the
    matrix's own is at least. Only two vectors are kept, and none is made orthogonal to earlier ones
    again: that repeats eigenvalues and moves none (Paige 1980).
    """

    def step(carry: tuple[Array, Array, Array], _: None) -> tuple[tuple, tuple[Array, Array]]:
        before, vector, beta = carry
        new = product(vector) - beta * before
        alpha = new @ vector
        new = new - alpha * vector
        beta = jnp.linalg.norm(new)
        return (vector, divide(new, beta), beta), (alpha, beta)

    begin = start / jnp.linalg.norm(start)
    zero = jnp.zeros((), begin.dtype)
    _, (alphas, betas) = lax.scan(step, (jnp.zeros_like(begin), begin, zero), None, steps)
    matrix = jnp.diag(alphas) + jnp.diag(betas[:-1], 1) + jnp.diag(betas[:-1], -1)
    return find_eigenvalues(matrix)[-1]


def multiply_hessian(
    model: models.Model, params: models.Params, stats: models.Stats, beginning: Training
) -> Callable[[Array], Array]:
    """The Hessian of the mean loss of all images in all parameters, times a vector of as many.

    The gradient of the gradient's product with the vector (Pearlmutter 1994), backward both times:
    a maximum of a window has no forward derivative here. Parameters that are not trained are held,
    and their entries 0.
    """
    flat, unravel = ravel_pytree(params)
    trained, _ = ravel_pytree(
        jax.tree.map(lambda leaf, own: jnp.full_like(leaf, own), params, beginning.trained)
    )
    count, batches = len(beginning.targets), beginning.split()

    def find_loss(flat: Array, images: Array, targets: Array) -> Array:
        pixels = beginning.prepare(images.astype(jnp.float32))
        logits, _ = model.apply(unravel(flat), stats, pixels, None)
        return -(targets * jax.nn.log_softmax(logits)).sum() / count

    def product(vector: Array) -> Array:
        def add(total: Array, batch: tuple[Array, Array]) -> tuple[Array, None]:
            along = jax.grad(lambda own: jax.grad(find_loss)(own, *batch) @ (vector * trained))
            return total + along(flat), None

        return lax.scan(add, jnp.zeros_like(flat), batches)[0] * trained

    return product


@register.measure("largest_eigenvalue", at_start=True)
def measure_largest_eigenvalue(
    model: models.Model, params: models.Params, stats: models.Stats, beginning: Training,
    key: Array,
) -> dict[str, Array]:  # fmt: skip
    """The largest eigenvalue of the Hessian of the training loss before the first step.

    Gradient descent on a quadratic of that curvature diverges where its rate is above 2 over it. Of
    the network as it is evaluated, without dropout or augmentation.
    """
    flat, _ = ravel_pytree(params)
    product = multiply_hessian(model, params, stats, beginning)
    start = jax.random.normal(key, flat.shape, flat.dtype)
    return {"largest_eigenvalue": find_largest(product, start)}
