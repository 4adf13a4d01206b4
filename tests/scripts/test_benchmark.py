"""The benchmark, through its real command line."""

import json

import pytest

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
