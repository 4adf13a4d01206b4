"""What a study or a run leaves is on the disk, content and name, before it counts as written."""

import dataclasses
import os
import pathlib

import pytest

from cnnjax import api
from cnnjax.config.config import request_of
from cnnjax.config.datasets import Where
from cnnjax.data.sources import whole
from cnnjax.records import index
from cnnjax.report import page
from cnnjax.study import wanted
from cnnjax.sweep import checkpoints
from tests.by_hand import judge, make_records

OPTAX = True  # see conftest.py
WHO = ("leases", ".reports.lock")  # who works now: of no worth after the machine has stopped


class Disk:
    """What a machine that stops now would still have, by the calls that were made."""

    def __init__(self) -> None:
        self.content: set[tuple[int, int, int]] = set()  # of files, as they were sent to the disk
        self.unnamed: dict[str, str] = {}  # folders whose names were not sent since a rename there
        self.early: list[str] = []  # files that took their name before their content was sent
        self.renamed: list[str] = []

    @staticmethod
    def look(path: str | int) -> tuple[int, int, int]:
        found = os.stat(path)
        return found.st_ino, found.st_size, found.st_mtime_ns

    def sync(self, handle: int) -> None:
        path = os.readlink(f"/proc/self/fd/{handle}")
        self.content.add(self.look(handle))
        self.unnamed.pop(path, None)

    def rename(self, old: str, new: str) -> None:
        if os.path.isfile(old) and self.look(old) not in self.content:
            self.early.append(new)
        self.renamed.append(os.path.basename(new))
        self.unnamed[os.path.dirname(os.path.realpath(new))] = new

    def list_lost(self, root: pathlib.Path) -> list[str]:
        """Files below `root` that would not be there, or not as they are."""
        files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
        kept = [path for path in files if not {*path.parts} & {*WHO}]
        lost = [str(path) for path in kept if self.look(str(path)) not in self.content]
        return [*lost, *self.early, *self.unnamed.values()]


@pytest.fixture
def disk(monkeypatch):
    found = Disk()
    sync, replace, rename = os.fsync, os.replace, os.rename

    def hear(real):
        def move(old, new, **places):
            found.rename(os.fspath(old), os.fspath(new))
            real(old, new, **places)

        return move

    monkeypatch.setattr(os, "fsync", lambda handle: (found.sync(handle), sync(handle))[1])
    monkeypatch.setattr(os, "replace", hear(replace))
    monkeypatch.setattr(os, "rename", hear(rename))
    return found


def test_records_checkpoints_weights_answers_and_the_index(disk, tiny, digits, tmp_path):
    lanes = [dataclasses.replace(tiny, steps=60, eval_every=30, learning_rate=0.01)]
    options = api.Options(tmp_path, keep="final", checkpoint_every=30)
    api.train_wanted(wanted.fixed(lanes), {request_of(tiny): digits}, options)
    index.list_heads(tmp_path)
    names = ("record.json", "predictions.npz", "final.safetensors", "index.json", "README.txt")
    assert {*names, "step-000000000030.safetensors"} <= {*disk.renamed}
    assert not disk.list_lost(tmp_path)


def test_what_a_run_leaves_in_a_folder_of_its_own(disk, tiny, data_dir, tmp_path):
    config = dataclasses.replace(tiny, steps=60, eval_every=30, learning_rate=0.01)
    api.train_run(config, tmp_path / "one", Where(str(data_dir)), 30)
    api.report_run(config, tmp_path / "one")
    names = ("config.json", "provenance.json", "metrics.jsonl", "result.json", "report.html")
    assert {*names, "final.safetensors", "predictions.npz"} <= {*disk.renamed}
    assert not disk.list_lost(tmp_path)
    assert not checkpoints.list_files(tmp_path / "one" / "checkpoints")


def test_reports_and_what_they_replace(disk, tmp_path):
    for number in (3, 4):  # seeds: another report, which keeps the first below it
        page.write_report(judge(make_records(num_seeds=number)), tmp_path, "command")
        (next(tmp_path.glob("*/report.html")).parent / "own.txt").write_text("a person's")
    page.write_report(judge(make_records(num_seeds=3)), tmp_path, "command")
    assert list(tmp_path.glob("*/earlier-*/own.txt")) and "index.html" in disk.renamed
    assert not disk.list_lost(tmp_path)


def test_prepared_data_before_they_have_checksums(disk, tmp_path, monkeypatch):
    class Builder:
        data_path = tmp_path / "digits" / "1.0.0"

        class info:
            splits = {}

    Builder.data_path.mkdir(parents=True)
    for name in ("features.json", "digits-test.array_record-00000-of-00001"):
        (Builder.data_path / name).write_bytes(b"of a library")  # which sends nothing to the disk
    keep, lost = whole.memory.keep, []

    def keep_after(path, value):
        lost.extend(disk.list_lost(tmp_path))
        keep(path, value)

    monkeypatch.setattr(whole.memory, "keep", keep_after)
    whole.write_checksums(Builder, examples=True)
    assert lost == [] == disk.list_lost(tmp_path)
    assert (Builder.data_path / whole.NAME).exists()
