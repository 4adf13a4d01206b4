"""What the endurance test looks for, it finds: differences, losses and leftovers planted here."""

import itertools
import json
import os
import random
import signal
import subprocess
import sys

import pytest

from experiments import script
from experiments.endure import __main__ as endure
from experiments.endure import kills, outcomes, signals, trap, trials
from experiments.endure.tally import Tally
from experiments.endure.trap import Event, Trap


@pytest.fixture
def runs(tmp_path):
    """A folder with a finished run."""
    place = tmp_path / "runs" / "records" / "a"
    place.mkdir(parents=True)
    record = {"scores": {"test_loss": 0.5}, "cost": {"compile_seconds": 1.5}, "provenance": {}}
    (place / "record.json").write_text(json.dumps(record))
    (place / "predictions.npz").write_bytes(b"answers")
    return tmp_path / "runs"


def change(runs, text, to):
    path = runs / "records" / "a" / "record.json"
    path.write_text(path.read_text().replace(text, to))


def test_other_numbers_differ_and_other_times_do_not(runs):
    peace = outcomes.read_numbers(runs)
    change(runs, "1.5", "2.5")
    assert outcomes.compare(peace, outcomes.read_numbers(runs)) == []
    change(runs, "0.5", "0.5000000000000001")
    (runs / "records" / "a" / "predictions.npz").unlink()
    differ = [f"records/a/{name} differs" for name in ("predictions.npz", "record.json")]
    assert outcomes.compare(peace, outcomes.read_numbers(runs)) == differ


def test_what_is_finished_must_stay_to_the_byte(runs):
    before = trials.read_finished(runs)
    assert trials.list_lost(before, runs) == []
    (runs / "records" / "b").mkdir()
    (runs / "records" / "b" / "predictions.npz").write_bytes(b"of a run that has no record yet")
    assert trials.list_lost(before, runs) == []
    change(runs, "1.5", "2.5")  # its run was made again
    (runs / "records" / "a" / "predictions.npz").unlink()
    lost = ["records/a/predictions.npz is lost", "records/a/record.json was made again"]
    assert sorted(trials.list_lost(before, runs)) == lost


@pytest.mark.parametrize(
    "name",
    [
        "runs/checkpoints/a/step-000000000050.safetensors", "runs/leases/claims/a/1",
        "runs/records/a/.record.json.new", "runs/.study.abcdefgh/report.html",
        "runs/result.json.damaged", "data/digits/incomplete.ABC_1.0.0/features.json",
    ],
)  # fmt: skip
def test_what_should_be_gone_is_seen(runs, name):
    (runs / ".reports.lock").touch()
    assert trials.list_leftovers(runs.parent) == []
    path = runs.parent / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    assert trials.list_leftovers(runs.parent)


def test_an_older_checkpoint_than_the_newest_is_seen(tmp_path):
    place = tmp_path / "runs" / "checkpoints" / "a"
    place.mkdir(parents=True)
    for step in (50, 100):
        (place / f"step-{step:012}.safetensors").touch()
    saved = trials.find_saved(tmp_path)

    def read(*steps):
        paths = [f"runs/checkpoints/a/step-{step:012}.safetensors" for step in steps]
        return [Event(0.0, 1, "saving", "read", path) for path in paths]

    assert trials.list_passed_over(saved, read(100, 150)) == []
    assert trials.list_passed_over(saved, read(50)) and not trials.list_passed_over({}, read(50))


def write(folder, names, own):
    """A process that makes files and steps into a trap; gives what is there then."""
    folder.mkdir(exist_ok=True)
    script = "import pathlib, sys\nfor name in sys.argv[1:]: pathlib.Path(name).touch()"
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
    environment = trap.arm(own, os.environ, trials.ROOT)
    command = [sys.executable, "-c", script, *paths]
    run = subprocess.run(command, env=environment, start_new_session=True)
    return run.returncode, [name for name in names if (folder / name).exists()]


NAMES = ("data/x", "runs/records/a/record.json", "runs/checkpoints/a/b", "runs/checkpoints/a/c",
         "elsewhere")  # fmt: skip


@pytest.mark.parametrize(
    "phase, number, left", [("saving", 1, 2), ("saving", 2, 3), ("preparing", 1, 0)]
)
def test_a_trap_kills_before_the_event_that_it_waits_for(tmp_path, phase, number, left):
    folder = tmp_path.resolve()
    own = Trap(str(folder), phase, number, 0.0, number == 1)
    assert write(folder, NAMES, own) == (-signal.SIGKILL, list(NAMES[:left]))
    events = trap.read_log(folder)
    assert [event.path for event in events[1:-1]] == list(NAMES[: left + 1])
    assert events[-1].name == "killed"


def test_without_a_phase_a_trap_only_notes(tmp_path):
    folder = tmp_path.resolve()
    assert write(folder, NAMES, Trap(str(folder))) == (0, list(NAMES))
    phases = [event.phase for event in trap.read_log(folder)]
    assert phases == ["", "preparing", "recording", "saving", "saving"]


@pytest.mark.parametrize(
    "events, seconds",
    [
        ("claim", 1), ("claim save", 1), ("save other", 2), ("claim record", 0), ("other", 0),
        ("claim save save record claim other", 2),
    ],
)  # fmt: skip
def test_work_is_repeated_since_the_last_checkpoint(events, seconds):
    kinds = {
        "claim": ("sharing", "os.link", "runs/leases/claims/a/1"),
        "save": ("saving", "os.rename", "runs/checkpoints/a/step-000000000050.safetensors"),
        "record": ("recording", "os.rename", "runs/records/a/record.json"),
        "other": ("recording", "open", "runs/README.txt"),
    }
    times = itertools.count(1)
    heard = [Event(next(times), 1, *kinds[name]) for name in events.split()]
    killed = Event(next(times), 1, "", "killed", "")
    assert kills.count_repeated([*heard, killed]) == seconds


def test_each_lane_is_recorded_once():
    def ended(*names):
        paths = [f"runs/records/{name}/record.json" for name in names]
        events = [Event(0.0, 1, "recording", "os.rename", path) for path in paths]
        return trials.Ended(0, "", 1.0, events)

    assert not [*signals.count_records(ended("a", "b"), 2)]
    assert [*signals.count_records(ended("a", "a"), 2)]
    assert [*signals.count_records(ended("a", "b", "a"), 2)]


@pytest.mark.parametrize("faults, status", [((), 0), (("a is lost", "b\nc is left"), 1)])
def test_faults_are_printed_and_are_the_status(monkeypatch, capsys, faults, status):
    said = "full {}, seed {}".format
    monkeypatch.setattr(kills, "run", lambda *own: Tally("kills", said(*own), faults))
    monkeypatch.setattr(signal, "signal", lambda *own: None)
    argv = ["endure", "--part=kills", "--full", "--seed=3"]
    assert endure.main(argv, script.Stop("")) == status
    assert capsys.readouterr().out.splitlines() == [
        "kills: full True, seed 3 (0 s)", *(["  fault: a is lost", "  fault: b\\x0ac is left",
        "2 faults"] if faults else ["0 faults"])
    ]  # fmt: skip


@pytest.mark.slow
def test_a_run_that_is_killed_at_every_phase_is_as_in_peace(tmp_path):
    folder = tmp_path.resolve()
    peace = trials.make_peace(trials.TRAIN, folder / "peace")
    campaign = ("preparing", "compiling", "saving", "recording", "reporting")
    life = kills.disturb(trials.TRAIN, folder / "life", peace, campaign, random.Random(0))
    assert not life.faults and life.kills


def test_a_long_part_is_tried_in_pieces(capsys):
    assert endure.parse_trials(None, None) == []
    assert endure.parse_trials("245-372", "files") == [range(245, 373)]
    for text, part in (("1-2", None), ("1-2", "kills"), ("0-3", "files"), ("4-3", "files")):
        with pytest.raises(SystemExit):
            endure.parse_trials(text, part)
