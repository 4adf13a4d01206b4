"""Plug-ins of a test: files in a folder of its own, of which nothing is left after it."""

import os
import pathlib
import sys
from collections.abc import Collection, Iterator

import pytest

from cnnjax.config import plugins, register, rules, texts
from cnnjax.config.config import Config
from cnnjax.networks import cost
from cnnjax.study import metrics, own

GEM = '''"""A pooling with a learned exponent."""

import jax
import jax.numpy as jnp

import cnnjax
from beside import START


@cnnjax.pooling("gem")
def gem(maps, size, stride, padding="VALID", *, param):
    """The generalised mean of each window (Radenovic et al. 2019)."""
    from cnnjax.ops.pool import avg_pool

    power = jnp.asarray(param("power", jax.nn.initializers.constant(START), ()), maps.dtype)
    return avg_pool(jnp.maximum(maps, 1e-3) ** power, size, stride, padding) ** (1 / power)
'''
SQUEEZE = '''"""A network with a knob of its own."""

from flax import linen as nn

import cnnjax


@cnnjax.family
class Squeeze:
    """Squeeze and excitation."""

    se_ratio: int = cnnjax.structure(4, "Reduction of the channels.", low=1)


class Net(nn.Module):
    num_classes: int
    ratio: int

    @nn.compact
    def __call__(self, images, train):
        maps = nn.relu(nn.Conv(8, (3, 3))(images))
        units = nn.relu(nn.Dense(max(8 // self.ratio, 1))(maps.mean(axis=(1, 2))))
        maps = maps * nn.sigmoid(nn.Dense(8)(units))[:, None, None]
        return nn.Dense(self.num_classes)(maps.mean(axis=(1, 2)))


@cnnjax.model("squeeze", reads=())
def squeeze(config, num_classes):
    """A convolution whose maps are weighted by channel (Hu et al. 2018)."""
    return Net(num_classes, config.of(Squeeze).se_ratio)
'''
EVERY = '''"""One of each kind."""

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

import cnnjax


@cnnjax.activation("bent", pieces=1)
def bent(units):
    """Bent."""
    return jnp.where(units > 0, units, 0.3 * units)


class Rms(nn.Module):
    @nn.compact
    def __call__(self, units):
        scale = self.param("scale", nn.initializers.ones, units.shape[-1:])
        mean = (units * units).mean(axis=-1, keepdims=True)
        row = scale.reshape((1,) * (units.ndim - 1) + (-1,))
        return units * jax.lax.rsqrt(mean + 1e-6) * row


@cnnjax.choice("norm", "rms")
def rms(config, units, train, name):
    """Root mean square."""
    return Rms(name=name)(units)


@cnnjax.choice("init", "small")
def small(key, shape, dtype=jnp.float32):
    """Small."""
    return 0.1 * jax.random.normal(key, shape, dtype)


@cnnjax.choice("optimizer", "signs", averages=0)
def signs(numbers, schedule, kernels):
    """The sign."""
    return optax.chain(optax.scale_by_sign(), optax.scale_by_learning_rate(schedule))


@cnnjax.choice("schedule", "linear")
def linear(steps):
    """In a line."""
    return optax.linear_schedule(1.0, 0.0, steps)


@cnnjax.choice("augment", "dim")
def dim(key, images):
    """Darker."""
    return images * jax.random.uniform(key, (images.shape[0], 1, 1, 1), minval=0.5, maxval=1.0)


@cnnjax.choice("corruption", "fog", strengths=(0.0, 0.5, 1.0), unit="share")
def fog(key, images, strength, way, pixels):
    """Brighter."""
    return images + strength * (pixels.high - images)


@cnnjax.measure("sharpness")
def sharpness(model, params, stats, observed, key):
    """Mean of the greatest logit."""
    return {"sharpness": observed.logits.max(axis=-1).mean()}
'''
SCHEDULE = '''
import cnnjax

@cnnjax.choice("schedule", "half")
def half(steps):
    """Half of the rate."""
    return lambda step: HALF
'''
METRIC = '''
import cnnjax

@cnnjax.metric("hits", margin=0.02, share=True, label="hits of all")
def find_hits(logits, labels):
    """How often it is right."""
    return (logits.argmax(axis=-1) == labels).mean()
'''
assert metrics  # imported before a test: what it declares is kept behind one
FILES = {
    "gem_outside.py": GEM,
    "beside.py": "START = 3.0\n",
    "squeeze_outside.py": SQUEEZE,
    "every_outside.py": EVERY,
}


def write(folder: pathlib.Path, **others: str) -> dict[str, str]:
    """The files above in a folder, and others by stem; their paths by stem."""
    for name, text in {**FILES, **{f"{stem}.py": text for stem, text in others.items()}}.items():
        (folder / name).write_text(text)
    return {path.stem: str(path) for path in folder.glob("*.py")}


@pytest.fixture
def outside(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The paths of the files above by stem; what is loaded of them is forgotten after the test."""
    for knob, known in register.CHOICES.items():
        monkeypatch.setitem(register.CHOICES, knob, dict(known))
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delenv(plugins.VARIABLE, raising=False)
    for name in ("STUDIES", "STATEMENTS", "ORDERS"):
        monkeypatch.setattr(own, name, {})
    modules = set(sys.modules)
    folder = tmp_path / "outside"
    folder.mkdir()
    yield write(folder)
    forget(modules)


def forget(modules: Collection[str]) -> None:
    """Forgets what is loaded from outside, and all that is imported from there but `modules`."""
    for known in register.CHOICES.values():
        for name in [name for name, made in known.items() if made.source]:
            del known[name]
    for name in [name for name, knob in rules.KNOBS.items() if knob.source]:
        del rules.KNOBS[name]
        delattr(Config, name)
    rules.OWN.clear()
    plugins.LOADED.clear()
    texts.READ.clear()
    os.environ.pop(plugins.VARIABLE, None)
    for name in set(sys.modules) - set(modules):
        if "/outside/" in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]
    cost.forget()
