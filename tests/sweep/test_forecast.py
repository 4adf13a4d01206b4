"""What groups would take of a slice: waves that fit, bounds of time, the bill.

No compiler of TPUs is needed but for the last test: this machine's own stands in for it.
"""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from cnnjax.config import slices
from cnnjax.config.config import Config, structure_of
from cnnjax.config.datasets import Where
from cnnjax.config.slices import Slice
from cnnjax.data import outlook
from cnnjax.study.bill import Forecast, Wave
from cnnjax.study.timing import Group
from cnnjax.sweep import aot, forecast, placement
from cnnjax.training import program

OPTAX = True  # see conftest.py
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
MIB = 2**20
CHIPS = Slice("v0-2", "v0:2x1", 2, 64 * MIB)


BITCAST = ' custom-call(b), custom_call_target="ConcatBitcast"\n'


@pytest.mark.parametrize(
    ("text", "said", "seconds"),
    [
        ("a = f32[] add(b, c)", 0.25, 0.25),
        ("a =" + 2 * BITCAST, -1.75, 0.25),  # a second too small for each
        ("a = f32[] while(b), condition=c", 0.25, None),  # of loops it knows nothing
        ("a", -0.25, None),
        ("a", None, None),
        ("a", 3e9, None),
    ],
)
def test_a_bound_is_corrected_or_none(text, said, seconds):
    assert forecast.read_bound(text, said) == seconds


@pytest.mark.parametrize(
    ("error", "taken"),
    [
        ("RESOURCE_EXHAUSTED: Ran out of memory in memory space hbm. Used 29.50G of 15.75G hbm.",
         int(29.5 * 2**30)),
        ("RESOURCE_EXHAUSTED: Ran out of memory on HBM, the total memory required for HLO"
         " temporaries (26.50G) exceeds available HBM (15.75G).", int(26.5 * 2**30)),
        ("RESOURCE_EXHAUSTED: Used 512.0M of 15.75G hbm", 512 * MIB),
        ("RESOURCE_EXHAUSTED: no more", 0),
    ],
)  # fmt: skip
def test_what_the_compiler_says_of_a_program_that_is_too_large_is_read(error, taken):
    assert forecast.read_used(error) == taken


@pytest.fixture(scope="module")
def dataset(data_dir, digits):
    return outlook.make_blank(Config(), Where(os.fspath(data_dir)), 2**30)


def test_blank_data_are_as_the_true_ones_and_take_no_memory(dataset, digits, data_dir):
    for own in ("train", "validation", "test"):
        blank, true = getattr(dataset, own), getattr(digits, own)
        assert blank.images.shape == true.images.shape and blank.images.strides == (0, 0, 0, 0)
        assert blank.images.dtype == true.images.dtype
        assert len(blank.labels) == len(true.labels)
    assert dataset.num_classes == digits.num_classes
    others = digits.validation.images.nbytes + digits.test.images.nbytes
    small = outlook.make_blank(Config(), Where(os.fspath(data_dir)), others)
    assert small.feed == "stream" and small.num_train == digits.num_train


def test_data_that_are_not_prepared_are_none(tmp_path):
    found = outlook.make_blank(Config(), Where(str(tmp_path)), 2**30)
    assert found.image_shape == (8, 8, 1) and found.num_train == 0
    assert not os.listdir(tmp_path)


def foresee(dataset, num_lanes: int, memory: int, **knobs) -> Forecast:
    """Of lanes of the small network, on this machine's two devices as if they were chips."""
    small = {"widths": (4, 4), "hidden": (8,), "train_examples": 48, "batch_size": 16, "steps": 6}
    structure = structure_of(Config(**{**small, **knobs}))
    group = Group(structure, 1000, num_lanes)
    chips = CHIPS._replace(chip_bytes=memory)
    return forecast.foresee_group(group, dataset, chips, jax.local_devices()[:2])


def test_what_fits_is_compiled_as_it_is(dataset):
    found = foresee(dataset, 6, 2**30)
    assert [wave.lanes for wave in found.waves] == [6] and found.fits and found.least == 2
    (wave,) = found.waves
    assert 0 < wave.device_bytes < 2**30 and wave.seconds > 0 and not wave.collectives
    assert found.step_seconds is None  # this machine's compiler does not say


def test_what_is_too_large_is_halved_until_it_fits(dataset, monkeypatch):
    """The wave that is compiled takes so many bytes a lane; 0.8 of a device may be taken."""
    asked = []

    def compile_wave(structure, size, data, mesh):
        asked.append(size)
        return Wave(size, size * MIB)

    monkeypatch.setattr(forecast, "_compile_wave", compile_wave)
    found = foresee(dataset, 16, 10 * MIB)
    assert asked == [16, 8] and found.fits
    assert [wave.lanes for wave in found.waves] == [16, 8]


def test_the_smallest_wave_may_take_all_there_is(dataset, monkeypatch):
    taken = {2: 9, 8: 40, 4: 20}
    monkeypatch.setattr(
        forecast, "_compile_wave", lambda structure, size, *_: Wave(size, taken[size] * MIB)
    )
    assert foresee(dataset, 8, 10 * MIB).fits
    found = foresee(dataset, 8, 9 * MIB - 1)
    assert not found.fits and [wave.lanes for wave in found.waves] == [8, 4, 2]


def test_where_no_lanes_in_step_fit_lanes_in_turn_are_tried(dataset, monkeypatch):
    def compile_wave(structure, size, data, mesh):
        in_turn = structure.lanes_strategy == "map"
        return Wave(size, (1 if in_turn else 100) * MIB)

    monkeypatch.setattr(forecast, "_compile_wave", compile_wave)
    found = foresee(dataset, 8, 10 * MIB, lanes_strategy="vmap")
    assert not found.fits and found.in_turn is not None and found.in_turn.device_bytes == MIB
    assert foresee(dataset, 8, 10 * MIB, lanes_strategy="map").fits


def test_a_program_that_the_compiler_refuses_for_its_size_is_too_large(dataset, monkeypatch):
    def refuse(*_):
        raise RuntimeError("RESOURCE_EXHAUSTED: Used 29.50G of 15.75G hbm")

    monkeypatch.setattr(forecast.group, "compile_group", refuse)
    found = foresee(dataset, 4, 2**30)
    assert not found.fits and found.waves[-1].device_bytes == int(29.5 * 2**30)


def test_any_other_refusal_ends_no_plan(dataset, monkeypatch, data_dir):
    def refuse(*_):
        raise ValueError("no such\nlayout")

    monkeypatch.setattr(forecast.group, "compile_group", refuse)
    monkeypatch.setattr(aot, "find_devices", lambda topology: jax.local_devices())
    heard = []
    groups = [Group(structure_of(Config()), 1, 2)]
    (found,) = forecast.foresee(groups, Where(os.fspath(data_dir)), CHIPS, heard.append)
    assert found.error == "no such layout" and not found.fits
    assert heard and heard[-1].startswith("group 1 of 1 tried for v0-2 in")


def test_waves_are_cut_as_training_cuts_them(dataset, digits, monkeypatch):
    """By the same memory, of which a wave's states take more than there is."""
    structure = structure_of(Config(hidden=(512,), steps=4))
    monkeypatch.setattr(placement, "memory_budget", lambda: int(0.8 * 20 * MIB))
    asked = []
    monkeypatch.setattr(
        forecast, "_compile_wave", lambda own, size, *_: asked.append(size) or Wave(size, 1)
    )
    mesh = placement.make_mesh(50)
    spec = program.DataSpec(digits.image_shape, digits.num_classes, 300, mean=0.0, std=1.0)
    expected = placement.fit_wave(structure, 50, spec, mesh)
    assert expected < 50
    chips = CHIPS._replace(chip_bytes=20 * MIB)
    forecast.foresee_group(Group(structure, 1, 50), dataset, chips, jax.local_devices()[:2])
    assert asked == [-(-expected // 2) * 2]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_step_is_the_body_of_the_loop_and_has_none(streamed):
    """Not the order of batches, which is made once for many steps."""
    structure = structure_of(Config(widths=(4,), hidden=(8,), batch_size=16))
    mean, std = np.float32(0), np.float32(1)
    spec = program.DataSpec((8, 8, 1), 10, 300, mean, std, streamed=streamed)
    mesh = aot.make_mesh(jax.local_devices()[:1])
    data = aot.describe_data(spec, [(1, 8), (1, 8)], mesh)
    asked = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forecast, "read_bound", lambda text, said: asked.append(text))
        forecast.bound_step(structure, data, jax.local_devices()[0])
    assert " while(" not in asked[0] and " sort(" not in asked[0]
    assert "convolution(" in asked[0] or "dot(" in asked[0]


@pytest.mark.slow
@pytest.mark.skipif(not slices.is_compiler_installed(), reason="needs the extra tpu")
def test_a_grid_is_compiled_for_a_slice_that_is_not_there(environment):
    knobs = ["--model=logistic", "--train_examples=48", "--batch_size=16", "--steps=6"]
    run = subprocess.run(
        [sys.executable, "-m", "experiments.ablate", "--grid=learning_rate=0.1,0.2", "--seeds=3",
         "--plan", "--accelerator=v6e-4", "--price_per_hour=10.8", *knobs],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    shown = " ".join(run.stdout.split())
    assert "compiled for v6e-4 (v6e:2x2, 4 chips of 29.8 GiB), with no TPU" in shown
    assert "all 6 128 " in shown and " none " in shown  # chunks of 32 on four chips
    assert shown.count("≥") == 2 and "training takes v6e-4 at least" in shown
    assert "bill: " in shown and "group 1 of 1 tried for v6e-4" in run.stderr
