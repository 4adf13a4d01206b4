"""Formulas: activation, softmax, stride, gradient descent on a quadratic, noise of a pooling."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from scipy import integrate, stats

from cnnjax.networks import models
from cnnjax.ops import activation, conv, pool
from cnnjax.training import optimizers
from experiments.checks import Outcome, decide


def check_relu_formula() -> Outcome:
    """Our ReLU on every number of 16 bits, and on one in 65,536 of float32's."""
    halves = np.arange(2**16, dtype=np.uint16)
    total = right = flushed = 0
    for dtype, bits in (
        (jnp.bfloat16, halves),
        (jnp.float16, halves),
        (jnp.float32, halves.astype(np.uint32) * 65_537),
    ):
        x = bits.view(dtype)
        with np.errstate(invalid="ignore"):
            x = x[~np.isnan(x)]
        found = np.asarray(activation.relu(jnp.asarray(x)))
        expected = np.where(x > 0, x, np.zeros_like(x))
        # A device may take numbers below the smallest normal one for 0, before any arithmetic.
        lost = (np.abs(x) < jnp.finfo(dtype).tiny) & (found == 0) & (expected != 0)
        flushed += int(lost.sum())
        right += int((found == expected)[~lost].sum())
        total += int((~lost).sum())
    return decide(
        right == total,
        f"true of {right:,} of {total:,} numbers: all of bfloat16 and float16, the infinities among"
        f" them, and as many bit patterns of float32; {flushed} subnormal ones this device takes"
        " for 0",
    )


def check_fc_probabilities() -> Outcome:
    """Sums of the softmax of logits, ordinary and as large as float32 goes."""
    rng = np.random.default_rng(0)
    sums, least = [], []
    for num_classes in (2, 10, 1000):
        for scale in (0.0, 1.0, 100.0, 1e4, 1e30, 3e38):
            logits = np.clip(rng.normal(size=(500, num_classes)), -1, 1) * scale
            found = np.asarray(models.probabilities(jnp.asarray(logits, jnp.float32)), np.float64)
            sums.append(found.sum(axis=1))
            least.append(found.min())
    sums = np.concatenate(sums)
    right = int((np.abs(sums - 1) < 1e-5).sum())  # NaN would not be
    return decide(
        right == len(sums) and min(least) >= 0,
        f"the sum is one in {right:,} of {len(sums):,} rows of 2 to 1,000 logits up to 3e38"
        f" (largest error {np.abs(sums - 1).max():.0e}) and the least probability {min(least):.0f};"
        " whether they are calibrated is an experiment",
    )


def check_learning_rate() -> Outcome:
    """Plain gradient descent, our own, on random quadratics below and above the bound."""
    shares = np.array([0.5, 0.9, 0.99, 0.999, 1.001, 1.01, 1.1, 2.0])  # of 2 / largest eigenvalue
    rng = np.random.default_rng(0)
    curvatures, starts, rates = [], [], []
    for _ in range(20):
        axes = np.linalg.qr(rng.normal(size=(5, 5)))[0]
        eigenvalues = rng.uniform(0.5, 10.0, 5)
        for share in shares:
            curvatures.append(axes * eigenvalues @ axes.T)
            starts.append(axes.sum(axis=1))  # 1 along each axis
            rates.append(share * 2 / eigenvalues.max())

    def descend(curvature: jax.Array, start: jax.Array, rate: jax.Array) -> jax.Array:
        numbers = {"learning_rate": rate, "weight_decay": jnp.zeros((), rate.dtype)}
        optimizer = optimizers.sgd(numbers, lambda step: rate, optimizers.make_mask(()))

        def step(carry: tuple, _: None) -> tuple:
            x, state = carry
            updates, state = optimizer.update(curvature @ x, state, x)
            return (x + updates, state), None

        (x, _), _ = jax.lax.scan(step, (start, optimizer.init(start)), None, 10_000)
        return jnp.linalg.norm(x)

    with jax.enable_x64(True):
        arrays = (jnp.asarray(values, jnp.float64) for values in (curvatures, starts, rates))
        norms = np.asarray(jax.jit(jax.vmap(descend))(*arrays)).reshape(20, -1)
    converged, diverged = norms < 1e-3, ~(norms < 1e3)  # from sqrt(5); NaN is beyond infinity
    below = shares < 1
    return decide(
        bool(converged[:, below].all() and diverged[:, ~below].all()),
        f"on {len(norms)} quadratics gradient descent converges in {converged[:, below].sum()} of"
        f" {converged[:, below].size} runs at 0.5 to 0.999 times 2 / largest eigenvalue, and"
        f" diverges in {diverged[:, ~below].sum()} of {diverged[:, ~below].size} at 1.001 to 2"
        " times it; networks are an experiment",
    )


def check_stride() -> Outcome:
    """Our convolution of stride s against every s-th cell of that of stride 1, in both sizes."""
    rng = np.random.default_rng(0)
    tried = same = fewer = 0
    for side, kernel, stride, padding in itertools.product(
        (5, 8, 12), (1, 2, 3, 5), (2, 3), ("VALID", "HALF", "FULL")
    ):
        maps = jnp.asarray(rng.normal(size=(2, side, side, 3)), jnp.float32)
        weights = jnp.asarray(rng.normal(size=(kernel, kernel, 3, 4)), jnp.float32)
        whole, strided = (
            conv.conv2d(maps, weights, by, padding, platform="cpu") for by in (1, stride)
        )
        kept = whole[:, ::stride, ::stride]
        tried += 1
        same += kept.shape == strided.shape and bool(jnp.allclose(kept, strided, atol=1e-4))
        fewer += strided.shape[1:3] == tuple(-(-size // stride) for size in whole.shape[1:3])
    return decide(
        same == fewer == tried,
        f"a convolution of stride s is one of stride 1 of which every s-th cell is kept in {same}"
        f" of {tried} cases, and its map has a side of 1/s, rounded up, in {fewer}; what that costs"
        " in accuracy is an experiment",
    )


def check_max_suppresses_noise() -> Outcome:
    """Mean and variance of the maximum and the mean of four independent N(0, 1) values."""

    def moment(power: int) -> float:
        return integrate.quad(
            lambda x: x**power * 4 * stats.norm.pdf(x) * stats.norm.cdf(x) ** 3, -12, 12
        )[0]

    mean, variance = moment(1), moment(2) - moment(1) ** 2
    noise = jnp.asarray(np.random.default_rng(0).normal(size=(1, 1000, 1000, 1)), jnp.float32)
    largest, average = (np.asarray(f(noise, 2, 2)) for f in (pool.max_pool, pool.avg_pool))
    suppresses_more = variance < 1 / 4 and largest.var() < average.var()
    return decide(
        bool(suppresses_more),
        f"in Gaussian noise, of four independent N(0, 1) values the mean has variance 1/4,"
        f" the maximum mean {mean:.2f} and variance {variance:.2f}; our poolings of"
        f" {largest.size:,} windows of it have variance {average.var():.2f} (average), mean"
        f" {largest.mean():.2f} and variance {largest.var():.2f} (maximum); other noise is an"
        " experiment",
    )
