"""Every test runs with two CPU devices and JAX's strict rules for ranks and dtypes.

Optax mixes integers and floats, so a module that calls it says so by `OPTAX = True` and keeps to
the strict rule for ranks.
"""

import importlib.metadata
import os
import pathlib
import subprocess
import sys

# Tests compile far more than they run: this halves their time. See `compiled_as_for_users`.
# XLA ends the process at a flag it does not know, and newer ones do not know the second.
os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0" + (
    " --xla_cpu_use_fusion_emitters=false"
    if importlib.metadata.version("jaxlib").startswith("0.10.")
    else ""
)

import jax
import pytest

from cnnjax import group
from cnnjax.config import Config
from cnnjax.data import load

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="session", autouse=True)
def compilation_cache(tmp_path_factory):
    """What one test compiled, the next one need not."""
    jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("xla")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


@pytest.fixture
def compiled_as_for_users(monkeypatch):
    """A group's programs are compiled as outside of tests: for those that compare bits."""
    unusual = "xla_cpu_use_fusion_emitters" in os.environ["XLA_FLAGS"]
    usual = {"xla_cpu_use_fusion_emitters": True} if unusual else {}
    monkeypatch.setattr(group, "CPU_COMPILER_OPTIONS", {**group.CPU_COMPILER_OPTIONS, **usual})


@pytest.fixture(autouse=True)
def strict_dtypes(request):
    rule = "standard" if getattr(request.module, "OPTAX", False) else "strict"
    with jax.numpy_dtype_promotion(rule):
        yield


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory) -> pathlib.Path:
    """A folder in which the digits are prepared once for all tests."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def digits(data_dir) -> load.Dataset:
    return load.load_dataset("digits", data_dir)


@pytest.fixture
def tiny() -> Config:
    """A run of a second or less."""
    return Config(
        widths=(4, 4), hidden=(8,), train_examples=48, batch_size=16, steps=6, eval_every=3
    )


@pytest.fixture(scope="session")
def environment(tmp_path_factory, data_dir, digits):
    """The environment of a newcomer whose caches are elsewhere, with the digits prepared."""
    cache = tmp_path_factory.mktemp("cache")
    (cache / "cnnjax").mkdir()
    (cache / "cnnjax" / "data").symlink_to(data_dir)
    keep = {
        name: value for name, value in os.environ.items() if not name.startswith(("JAX", "XLA"))
    }
    return {**keep, "XDG_CACHE_HOME": str(cache), "COLUMNS": "100"}


@pytest.fixture
def call(environment):
    def call(*arguments, timeout=120):
        return subprocess.run(
            [sys.executable, *map(str, arguments)], cwd=pathlib.Path(__file__).parents[1],
            env=environment, capture_output=True, text=True, timeout=timeout,
        )  # fmt: skip

    return call
