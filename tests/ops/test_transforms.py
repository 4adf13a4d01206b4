"""Every operation gives the same under jit, vmap, scan and shard_map, and nearly so in bfloat16."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType, PartitionSpec
from jax.test_util import check_grads

from cnnjax.config import register
from cnnjax.data import augment
from cnnjax.networks import norms
from cnnjax.ops import conv, padding, pool
from tests import here


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def as_type_of(x, array):
    return jnp.asarray(array, x.dtype)


KERNEL, DEPTHWISE = draw(3, 3, 4, 6, seed=1), draw(3, 3, 1, 4, seed=1)
LEARNED = {"blend": jnp.float32(-0.8), "coefficient": draw(4), "bias": draw(4, seed=2)}
LEARNS = {"param": lambda name, init, shape: jnp.asarray(LEARNED[name])}
EXTRA = {
    "mixed": LEARNS, "stochastic": {"key": None}, "subsample": LEARNS,
    **dict.fromkeys(("blur2", "blur", "blur5"), {"platform": here.PLATFORM}),
}  # fmt: skip
POOLS = [name for name in register.names("pool") if pool.find(name).traits["windows"]]
OPS = {
    "conv": lambda x: here.conv2d(x, as_type_of(x, KERNEL)),
    "strided": lambda x: here.conv2d(x, as_type_of(x, KERNEL), 2, "FULL"),
    "dilated": lambda x: here.conv2d(x, as_type_of(x, KERNEL), dilation=2),
    "grouped": lambda x: here.conv2d(x, as_type_of(x, KERNEL[:, :, :2]), groups=2),
    "depthwise": lambda x: here.conv2d(x, as_type_of(x, DEPTHWISE), groups=4),
    "partial": lambda x: here.conv2d(x, as_type_of(x, KERNEL), 2, fill="partial"),
    "unshared": lambda x: conv.local2d(x, as_type_of(x, draw(6, 6, 36, 5)), (3, 3)),
    **{f"fill {name}": lambda x, name=name: padding.fill_border(x, [(1, 2), (2, 1)], name)
       for name in padding.FILLS},
    **{f"pool {name}": lambda x, name=name: pool.find(name).make(
        x, 3, 2, "SAME", **EXTRA.get(name, {})) for name in POOLS},
    **{name: register.find("activation", name).make for name in register.names("activation")},
    "response": norms.respond,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", OPS)
def test_same_under_every_transformation(name):
    once, stack = OPS[name], draw(2, 2, 6, 6, 4)
    direct = np.stack([once(jnp.asarray(each)) for each in stack])
    mesh = jax.make_mesh((2,), ("run",), axis_types=(AxisType.Auto,))
    spec = PartitionSpec("run")
    others = {
        "jit": jax.jit(lambda x: jnp.stack([once(each) for each in x])),
        "scan": lambda x: lax.scan(lambda carry, each: (carry, once(each)), 0, x)[1],
        "map": lambda x: lax.map(once, x),
        "vmap": jax.vmap(once),
        "shard_map": jax.jit(
            jax.shard_map(
                lambda x: lax.map(once, x), mesh=mesh, in_specs=spec, out_specs=spec,
                check_vma=False,
            )
        ),
    }  # fmt: skip
    for transformation, function in others.items():
        np.testing.assert_allclose(
            function(jnp.asarray(stack)), direct, atol=2e-5, err_msg=transformation
        )


@pytest.mark.parametrize("name", OPS)
def test_bfloat16_is_close(name):
    maps = draw(2, 6, 6, 4)
    full = np.asarray(OPS[name](jnp.asarray(maps)))
    half = OPS[name](jnp.asarray(maps, jnp.bfloat16))
    assert half.dtype == jnp.bfloat16
    error = np.linalg.norm(np.asarray(half, np.float32) - full) / np.linalg.norm(full)
    assert error < 0.02  # 8 bits of mantissa: each rounding is off by up to 1/256


def by_form(form):
    return lambda x: here.conv2d(x, as_type_of(x, KERNEL), form=form)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*OPS, "winograd2", "winograd4"])
def test_gradients_by_finite_differences_in_float64(name):
    once = OPS.get(name) or by_form(name)
    with jax.enable_x64(True):
        maps = jnp.asarray(draw(1, 6, 6, 4), jnp.float64)
        check_grads(jax.jit(once), (maps,), order=1, modes=["rev"])


AUGMENTATIONS = {
    "flip": augment.flip,
    "shift": lambda key, x: augment.shift(key, x, 2),
    "resample": lambda key, x: augment.resample(key, x, 20.0, 0.5),
    "jitter": lambda key, x: augment.jitter(key, x, 0.3),
    "noise": lambda key, x: augment.noise(key, x, 1.0),
    "cutout": lambda key, x: augment.cutout(key, x, 3, 0.0),
}


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentation_is_a_function_of_its_key(name):
    maps, keys = jnp.asarray(draw(3, 6, 6, 3)), jax.random.split(jax.random.key(0), 2)
    direct = jnp.stack([AUGMENTATIONS[name](key, maps) for key in keys])
    mapped = jax.jit(lambda keys: lax.map(lambda key: AUGMENTATIONS[name](key, maps), keys))(keys)
    np.testing.assert_allclose(mapped, direct, atol=2e-5)
    assert not np.allclose(direct[0], direct[1])
