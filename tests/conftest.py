"""Every test runs with two CPU devices and JAX's strict rules for ranks and dtypes.

Optax mixes integers and floats, so a module that calls it says so by `OPTAX = True` and keeps to
the strict rule for ranks.
"""

import gc
import importlib.metadata
import os
import pathlib
import socket
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

from cnnjax.config.config import Config
from cnnjax.config.datasets import Where
from cnnjax.data import load
from cnnjax.data.dataset import Dataset
from cnnjax.sweep import group
from tests.mistaken import say as say
from tests.outside import outside as outside

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_rank_promotion", "raise")


OPTIONS = group.CPU_COMPILER_OPTIONS
LOOPBACK = ("127.0.0.1", "::1", "localhost")
STATM, PAGE = pathlib.Path("/proc/self/statm"), os.sysconf("SC_PAGE_SIZE")
ENOUGH = 2**30  # bytes in memory
CLOSED = pathlib.Path(__file__).with_name("closed")  # sitecustomize.py for what tests start
DEAD_END = "http://127.0.0.1:9"  # a proxy at which nobody listens


@pytest.fixture(scope="session", autouse=True)
def no_network():
    """A test, or a process that it starts, that asks for anything off the loopback fails."""
    connect = socket.socket.connect

    def connect_nearby(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOOPBACK:
            pytest.fail(f"a test asked for {address}, which is not on the loopback", pytrace=True)
        return connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect_nearby)
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            patch.setenv(name, DEAD_END)
        for name in ("no_proxy", "NO_PROXY"):
            patch.setenv(name, ",".join(LOOPBACK))
        yield


@pytest.fixture(scope="session", autouse=True)
def compilation_cache(tmp_path_factory) -> pathlib.Path:
    """What one test compiled, the next one need not, in whichever process."""
    session = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        session = session.parent
    folder = session / "xla"
    folder.mkdir(exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    return folder


@pytest.fixture(scope="module", autouse=True)
def compiled_programs_are_let_go():
    """Without it a process holds 4 GB in the end: each program takes a megabyte."""
    yield
    if not STATM.exists() or int(STATM.read_text().split()[1]) * PAGE > ENOUGH:
        jax.clear_caches()
        gc.collect()


@pytest.fixture(scope="session", autouse=True)
def compiled_in_haste():
    """A group's programs are compiled by XLA_FLAGS alone, in half the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group, "CPU_COMPILER_OPTIONS", {})
        yield


@pytest.fixture(scope="module")
def compiled_with_care():
    """A group's programs are compiled by its own options too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group, "CPU_COMPILER_OPTIONS", OPTIONS)
        yield


@pytest.fixture
def compiled_as_for_users(environment, monkeypatch):
    """A group's programs are compiled as outside of tests: for those that compare bits."""
    unusual = "xla_cpu_use_fusion_emitters" in os.environ["XLA_FLAGS"]
    usual = {"xla_cpu_use_fusion_emitters": True} if unusual else {}
    monkeypatch.setattr(group, "CPU_COMPILER_OPTIONS", {**OPTIONS, **usual})
    monkeypatch.delitem(environment, "XLA_FLAGS")


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
def digits(data_dir) -> Dataset:
    return load.load_dataset(Config(), Where(os.fspath(data_dir)))


@pytest.fixture
def tiny() -> Config:
    """A run of a second or less."""
    return Config(
        widths=(4, 4), hidden=(8,), train_examples=48, batch_size=16, steps=6, eval_every=3
    )


@pytest.fixture(scope="session")
def environment(tmp_path_factory, data_dir, digits, compilation_cache) -> dict[str, str]:
    """The environment of a newcomer whose caches are elsewhere, with the digits prepared.

    But for how programs are compiled, see `compiled_as_for_users`.
    """
    cache = tmp_path_factory.mktemp("cache")
    (cache / "cnnjax").mkdir()
    (cache / "cnnjax" / "data").symlink_to(data_dir)
    (cache / "cnnjax" / "xla").symlink_to(compilation_cache)
    keep = {name: value for name, value in os.environ.items() if not name.startswith("JAX")}
    paths = [str(CLOSED), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**keep, "XDG_CACHE_HOME": str(cache), "COLUMNS": "100",
            "PYTHONPATH": os.pathsep.join(paths)}  # fmt: skip


@pytest.fixture
def call(environment):
    def call(*arguments, timeout=120):
        return subprocess.run(
            [sys.executable, *map(str, arguments)], cwd=pathlib.Path(__file__).parents[1],
            env=environment, capture_output=True, text=True, timeout=timeout,
        )  # fmt: skip

    return call
