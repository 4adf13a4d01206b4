"""Every pooling against its definition, for windows that overlap and borders that are padded."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from cnnjax.config import register
from cnnjax.config.config import KNOBS
from cnnjax.config.layers import WINDOWED
from cnnjax.ops import pool
from tests import here, reference

SHAPES = {  # map, window, stride, padding
    "halves": ((8, 8), 2, 2, "VALID"),
    "drops the rest": ((7, 5), 2, 2, "VALID"),
    "overlapping": ((7, 8), 3, 2, "VALID"),
    "overlapping, padded": ((7, 8), 3, 2, "SAME"),
    "half": ((7, 8), 3, 2, "HALF"),
    "dense": ((4, 5), 2, 1, "SAME"),
    "with gaps": ((7, 7), 1, 3, "VALID"),
}


def l2(cells):
    return np.sqrt((cells**2).sum(axis=1))


def expected_stochastic(cells):
    cells = np.maximum(cells, 0)
    total = cells.sum(axis=1)
    return np.where(total > 0, (cells**2).sum(axis=1) / np.where(total > 0, total, 1), 0)


REDUCE = {
    "max": lambda cells: cells.max(axis=1),
    "avg": lambda cells: cells.mean(axis=1),
    "l2": l2,
    "mixed": lambda cells: 0.3 * cells.max(axis=1) + 0.7 * cells.mean(axis=1),
    "stochastic": expected_stochastic,
    "subsample": lambda cells: cells.sum(axis=1) * SCALE + BIAS,
}
SCALE, BIAS = np.array([0.5, 1.0, 2.0], np.float32), np.array([0.1, 0.0, -1.0], np.float32)
POOLS = [name for name in register.names("pool") if pool.find(name).traits["windows"]]
LEARNED = {"blend": np.log(0.3 / 0.7), "coefficient": SCALE, "bias": BIAS}


def param(name, init, shape):
    """What a pooling has learned."""
    return jnp.asarray(LEARNED[name])


@pytest.mark.parametrize("exponent", [1.0, 3.0, 7.5])
def test_a_generalised_mean_is_that_of_the_paper(exponent):
    """Radenovic et al. 2018, eq. 3, channel by channel, of cells that are at least 1e-6."""
    maps = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    expected = np.empty((2, 5))
    for image in range(2):
        for channel in range(5):
            cells = [max(float(cell), 1e-6) for cell in maps[image, :, :, channel].ravel()]
            mean = sum(cell**exponent for cell in cells) / len(cells)
            expected[image, channel] = mean ** (1 / exponent)
    found = pool.generalised_mean(jnp.asarray(maps), jnp.float32(exponent))
    np.testing.assert_allclose(found, expected, rtol=2e-6)


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e20])
def test_a_generalised_mean_and_its_slopes_are_finite_at_any_scale(size):
    """Of a map of nothing, too; its slope by the exponent is that of a difference."""
    maps = jnp.abs(jax.random.normal(jax.random.key(0), (1, 4, 4, 2))).at[..., 1].set(0) * size

    def total(maps, exponent):
        return pool.generalised_mean(maps, exponent).sum()

    slopes = jax.jit(jax.grad(total, (0, 1)))(maps, jnp.float32(9.0))
    assert all(np.isfinite(slope).all() for slope in slopes)
    if size == 1:
        check_grads(lambda p: total(maps, p), (jnp.float32(3.0),), order=1, modes=["rev"],
                    rtol=1e-2)  # fmt: skip


def call(name, *window, key=None):
    """A pooling as a function of maps, with what it asks for."""
    extras = {"param": param, "key": key, "platform": here.PLATFORM}
    taken = inspect.signature(pool.find(name).make).parameters
    named = {extra: value for extra, value in extras.items() if extra in taken}
    return lambda maps: pool.find(name).make(maps, *window, **named)


def draw(shape, seed=0):
    return np.random.default_rng(seed).normal(size=(2, *shape, 3)).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", REDUCE)
def test_reduces_the_cells_of_each_window_that_lie_on_the_map(name, shape):
    size, window, stride, padding = SHAPES[shape]
    maps = draw(size)
    found = call(name, window, stride, padding)(maps)
    expected = reference.pool(maps, window, stride, padding, REDUCE[name])
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_average_that_counts_the_padding(shape):
    size, window, stride, padding = SHAPES[shape]
    maps = draw(size)
    found = pool.avg_pool(maps, window, stride, padding, count_padding=True)
    expected = reference.pool(
        maps, window, stride, padding, lambda cells: cells.sum(axis=1) / window**2
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)


BLURS = {"blur2": (1, 1), "blur": (1, 2, 1), "blur5": (1, 4, 6, 4, 1)}  # Zhang 2019, section 4


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", BLURS)
def test_blur_is_a_maximum_and_then_a_reflected_blur(name, stride):
    maps, taps = draw((6, 7)), BLURS[name]
    dense = reference.pool(maps, 2, 1, "VALID", REDUCE["max"])
    sides = ((len(taps) - 1) // 2, len(taps) // 2)
    padded = np.pad(dense, ((0, 0), sides, sides, (0, 0)), "reflect")
    kernel = np.zeros((len(taps), len(taps), 3, 3))
    for channel in range(3):
        kernel[:, :, channel, channel] = np.outer(taps, taps) / sum(taps) ** 2
    expected = reference.conv2d(padded, kernel, stride, "VALID")
    found = pool.find(name).make(maps, 2, stride, "VALID", platform=here.PLATFORM)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("name", BLURS)
def test_blur_keeps_a_constant_map_even_of_one_cell(name):
    for size in (2, 3, 5):
        ones = jnp.ones((1, size, size, 2))
        found = pool.find(name).make(ones, 2, 2, "VALID", platform=here.PLATFORM)
        np.testing.assert_allclose(found, 1.0, rtol=1e-6)


def test_stochastic_draws_each_cell_in_proportion_to_its_activation():
    maps = jnp.asarray([[1.0, 3.0], [0.0, -5.0]]).reshape(1, 2, 2, 1)
    many = jnp.broadcast_to(maps, (4000, 2, 2, 1))
    drawn = np.asarray(pool.stochastic_pool(many, 2, 2, "VALID", jax.random.key(0))).ravel()
    assert set(drawn) == {1.0, 3.0}
    assert (drawn == 3.0).mean() == pytest.approx(0.75, abs=0.03)
    assert pool.stochastic_pool(-jnp.abs(maps), 2, 2, "VALID", jax.random.key(0)).item() == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("name", POOLS)
def test_gradients_by_finite_differences_in_float64(name):
    with jax.enable_x64(True):
        maps = jnp.asarray(draw((5, 4)), jnp.float64)
        check_grads(jax.jit(call(name, 3, 2, "SAME")), (maps,), order=1, modes=["rev"])


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_each_cell_of_a_maximum_gets_the_gradients_of_the_windows_it_is_largest_in(shape):
    (height, width), size, stride, padding = shape
    maps = np.random.default_rng(0).normal(size=(2, height, width, 3)).astype(np.float32)
    maps = np.round(maps, 1)  # so that some cells tie
    output, pull = jax.vjp(lambda x: pool.max_pool(x, size, stride, padding), maps)
    grads = np.random.default_rng(1).normal(size=output.shape).astype(np.float32)
    (top, _), (left, _) = pool.find_pads((height, width), size, stride, padding)
    expected = np.zeros_like(maps)
    for image, row, column, channel in np.ndindex(*output.shape):
        start = row * stride - top, column * stride - left
        ys, xs = (slice(max(begin, 0), max(begin + size, 0)) for begin in start)
        own = maps[image, ys, xs, channel]
        hit = own == own.max()
        expected[image, ys, xs, channel] += hit / hit.sum() * grads[image, row, column, channel]
    np.testing.assert_allclose(pull(grads)[0], expected, atol=1e-6)


@pytest.mark.parametrize("name", POOLS)
def test_gradients_are_finite_on_a_map_of_zeros(name):
    gradient = jax.grad(lambda x: call(name, 3, 2, "SAME")(x).sum())(jnp.zeros((1, 4, 4, 1)))
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("name", POOLS)
def test_refuses_to_leave_nothing(name):
    with pytest.raises(ValueError, match="3x3 pooling leaves nothing of a map of 2x2"):
        call(name, 3, 3, "VALID")(draw((2, 2)))


def test_pooling_shrinks_the_map():
    """Claim `pool-shrinks`: a quarter of the cells remain."""
    assert pool.max_pool(draw((8, 8)), 2, 2).shape == (2, 4, 4, 3)


def test_the_maximum_of_four_noisy_values_is_not_less_noisy_than_their_mean():
    """Claim `max-suppresses-noise`: mean 1.03, variance 0.49; the mean has 0 and 1/4."""
    noise = np.random.default_rng(0).normal(size=(1, 1000, 1000, 1)).astype(np.float32)
    largest, mean = (np.asarray(f(noise, 2, 2)) for f in (pool.max_pool, pool.avg_pool))
    assert largest.mean() == pytest.approx(1.03, abs=0.01)
    assert largest.var() == pytest.approx(0.49, abs=0.01)
    assert mean.var() == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("shape", SHAPES)
def test_decimation_keeps_one_cell_of_each_window_on_the_map(shape):
    size, window, stride, padding = SHAPES[shape]
    maps = draw(size) + 10
    found = pool.decimate(maps, window, stride, padding)
    (top, _), (left, _) = pool.find_pads(size, window, stride, padding)
    row, column = ((window - 1) // 2 - pad for pad in (top, left))
    np.testing.assert_array_equal(found, maps[:, row::stride, column::stride][
        :, : found.shape[1], : found.shape[2]])  # fmt: skip
    assert (np.asarray(found) != 0).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_polyphase_keeps_the_largest_of_the_maps_that_one_cell_of_each_window_makes(shape):
    size, window, stride, padding = SHAPES[shape]
    maps = draw(size)
    maps[1] = 0  # all are alike: the first is kept
    pads = pool.find_pads(size, window, stride, padding)
    rows, columns = pool.max_pool(maps, window, stride, padding).shape[1:3]
    padded = np.pad(maps, ((0, 0), *pads, (0, 0)))
    kept = [
        padded[:, row::stride, column::stride][:, :rows, :columns]
        for row, column in np.ndindex(window, window)
    ]
    squares = (np.stack(kept) ** 2).sum(axis=(2, 3, 4))
    expected = np.stack([kept[best][n] for n, best in enumerate(squares.argmax(axis=0))])
    np.testing.assert_array_equal(pool.polyphase(maps, window, stride, padding), expected)


def test_polyphase_of_a_map_that_is_shifted_round_is_shifted():
    maps = np.random.default_rng(0).normal(size=(3, 6, 9, 4)).astype(np.float32)
    once = np.asarray(pool.polyphase(maps, 3, 3))
    for shift in np.ndindex(6, 9):
        found = np.asarray(pool.polyphase(np.roll(maps, shift, axis=(1, 2)), 3, 3))
        for own, other in zip(found, once, strict=True):  # by as much as its own phase asks for
            turned = [np.roll(other, by, axis=(0, 1)) for by in np.ndindex(2, 3)]
            assert any(np.array_equal(own, one) for one in turned)


def test_windowed_poolings_are_those_with_windows():
    assert tuple(POOLS) == WINDOWED.among(KNOBS["pool"].choices)
