"""Folders of any name work: a byte that is no UTF-8, a blank, a comma, what elsewhere is markup."""

import csv
import html
import json
import os
import sys

import numpy as np
import pytest
from PIL import Image

from cnnjax.config import flags, knobs
from cnnjax.records import atomic

ODD = os.fsdecode(b"ph\xffotos [/x] <b>")
TINY = ["--widths=4", "--hidden=", "--batch_size=8", "--steps=2", "--pool_every=1"]

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="its files have names of UTF-8")


@pytest.fixture
def photos(tmp_path):
    """Writes a few images of two classes, in folders and files of odd names."""

    def write(name):
        rng = np.random.default_rng(0)
        for label in ("cat", os.fsdecode(b"d\xf6g")):
            (tmp_path / name / label).mkdir(parents=True)
            for number in range(20):
                pixels = rng.integers(0, 256, (6, 6), dtype=np.uint8)
                path = tmp_path / name / label / f"{number} {ODD.replace('/', '')}.png"
                Image.fromarray(pixels).save(path)
        return tmp_path / name

    return write


@pytest.mark.slow
def test_a_sweep_over_folders_of_odd_names(call, tmp_path, photos):
    one, other = photos("plain, or not"), photos(ODD)
    runs = tmp_path / os.fsdecode(b"my \xffruns [bold]")
    arguments = ["-m", "experiments.ablate", f"--grid=dataset='folder:{one}', 'folder:{other}'",
                 *TINY, "--seeds=2", f"--runs={runs}"]  # fmt: skip
    run = call(*arguments)
    assert run.returncode == 0, run.stderr
    (folder,) = runs.glob("ablate-dataset-??????")
    page = (folder / "report.html").read_text(encoding="utf-8")
    command = flags.quote_command(["python", *arguments])
    plain = page.replace('<span class="whole">', "").replace("</span>", "")
    assert f"<code>{command}</code>" in html.unescape(plain)
    assert {"or", "not", "[/x]", "<b>"} < set(run.stdout.split())
    assert r"/ph\xffotos" in run.stdout
    assert run.stdout.endswith(f"all reports: {knobs.printable(os.fspath(runs))}/index.html\n")
    with open(folder / "records.csv", newline="", encoding="utf-8") as file:
        arms = {row["arm"] for row in csv.DictReader(file)}
    shown = os.fspath(other).replace("\udcff", r"\xff")
    assert arms == {f"dataset=folder:{one}", f"dataset=folder:{shown}"}


@pytest.mark.slow
def test_one_run_in_a_folder_of_odd_name(call, tmp_path, photos):
    folder, workdir = photos(ODD), tmp_path / os.fsdecode(b"w\xff [x]")
    command = ["-m", "experiments.train", f"--dataset=folder:{folder}", *TINY]
    run = call(*command, f"--workdir={workdir}")
    assert run.returncode == 0, run.stderr
    assert json.loads((workdir / "result.json").read_text())["steps"] == 2
    assert (workdir / "final.safetensors").exists()
    wrong = call(*command, "--plan", f"--dataset=folder:{folder}/none")
    assert wrong.returncode == 2 and wrong.stderr.count("\n") == 1
    assert r"ph\xffotos [/x] <b>/none is not a folder" in wrong.stderr


def test_libraries_that_want_utf8_get_it(tmp_path):
    assert atomic.as_utf8(tmp_path / "plain ü") == tmp_path / "plain ü"
    folder = tmp_path / os.fsdecode(b"\xff") / "new"
    link = atomic.as_utf8(folder)
    os.fspath(link).encode()
    (link / "file").write_text("here")
    assert (folder / "file").read_text() == "here" and atomic.as_utf8(folder) == link


def test_a_text_with_such_a_byte_can_be_written(tmp_path):
    atomic.write_text(tmp_path / "text", f"{ODD} ü")
    assert (tmp_path / "text").read_text(encoding="utf-8") == r"ph\udcffotos [/x] <b> ü"
