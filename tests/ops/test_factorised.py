"""Matrices are factorised one by one.

Of several at once a CPU's threads wait for others of their pool, which are the same where two
devices do it at the same time: `--init=orthogonal` was seen to stand still for ever.
"""

import jax
import jax.numpy as jnp
import pytest

from cnnjax.config import register
from cnnjax.measures import curvature
from cnnjax.ops import initial
from cnnjax.sweep.waiting import FACTORISATIONS, list_steps


def count_batched(function, *arguments) -> tuple[int, int]:
    """Factorisations in a traced function, and those of several matrices at once."""
    steps = [
        step
        for step in list_steps(jax.make_jaxpr(function)(*arguments).jaxpr)
        if step.primitive.name in FACTORISATIONS
    ]
    batched = [step for step in steps if step.invars[0].aval.ndim > 2]  # pyright: ignore[reportAttributeAccessIssue]
    return len(steps), len(batched)


def test_what_is_counted():
    matrices = jnp.zeros((3, 4, 4))
    assert count_batched(jax.vmap(lambda own: jnp.linalg.qr(own)[0]), matrices)[1] > 0
    assert count_batched(lambda: jnp.linalg.eigvalsh(matrices[0])) == (1, 0)


@pytest.mark.parametrize("name", register.names("init"))
def test_initial_kernels_of_groups_and_lanes(name):
    keys = jax.random.split(jax.random.key(0), 3)
    draw = initial.in_groups(initial.find(name), 2)
    found, batched = count_batched(jax.vmap(lambda own: draw(own, (3, 3, 4, 8))), keys)
    assert batched == 0 and (found > 0) == (name == "orthogonal")


def test_orthogonal_kernels_of_lanes_are_those_of_each():
    keys = jax.random.split(jax.random.key(0), 3)
    together = jax.vmap(lambda own: initial.orthogonal(own, (3, 3, 4, 8)))(keys)
    for own, key in zip(together, keys, strict=True):
        assert (own == initial.orthogonal(key, (3, 3, 4, 8))).all()


def test_the_largest_eigenvalues_of_lanes():
    matrix = jnp.diag(jnp.arange(1.0, 5.0))
    starts = jax.random.normal(jax.random.key(0), (2, 4))
    find = jax.vmap(lambda start: curvature.find_largest(lambda own: matrix @ own, start, 4))
    assert count_batched(find, starts) == (1, 0)
    assert find(starts) == pytest.approx(4.0, rel=1e-5)
