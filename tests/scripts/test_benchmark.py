"""The benchmark, through its real command line."""

import json
import os

import pytest

from cnnjax.config.config import Config
from cnnjax.networks import cost
from experiments import script
from experiments.benchmark import accelerator, convert, scaling, throughput

BENCHMARK = ["-m", "experiments.benchmark"]
SMALL = ["--widths=4", "--hidden=8", "--train_examples=48", "--steps=6", "--pool_every=1"]


@pytest.mark.slow
def test_benchmark_writes_its_ratios_for_each_batch_size(call, tmp_path):
    run = call(*BENCHMARK, *SMALL, "--opponents=flax", "--batch_sizes=8,16", "--lanes=2",
               "--rounds=3", f"--json={tmp_path / 'ratios.json'}")  # fmt: skip
    assert run.returncode == 0, run.stderr
    rows = json.loads((tmp_path / "ratios.json").read_text())
    assert [(row["batch_size"], row["lanes"], row["opponent"]) for row in rows] == [
        (8, 2, "flax loop"), (16, 2, "flax loop")
    ]  # fmt: skip
    assert all(0 < row["ratio_low"] <= row["ratio"] <= row["ratio_high"] for row in rows)
    assert run.stdout.count("flax loop") == 2 and "GFLOP/s" in run.stdout


@pytest.mark.slow
def test_profile_times_each_layer_and_draws_the_roofline(call, tmp_path):
    run = call(*BENCHMARK, *SMALL, "--profile", f"--roofline={tmp_path / 'roofline.svg'}")
    assert run.returncode == 0, run.stderr
    layers = ("conv_1", "pool_1", "head/dense_1", "head/logits", "the rest", "whole step")
    assert all(f"\n {layer} " in run.stdout for layer in layers)
    picture = (tmp_path / "roofline.svg").read_text()
    assert picture.startswith("<svg") and "conv_1" in picture


@pytest.mark.slow
def test_the_peak_of_memory_is_said_before_and_after_each_sweep(call):
    run = call("-m", "experiments.benchmark.memory", "--groups=1", "--images=256")
    assert run.returncode == 0, run.stderr
    lines = [line.split(": ") for line in run.stdout.splitlines()]
    assert [name for name, _ in lines] == ["before", "one group", "1 groups"]
    before, one, every = (int(text.removesuffix(" MiB").replace(",", "")) for _, text in lines)
    assert 50 < before <= one <= every


@pytest.mark.slow
def test_the_input_pipeline_is_measured_beside_random_images(call):
    run = call("-m", "experiments.benchmark.input_pipeline", *SMALL, "--eval_every=0", "--rounds=1")
    assert run.returncode == 0, run.stderr
    assert "times those of random images on the device" in run.stdout


def test_what_tells_most_of_an_accelerator_is_measured_first():
    cases = list(accelerator.list_cases({"one": Config(), "other": Config(widths=(8,))}))
    assert [(case.network, case.arithmetic) for case in cases[:4]] == [
        ("one", "float32"), ("one", "tf32"), ("one", "bfloat16"), ("other", "float32")
    ]  # fmt: skip
    lanes = [(case.chunk, case.network, case.config.conv_form) for case in cases[6:10]]
    assert lanes == [(1, name, form) for name in ("one", "other") for form in ("native", "patches")]
    assert {case.chunk for case in cases} == set(accelerator.CHUNKS)


def test_a_row_counts_all_lanes_and_all_three_passes():
    dataset = throughput.make_random_dataset((8, 8, 1), 64)
    config = Config(batch_size=16)
    case = accelerator.Case("one", config, "float32", 8)
    macs = cost.measure(config, (8, 8, 1), 10).macs
    row = accelerator.make_row(case, "ours", 8, 1.0, [0.5, 0.25, 1.0], dataset, 1e9)
    assert (row.low, row.images_per_second, row.high) == (128, 256, 512)
    assert row.share_of_peak == pytest.approx(256 * 3 * 2 * macs / 1e9)


@pytest.mark.slow
def test_an_accelerator_is_measured_and_written_as_far_as_time_allows(call, tmp_path):
    """On a CPU, which here is the device."""
    path = tmp_path / "rows.json"
    run = call(*BENCHMARK, "--accelerator", "--widths=4", "--hidden=8", "--steps=2",
               "--minutes=0.0", f"--json={path}")  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "0 minutes are over: not all was measured" in run.stdout
    (row,) = json.loads(path.read_text()) or [None]
    assert row["network"] == "digits" and row["lanes"] == 4 and row["images_per_second"] > 0
    assert row["what"] == "ours, auto, chunks of 1"


def test_lanes_are_timed_on_powers_of_two_and_all_devices():
    assert [scaling.list_counts(there) for there in (1, 2, 4, 6)] == [[], [2], [2, 4], [2, 4, 6]]


def test_a_device_of_a_cpu_has_a_core_while_it_is_timed():
    before = os.sched_getaffinity(0)
    with scaling.on_cores(1):
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before


@pytest.mark.slow
def test_lanes_on_more_devices_are_timed_beside_one(call, tmp_path):
    run = call(*BENCHMARK, *SMALL, "--scaling", "--rounds=1", f"--json={tmp_path / 'rows.json'}")
    assert run.returncode == 0, run.stderr
    rows = json.loads((tmp_path / "rows.json").read_text())
    there = len(os.sched_getaffinity(0))
    assert [row["devices"] for row in rows] == scaling.list_counts(there)
    assert all(row["lanes"] == scaling.LANES * there and row["ratio"] > 0 for row in rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give two files: python -m experiments.benchmark.convert IN.pth OUT.safetensors"),
        (["a.pth", "b.pth"], "b.pth is to be written as safetensors: give a name with .safetensor"),
        (["a.pth", "there.safetensors"], "there.safetensors is there already: name a new file"),
    ],
)
def test_what_convert_cannot_do_is_said_in_a_line(
    tmp_path, monkeypatch, capsys, arguments, message
):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.safetensors").touch()
    with pytest.raises(SystemExit) as end:
        convert.main(["convert", *arguments], script.Stop.__new__(script.Stop))
    said = capsys.readouterr().err
    assert end.value.code == 2 and message in said and said.count("\n") == 1
