"""What a person may have in the shell reaches no number: each setting works, or is one line."""

import json
import subprocess
import sys
import warnings

import jax
import pytest

from cnnjax.config.knobs import ConfigError
from cnnjax.sweep import backend

TINY = ("--widths=4", "--hidden=", "--train_examples=32", "--steps=4", "--eval_every=0")


@pytest.fixture
def restored(monkeypatch):
    """JAX's settings are as before the test, after it."""
    before = dict(jax.config.values)
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    with warnings.catch_warnings():
        yield
    for name, value in before.items():
        if jax.config.values[name] != value:
            jax.config.update(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("jax_enable_x64", True),
        ("jax_numpy_rank_promotion", "raise"),
        ("jax_default_matmul_precision", "bfloat16"),
        ("jax_default_prng_impl", "rbg"),
        ("jax_random_seed_offset", 7),
        ("jax_threefry_partitionable", False),
    ],
)
def test_what_redefines_arithmetic_or_draws_is_set_back(restored, name, value):
    jax.config.update(name, value)
    backend.configure_jax()
    found = jax.config.values[name]
    assert getattr(found, "value", found) == backend.PINNED[name]


@pytest.mark.parametrize(
    ("name", "value"),
    [("jax_disable_jit", True), ("jax_no_tracing", True), ("jax_transfer_guard", "disallow")],
)
def test_what_no_run_can_be_under_is_refused(restored, name, value):
    jax.config.update(name, value)
    with pytest.raises(ConfigError, match=f"{name.upper()}={value}: .* unset it"):
        backend.configure_jax()


@pytest.mark.parametrize("name", ["jax_debug_nans", "jax_log_compiles", "jax_enable_checks"])
def test_what_shows_more_of_a_run_is_left_on(restored, name):
    jax.config.update(name, True)
    backend.configure_jax()
    assert jax.config.values[name]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("XLA_FLAGS", "--xla_nonsense=1", "Unknown flag in XLA_FLAGS: --xla_nonsense=1"),
        pytest.param(
            "JAX_PLATFORMS", "nonsense", "Unable to initialize backend 'nonsense'",
            marks=pytest.mark.slow,
        ),
        ("JAX_PLATFORMS", "cuda", "unset it, or give cpu"),
        ("JAX_NUM_CPU_DEVICES", "x", "JAX does not start: "),
        ("JAX_ENABLE_X64", "maybe", "invalid truth value 'maybe'"),
        ("JAX_DISABLE_JIT", "1", "nothing can be trained so"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line(call, environment, monkeypatch, name, value, said):
    monkeypatch.setitem(environment, name, value)
    ended = call("-m", "experiments.train", "--plan", *TINY)
    assert ended.returncode == 2, ended.stderr
    (line,) = ended.stderr.splitlines()
    assert line.startswith("error: ") and said in line


def test_where_jax_was_used_before_its_devices_stay(environment):
    code = (
        "import jax; jax.devices()\n"
        "from cnnjax.sweep import backend; backend.configure_jax(); backend.configure_jax()\n"
        "assert jax.numpy.ones(2).sum() == 2 and jax.local_device_count() == 1"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "always", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert "JAX was used before: it keeps the devices that it has" in ran.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("compiled_as_for_users")
def test_a_shell_changes_neither_numbers_nor_addresses(call, environment, monkeypatch, tmp_path):
    found = []
    for number, shell in enumerate(
        (
            {},
            {
                "JAX_ENABLE_X64": "1", "JAX_DEFAULT_PRNG_IMPL": "rbg",
                "JAX_RANDOM_SEED_OFFSET": "7",
                "JAX_THREEFRY_PARTITIONABLE": "0", "JAX_NUMPY_DTYPE_PROMOTION": "strict",
                "JAX_NUMPY_RANK_PROMOTION": "raise", "JAX_DEFAULT_MATMUL_PRECISION": "bfloat16",
                "JAX_DEBUG_NANS": "1", "JAX_COMPILATION_CACHE_DIR": __file__,
                "XLA_FLAGS": f"--xla_dump_to={tmp_path / 'dump'}",
            },
        )
    ):  # fmt: skip
        for name, value in shell.items():
            monkeypatch.setitem(environment, name, value)
        workdir = tmp_path / str(number)
        ended = call("-m", "experiments.train", *TINY, f"--workdir={workdir}")
        assert ended.returncode == 0, ended.stderr
        result = json.loads((workdir / "result.json").read_text())
        found.append((result["test_loss"], result["provenance"]["origin"]))
    assert found[0] == found[1]
