"""A run's curve as CSV and as event files, whatever happened on the way."""

import csv
import dataclasses
import json
import struct
import sys

import pytest

import cnnjax
from cnnjax.config.knobs import ConfigError
from cnnjax.runs.curves import read_speeds
from cnnjax.runs.train import train_run
from cnnjax.sweep.observer import Observer
from experiments import train as train_script

OPTAX = True  # see conftest.py
NAMES = ("metrics.jsonl", "metrics.csv")


@pytest.fixture
def many(config):
    return dataclasses.replace(config, eval_every=10)


def read_lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def read_csv(path):
    with path.open(newline="") as file:
        return [*csv.DictReader(file)]


def read_events(folder):
    """All points of all event files, as (name, step, value), and the messages that are none."""
    from tensorboardX.proto import event_pb2

    points, others = [], []
    for path in sorted((folder / "tensorboard").iterdir()):
        raw = path.read_bytes()
        while raw:  # length, its checksum, message, its checksum
            (length,) = struct.unpack("<Q", raw[:8])
            event = event_pb2.Event.FromString(raw[12 : 12 + length])
            raw = raw[16 + length :]
            points += [(own.tag, event.step, own.simple_value) for own in event.summary.value]
            others += [] if event.summary.value else [event]
    return points, others


def break_off(config, folder, where, step, **options):
    """Trains up to the line of a step, and ends there without a checkpoint of it."""

    def on_lines(lane, lines):
        if lines[-1]["step"] == step:
            raise OSError("broken off")

    with pytest.raises(OSError, match="broken off"):
        train_run(config, folder, where, 20, Observer(on_lines=on_lines), **options)


def assert_points(folder):
    """Each number of each line once, and how fast it was."""
    lines, speeds = read_lines(folder), read_speeds(folder)
    points, others = read_events(folder)
    expected = {
        (name, line["step"]): value
        for line in lines
        for name, value in line.items()
        if name != "step" and value is not None
    }
    expected |= {
        ("images_per_second", step): row["images_per_second"] for step, row in speeds.items()
    }
    assert {point[:2]: point[2] for point in points} == pytest.approx(expected, rel=1e-6)
    assert len(points) == len(expected)
    assert [event.step for event in others if event.HasField("session_log")] == [0]


def test_the_csv_is_the_curve_and_goes_on_with_it(many, where, tmp_path):
    train_run(many, tmp_path / "whole", where)
    lines = read_lines(tmp_path / "whole")
    rows = read_csv(tmp_path / "whole" / "metrics.csv")
    assert [*rows[0]] == [*lines[0]] and len(rows) == len(lines) == 6
    assert [{name: float(own) for name, own in row.items()} for row in rows] == lines
    folder = tmp_path / "one"
    break_off(many, folder, where, 30)
    assert [row["step"] for row in read_csv(folder / "metrics.csv")] == ["10", "20", "30"]
    train_run(many, folder, where, 20)
    for name in NAMES:
        assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    speeds = read_speeds(folder)
    assert [*speeds] == [10, 20, 30, 40, 50, 60]
    assert all(row["images_per_second"] > 0 and row["time"] > 1e9 for row in speeds.values())


def test_a_csv_that_is_gone_or_changed_is_written_anew(config, where, tmp_path):
    train_run(config, tmp_path, where)
    path = tmp_path / "metrics.csv"
    content = path.read_bytes()
    for change in (path.unlink, lambda: path.write_text("step\n1\n")):
        change()
        train_run(config, tmp_path, where)
        assert path.read_bytes() == content


def test_scores_of_a_diverged_run_are_empty_cells(config, where, tmp_path):
    train_run(dataclasses.replace(config, learning_rate=1e30), tmp_path, where)
    for row, line in zip(read_csv(tmp_path / "metrics.csv"), read_lines(tmp_path), strict=True):
        assert row["diverged_at"] == str(line["diverged_at"])
        assert row["train_loss"] == row["gradient_norm"] == "" and line["train_loss"] is None


def test_speeds_that_cannot_be_read_are_none(tmp_path):
    assert read_speeds(tmp_path) == {}
    for text in ("", "step,images_per_second,time\n10,fast,1\n", "step\n10\n", "\x00"):
        (tmp_path / "speed.csv").write_text(text)
        assert read_speeds(tmp_path) == {}


def test_event_files_have_each_point_once_after_an_interruption(many, where, tmp_path):
    pytest.importorskip("tensorboardX")
    train_run(many, tmp_path / "whole", where)
    folder = tmp_path / "one"
    break_off(many, folder, where, 30, tensorboard=True)
    assert {step for _, step, _ in read_events(folder)[0]} == {10, 20, 30}
    (folder / "tensorboard" / "notes.txt").write_text("")  # of someone else
    train_run(many, folder, where, 20, tensorboard=True)
    (folder / "tensorboard" / "notes.txt").unlink()
    assert_points(folder)
    for name in NAMES:
        assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_finished_run_has_its_event_files_written(many, where, tmp_path):
    pytest.importorskip("tensorboardX")
    first = train_run(many, tmp_path, where)
    for _ in range(2):
        assert train_run(many, tmp_path, where, tensorboard=True) == first
        assert_points(tmp_path)


def test_without_tensorboardx_it_is_refused_before_anything(config, where, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ConfigError, match=r"pip install .*\[tensorboard\]") as refusal:
        train_run(config, tmp_path / "one", where, tensorboard=True)
    assert "\n" not in str(refusal.value) and not (tmp_path / "one").exists()


@pytest.mark.parametrize("also", ["--plan", "--workdir=one"])
def test_a_script_without_tensorboardx_refuses_in_one_line(say, monkeypatch, also):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    status, said, _ = say(train_script.main, "", "--tensorboard", also)
    assert status == 2 and said.count("\n") == 1 and "pip install" in said


def test_python_asks_for_a_folder():
    with pytest.raises(ConfigError, match="give a workdir"):
        cnnjax.train(tensorboard=True)
