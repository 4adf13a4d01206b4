"""The commands on data of one's own: planned, trained, streamed, refused with one line."""

import json
import os

import numpy as np
import pytest

from cnnjax.config.config import make_config
from cnnjax.config.datasets import Where
from cnnjax.runs.train import train_run
from cnnjax.sweep.observer import Observer
from cnnjax.sweep.runner import Interrupted
from tests import true_formats

TRAIN = ["-m", "experiments.train", "--steps=6", "--batch_size=8", "--widths=4", "--hidden=8"]


@pytest.fixture
def photos(tmp_path):
    return f"--dataset=folder:{true_formats.write_folder(tmp_path / 'photos')}"


def read_result(folder):
    return json.loads((folder / "result.json").read_text())


@pytest.mark.slow
def test_a_streamed_run_is_said_to_be(call, photos, tmp_path):
    run = call(*TRAIN, photos, "--image_size=16", "--feed=stream", f"--workdir={tmp_path / 'one'}")
    assert run.returncode == 0, run.stderr
    assert "21 training images are streamed" in run.stderr
    assert read_result(tmp_path / "one")["num_test_examples"] == 24


@pytest.mark.slow
@pytest.mark.usefixtures("compiled_as_for_users")
def test_a_streamed_run_goes_on_to_the_same_bits(photos, tmp_path):
    config = make_config({
        "dataset": photos.partition("=")[2], "image_size": 16, "feed": "stream", "flip": True,
        "steps": 6, "eval_every": 3, "batch_size": 8, "widths": (4,), "hidden": (8,),
    })  # fmt: skip
    whole, seen = train_run(config, tmp_path / "whole", Where()), []
    stop = Observer(on_examples=seen.append, should_stop=lambda: bool(seen))
    with pytest.raises(Interrupted):
        train_run(config, tmp_path / "half", Where(), observer=stop)
    assert list(tmp_path.glob("half/checkpoints/step-*3.*"))
    assert train_run(config, tmp_path / "half", Where())["test_loss"] == whole["test_loss"]
    files = [tmp_path / name / "metrics.jsonl" for name in ("whole", "half")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_plan_says_what_would_be_read(call, photos):
    run = call("-m", "experiments.train", "--plan", photos, "--image_size=16", "--batch_size=8")
    assert "21 training, 3 validation, 24 test images of 16x16x3; all in memory" in run.stdout
    run = call("launch.py", "pooling", "--plan", "--dataset=cifar10")
    assert "data: cifar10: not prepared yet" in run.stdout, run.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--dataset=mnits"], "did you mean mnist?"),
        (["--dataset=folder:/nowhere"], "folder:/nowhere is not a folder"),
        (["--dataset=arrays:/nowhere.npz"], "arrays:/nowhere.npz is not a file"),
        (["--train_split=train[:50%]", "--validation_split=train"], "share 300 examples"),
        (["--feed=stream", "--permute_pixels"], "--permute_pixels needs the training images"),
    ],
)
def test_a_wrong_data_set_is_one_line(call, tmp_path, flags, message):
    run = call(*TRAIN, *flags, f"--workdir={tmp_path / 'run'}")
    assert run.returncode == 2
    (line,) = [line for line in run.stderr.splitlines() if not line.startswith("note: ")]
    assert message in line


def test_without_a_network_there_is_one_line_with_the_ways_on(call, tmp_path):
    run = call(*TRAIN, "--dataset=cifar10", f"--data_dir={tmp_path}", f"--workdir={tmp_path / 'w'}")
    assert run.returncode == 1
    note, line = run.stderr.splitlines()
    assert note.startswith("note: preparing cifar10 in")
    assert "cifar-10-binary.tar.gz" in line and "--manual_dir" in line and "--data_dir" in line


@pytest.mark.slow
def test_arrays_go_through_a_study(call, tmp_path):
    images, labels = true_formats.make_images(200, (8, 8))
    np.savez(tmp_path / "own.npz", x=images, y=labels)
    run = call(
        "-m", "experiments.ablate", "--grid=pool=max,avg", "--seeds=2", *TRAIN[2:],
        f"--dataset=arrays:{tmp_path / 'own.npz'}", f"--runs={tmp_path / 'runs'}",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    (report,) = (tmp_path / "runs").glob("*/report.html")
    assert f"from {tmp_path / 'own.npz'}; licence" in report.read_text()


@pytest.mark.parametrize("recipe", [pytest.param("alexnet", marks=pytest.mark.slow), "resnet50"])
def test_recipes_are_command_lines(call, photos, recipe):
    path = os.path.join("experiments", "recipes", f"{recipe}.txt")
    run = call("-m", "experiments.train", f"--flagfile={path}", photos, "--batch_size=8", "--plan")
    assert run.returncode == 0, run.stderr
    assert "test images of 22" in run.stdout
