"""A run in a folder of its own: whose it is, what is damaged in it, how it starts afresh."""

import json
import pathlib
import shutil

import pytest

from cnnjax import api
from cnnjax.config.config import Config
from cnnjax.config.knobs import ConfigError, RunError
from cnnjax.records import leases
from cnnjax.runs.result import find_finished
from cnnjax.runs.train import check, claim, describe_run, set_run_aside, train_run
from cnnjax.study import grids
from cnnjax.study.options import Options
from cnnjax.sweep import runner
from cnnjax.sweep.observer import Observer

OPTAX = True  # see conftest.py


def test_a_damaged_result_is_set_aside_and_made_again(config, where, tmp_path):
    folder, notes = tmp_path / "one", []
    first = train_run(config, folder, where)
    provenance = json.loads((folder / "provenance.json").read_text())
    assert provenance == first["provenance"] and provenance["started"] <= provenance["date"]
    assert {"host", "clean", "seconds", "strategy", "code_revision"} <= set(provenance)
    (folder / "result.json").write_text('{"test_accuracy": 0.')
    again = train_run(config, folder, where, observer=Observer(on_note=notes.append))
    (note,) = notes
    assert str(folder / "result.json") in note and "set aside" in note and "\n" not in note
    assert (folder / "result.json.damaged").exists()
    assert again["test_loss"] == first["test_loss"]


@pytest.mark.parametrize("name", ["config.json", "provenance.json"])
@pytest.mark.parametrize("content", ["", "null", "[1]", '{"pool"'])
def test_a_folder_that_does_not_say_what_it_holds_is_refused(
    config, where, tmp_path, name, content
):
    folder = tmp_path / "one"
    claim(folder, config, {"origin": {}})
    (folder / name).write_text(content)
    with pytest.raises(ConfigError, match=f"{name} is damaged .*: give --restart") as refusal:
        check(folder, config, {"origin": {}})
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("content", [{}, {"origin": 5}, {"origin": {"versions": [1]}}])
def test_a_folder_of_an_odd_origin_is_refused(config, where, tmp_path, content):
    claim(tmp_path, config, {"origin": {}})
    (tmp_path / "provenance.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="provenance.json is damaged .*: give --restart"):
        check(tmp_path, config, {"origin": {}})


def test_an_odd_result_that_has_no_checksum_is_set_aside(config, where, tmp_path):
    train_run(config, tmp_path, where)
    old = {k: v for k, v in json.loads((tmp_path / "result.json").read_text()).items()
           if k != "sha256"}  # fmt: skip
    (tmp_path / "result.json").write_text(json.dumps(old))
    assert find_finished(tmp_path, pytest.fail, "final") == old  # as it was written once
    odd = [
        {**old, **change}
        for change in (
            {"provenance": None},
            {"provenance": {}},
            {"provenance": {"files": 5}},
            {"provenance": {**old["provenance"], "files": {"metrics.jsonl": 5}}},
            {"provenance": {**old["provenance"], "packages": 5}},
            {"failed": None},
            {"diverged_at": "never"},
            {"test_accuracy": 40},
            {"num_parameters": "many"},
            {"num_test_examples": 0},
            {"validation_accuracy": []},
        )
    ] + [{k: v for k, v in old.items() if k != name} for name in ("failed", "num_parameters")]
    for content in odd:
        notes = []
        (tmp_path / "result.json").write_text(json.dumps(content))
        assert find_finished(tmp_path, notes.append, "final") is None
        (note,) = notes
        assert str(tmp_path / "result.json") in note and "set aside" in note


def test_a_learning_curve_of_odd_lines_is_set_aside(config, where, tmp_path):
    train_run(config, tmp_path, where)
    path = tmp_path / "result.json"
    found = json.loads(path.read_text())
    old = {k: v for k, v in found.items() if k != "sha256"}
    del old["provenance"]["files"]
    path.write_text(json.dumps(old))
    (tmp_path / "metrics.jsonl").write_text('{"step": "last"}\n')
    assert find_finished(tmp_path, lambda note: None, "final") is None
    assert (tmp_path / "metrics.jsonl.damaged").exists()


def test_a_run_that_starts_afresh_keeps_the_one_before(config, where, tmp_path):
    folder = tmp_path / "one"
    assert set_run_aside(folder) is None
    for number in (1, 2):
        claim(folder, config, {"origin": {}})
        assert set_run_aside(folder) == tmp_path / f"one.earlier-{number}"
        assert not folder.exists()
        found = [own.name for own in (tmp_path / f"one.earlier-{number}").iterdir()]
        assert sorted(found) == ["config.json", "provenance.json"]


def test_nobody_can_begin_in_a_folder_while_it_is_set_aside(config, tmp_path, monkeypatch):
    folder, refusals = tmp_path / "one", []
    claim(folder, config, {"origin": {}})

    def rename(path, target, real=pathlib.Path.rename):
        with pytest.raises(ConfigError, match="in use") as refusal, leases.claim_folder(folder):
            pass
        refusals.append(refusal)
        return real(path, target)

    monkeypatch.setattr(pathlib.Path, "rename", rename)
    set_run_aside(folder)
    assert len(refusals) == 1


def test_checkpoints_of_a_finished_run_go(config, where, tmp_path):
    """A kill may come when the result is written, and before they are removed."""
    train_run(config, tmp_path, where)
    left = tmp_path / "checkpoints" / "step-000000000060.safetensors"
    left.parent.mkdir()
    left.touch()
    with leases.claim_folder(tmp_path):  # for other weights, say
        train_run(config, tmp_path, where)
        assert left.exists()
    train_run(config, tmp_path, where)
    assert not left.parent.exists()


def test_a_folder_in_which_another_trains_is_refused(config, where, tmp_path):
    folder = tmp_path / "one"
    with leases.claim_folder(folder):
        with pytest.raises(ConfigError, match=r"one is in use by process \d+"):
            train_run(config, folder, where)
        claim(folder, config, {"origin": {}})
        with pytest.raises(ConfigError, match=r"one is in use by process \d+"):
            set_run_aside(folder)


@pytest.mark.slow
def test_a_finished_run_that_was_changed_is_made_again_to_the_same_bits(config, where, tmp_path):
    whole, folder = tmp_path / "whole", tmp_path / "one"
    names = ("metrics.jsonl", "predictions.npz", "final.safetensors")
    train_run(config, whole, where)
    changes = {
        "result.json": lambda raw: raw.replace(b'"test_accuracy": 0.', b'"test_accuracy": 0.9'),
        "metrics.jsonl": lambda raw: raw[: raw.index(b"\n") + 1],
        "predictions.npz": lambda raw: raw[:-9] + bytes(9),
        "final.safetensors": lambda raw: raw[:-9] + bytes(9),
    }
    for name, change in changes.items():
        shutil.copytree(whole, folder)
        (folder / name).write_bytes(change((whole / name).read_bytes()))
        notes = []
        again = train_run(config, folder, where, observer=Observer(on_note=notes.append))
        (note,) = notes
        assert note.startswith(f"warning: {folder / name} ") and "the run made again" in note
        assert (folder / f"{name}.damaged").exists()
        for own in names:
            assert (folder / own).read_bytes() == (whole / own).read_bytes()
        assert (
            again["test_accuracy"]
            == json.loads((whole / "result.json").read_text())["test_accuracy"]
        )
        shutil.rmtree(folder)


@pytest.mark.parametrize("values", [{"image_size": 60_000}, {"hidden": (500_000_000,)}])
def test_what_no_memory_holds_is_refused_by_the_plan_as_by_the_run(where, tmp_path, values):
    huge = Config(**values)
    for start in (describe_run, lambda *given: train_run(given[0], tmp_path / "one", given[1])):
        with pytest.raises(
            RunError, match=r"takes .* GiB of memory, and this process may still have"
        ):
            start(huge, where)
    assert not (tmp_path / "one").exists()


def test_a_study_of_which_one_arm_is_too_large_is_refused_before_it_trains(where, tmp_path):
    study = grids.make_study({"hidden": ((8,), (500_000_000,))})
    with pytest.raises(RunError, match="GiB of memory"):
        api.check_study(study, {}, Options(tmp_path, where))


@pytest.mark.parametrize("name", [".", "..", "inner/.."])
def test_a_folder_that_we_stand_in_is_not_moved_away(config, tmp_path, monkeypatch, name):
    folder = tmp_path / "one"
    claim(folder, config, {"origin": {}})
    (folder / "inner").mkdir()
    monkeypatch.chdir(folder / "inner" if name == ".." else folder)
    with pytest.raises(ConfigError, match="name the folder in full to restart"):
        set_run_aside(pathlib.Path(name))
    assert (folder / "config.json").exists() and [*tmp_path.iterdir()] == [folder]


def begun_elsewhere(folder):
    """The provenance of a run in training as another platform would have written it."""
    path = folder / "provenance.json"
    found = json.loads(path.read_text())
    packages = {"jax-cuda13-plugin": "0.11.2", "nvidia-cublas": "13.1.0.3"}
    found["origin"] |= {"platform": "gpu", "device_kind": "NVIDIA H100", "num_devices": 1}
    found["origin"]["versions"] |= packages
    path.write_text(json.dumps(found))


def test_a_run_that_began_on_another_device_goes_on_from_its_checkpoint_if_asked(
    config, where, tmp_path
):
    whole, folder = train_run(config, tmp_path / "whole", where), tmp_path / "one"

    def is_saved():
        return any((folder / "checkpoints").glob("step-*"))

    with pytest.raises(runner.Interrupted):
        train_run(config, folder, where, 20, observer=Observer(should_stop=is_saved))
    begun_elsewhere(folder)
    with pytest.raises(ConfigError, match="platform: gpu against cpu.*--mix=device, which goes on"):
        train_run(config, folder, where)
    with pytest.raises(ConfigError, match="platform: gpu against cpu"):
        train_run(config, folder, where, mix=["cpu"])
    notes, images = [], []
    watch = Observer(on_note=notes.append, on_start=lambda runs, count: images.append(count))
    result = train_run(config, folder, where, observer=watch, mix=["device"])
    assert images[0] < config.steps * config.batch_size
    assert result["test_loss"] == whole["test_loss"]  # which here it really was trained by
    mixed = result["provenance"]["mixed"]
    assert "platform: gpu against cpu" in mixed
    assert "versions nvidia-cublas: 13.1.0.3 against not recorded" in mixed
    assert any("platform: gpu against cpu" in note for note in notes)
    assert "mixed" not in whole["provenance"]
    assert train_run(config, folder, where) == result  # and is read as any other
