"""Slices of TPUs by name, and the compiler for them, which most machines lack."""

import math
import os
import re
import sys
import types

import pytest

from cnnjax.config import slices
from cnnjax.config.errors import ConfigError

GIB, GB = 2**30, 10**9


@pytest.mark.parametrize(
    ("name", "topology", "chips", "chip_bytes"),
    [
        ("v4-8", "v4:2x2x1", 4, 32 * GIB),  # counts TensorCores, as v5p and tpu7x do
        ("v5litepod-4", "v5e:2x2", 4, 16 * GB),
        ("v5e-4", "v5e:2x2", 4, 16 * GB),  # the same by its other name
        ("v5p-8", "v5p:2x2x1", 4, 95 * GIB),
        ("v6e-1", "v6e:1x1", 1, 32 * GB),
        ("v6e-8", "v6e:2x4", 8, 32 * GB),
        ("v6e-256", "v6e:16x16", 256, 32 * GB),
        ("tpu7x-2", "tpu7x:1x1x1", 1, 192 * GIB),
    ],
)
def test_a_name_says_chips_shape_and_memory(name, topology, chips, chip_bytes):
    assert slices.find_slice(name) == (name, topology, chips, chip_bytes)


def test_shapes_have_as_many_chips_as_are_said():
    for own in slices.SLICES.values():
        sides = re.findall(r"\d+", own.topology.partition(":")[2])
        assert math.prod(map(int, sides)) == own.chips, own


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("v6e-9", "did you mean v6e-8? There are v6e-1, v6e-4, v6e-8"),
        ("v6e-300", "did you mean v6e-256?"),
        ("v6e8", "did you mean v6e-8?"),
        ("V5P-8", "did you mean v5p-8?"),
        ("v5lite-4", "did you mean v5litepod-4?"),
        ("h100", "give a slice of TPUs, such as v6e-8 (of v4, v5litepod, v5e, v5p, v6e, tpu7x)"),
    ],
)
def test_a_wrong_name_gets_the_nearest(name, hint):
    with pytest.raises(ConfigError) as found:
        slices.find_slice(name)
    assert str(found.value).startswith(f"--accelerator={name} is not known: {hint}")


def test_without_the_compiler_the_way_to_it_is_said(monkeypatch):
    monkeypatch.setattr(slices, "is_compiler_installed", lambda: False)
    with pytest.raises(ConfigError, match=r"--tpu was not checked: .* not installed; .*\.\[tpu\]"):
        slices.require_compiler("--tpu")


def test_nobody_looks_for_hardware_even_where_jax_was_imported_before(monkeypatch):
    asked = {}
    config = types.SimpleNamespace(update=asked.__setitem__)
    monkeypatch.setitem(sys.modules, "jax", types.SimpleNamespace(config=config))
    for name in slices.SETTINGS:
        monkeypatch.setenv(name, "tpu")  # as a shell may have it
    slices.leave_hardware_alone()
    assert os.environ["JAX_PLATFORMS"] == "cpu" and os.environ["TPU_SKIP_MDS_QUERY"] == "1"
    assert asked == {"jax_platforms": "cpu"}


def test_several_may_compile_at_once():
    assert slices.SETTINGS["ALLOW_MULTIPLE_LIBTPU_LOAD"] == "1"
