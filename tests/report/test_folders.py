"""A report is replaced whole or not at all; none is lost; one page lists them all."""

import html
import json
import pathlib
import re
import signal
import subprocess
import sys
import urllib.parse

import pytest

from cnnjax.config.config import Config
from cnnjax.config.knobs import ConfigError
from cnnjax.report import folders

ABOUT = {"hash": "aaaaaa", "question": "Is a < b & c?", "command": "python x '<a>'", "data": "dot",
         "date": "2026", "claims": [{"id": "one", "verdict": "refuted"}],
         "others": {"supported": 2}}  # fmt: skip


def put(folder, text, hash="aaaaaa"):
    """A report whose two files and figure hold `text`."""

    def write(place):
        (place / "figures").mkdir()
        for name in ("report.html", "verdicts.json", "figures/x.svg"):
            (place / name).write_text(f'{text} <a href="../other/report.html">')

    folders.replace(folder, {**ABOUT, "hash": hash}, write)


def read(folder):
    """The texts in a report's folder, but for its earlier ones."""
    return {
        (folder / name).read_text().split(" ")[0]
        for name in ("report.html", "verdicts.json", "figures/x.svg")
    }


def test_the_same_flags_replace_a_report_and_keep_other_people_s_files(tmp_path):
    folder = tmp_path / "runs" / "study"
    put(folder, "first")
    (folder / "notes.md").write_text("mine")
    put(folder, "second")
    assert read(folder) == {"second"} and (folder / "notes.md").read_text() == "mine"
    assert not list(folder.glob("earlier-*"))
    assert {path.name for path in folder.parent.iterdir()} == {
        "study", "index.html", ".reports.lock"
    }  # fmt: skip
    assert folder.stat().st_mode & 0o777 == 0o755


def test_other_flags_move_the_earlier_report_whole_below(tmp_path):
    folder = tmp_path / "study"
    put(folder, "first", "aaaaaa")
    (folder / "notes.md").write_text("on the first")
    put(folder, "second", "bbbbbb")
    put(folder, "third", "cccccc")
    first, second = folder / "earlier-aaaaaa", folder / "earlier-bbbbbb"
    assert [read(place) for place in (folder, second, first)] == [{"third"}, {"second"}, {"first"}]
    assert (first / "notes.md").exists() and not (folder / "notes.md").exists()
    assert json.loads((first / "about.json").read_text())["hash"] == "aaaaaa"
    assert 'href="../../other/report.html"' in (first / "report.html").read_text()
    put(folder, "first again", "aaaaaa")  # of one hash there is one report
    assert read(folder) == {"first"} and not first.exists()
    assert read(second) == {"second"} and read(folder / "earlier-cccccc") == {"third"}


def test_a_report_of_an_older_version_is_kept_too(tmp_path):
    folder = tmp_path / "study"
    (folder / "figures").mkdir(parents=True)
    for name in ("report.html", "verdicts.json", "figures/x.svg"):
        (folder / name).write_text("old ")
    put(folder, "new")
    (earlier,) = folder.glob("earlier-*")
    assert read(folder) == {"new"} and read(earlier) == {"old"}


@pytest.mark.parametrize("about", ["no JSON", "[]", '{"hash": 3}', '{"hash": "../../../x"}'])
def test_a_spoilt_about_json_harms_nothing(tmp_path, about):
    folder = tmp_path / "study"
    put(folder, "first")
    (folder / "about.json").write_text(about)
    put(folder, "second", "bbbbbb")
    (earlier,) = folder.glob("earlier-*")
    assert read(folder) == {"second"} and read(earlier) == {"first"}


class Crash(BaseException):
    """What is not expected: a full disk, Ctrl-C."""


@pytest.mark.parametrize("hash", ["aaaaaa", "bbbbbb"])
@pytest.mark.parametrize("where", ["write", "_keep", "rename"])
def test_a_crash_while_reporting_leaves_the_old_report_whole(tmp_path, monkeypatch, where, hash):
    folder = tmp_path / "study"
    put(folder, "first")
    put(folder, "second", "cccccc")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def crash(*arguments):
        raise Crash

    def write(place):
        (place / "verdicts.json").write_text("new")
        if where == "write":
            crash()

    rename = type(folder).rename

    def rename_all_but_new(path, target):
        return crash() if target == folder and path.suffix != ".old" else rename(path, target)

    with monkeypatch.context() as patch:
        if where == "_keep":
            patch.setattr(folders, "_keep", crash)
        if where == "rename":
            patch.setattr(type(folder), "rename", rename_all_but_new)
        with pytest.raises(Crash):
            folders.replace(folder, {**ABOUT, "hash": hash}, write)
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_kill_while_reporting_loses_no_file_and_leaves_none(tmp_path, number):
    """Killed while it writes, or before one of the two renames by which reports change places."""
    folder = tmp_path / "study"
    put(folder, "first", "bbbbbb")
    put(folder, "second")
    (folder / "mine.txt").write_text("notes")
    script = f"""
import os, pathlib, signal, sys
from cnnjax.report import folders
left = [{number}]
def die(*names, rename=pathlib.Path.rename):
    left[0] -= 1
    return os.kill(os.getpid(), signal.SIGKILL) if left[0] <= 0 else rename(*names)
pathlib.Path.rename = die
folders.replace(pathlib.Path(sys.argv[1]), {{**{ABOUT}}}, lambda new: left[0] or die())
"""
    run = subprocess.run([sys.executable, "-c", script, folder])
    assert run.returncode == -signal.SIGKILL
    put(folder, "third")
    assert read(folder) == {"third"} and (folder / "mine.txt").read_text() == "notes"
    assert read(folder / "earlier-bbbbbb") == {"first"}
    assert [own.name for own in tmp_path.iterdir() if own.name[0] == "."] == [".reports.lock"]


def test_a_folder_of_other_things_is_refused(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    put(folder, "first")  # an empty one is no loss
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "cat.png").touch()
    (tmp_path / "file").touch()
    for name, message in (("other", "holds files that are no report"), ("file", "is a file")):
        with pytest.raises(ConfigError, match=message):
            put(tmp_path / name, "first")
    assert (tmp_path / "other" / "cat.png").exists()


def test_a_link_to_a_folder_stays_one(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "study").symlink_to(tmp_path / "far")
    put(tmp_path / "study", "first")
    put(tmp_path / "study", "second")
    assert (tmp_path / "study").is_symlink() and read(tmp_path / "far") == {"second"}


def test_the_index_lists_every_report_and_fetches_nothing(tmp_path):
    put(tmp_path / "b study", "first", "aaaaaa")
    put(tmp_path / "b study", "second", "bbbbbb")
    put(tmp_path / "a-study", "third")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "report.html").touch()
    put(tmp_path / "z", "fourth")
    html = (tmp_path / "index.html").read_text()
    links = [urllib.parse.unquote(link) for link in re.findall(r'<a href="([^#"]*)"', html)]
    assert links == [
        "a-study/report.html", "b study/report.html", "b study/earlier-aaaaaa/report.html",
        "old/report.html", "z/report.html",
    ]  # fmt: skip
    assert all((tmp_path / link).exists() for link in links)
    for word in (
        "Is a &lt; b &amp; c?",
        "python x &#39;&lt;a&gt;&#39;",
        "refuted",
        "others: 2 sup",
    ):
        assert word in html, word
    assert html.count("earlier</span>") == 1
    assert not re.search(r"<(script|link|img|iframe)\b|@import|url\(http|src=", html)


def test_a_flag_is_broken_only_before_it_and_a_command_stays_what_it_is():
    command = "python launch.py --pool=max '--baseline=a  <b>'"
    shown = str(folders.keep_whole(command))
    assert '<span class="whole">--pool=max</span>' in shown
    assert html.unescape(re.sub("<[^>]+>", "", shown)) == command
    style = (pathlib.Path(folders.__file__).parent / "style.css").read_text()
    assert re.search(r"\.whole \{ display: inline-block; max-width: 100%;", style)


def test_the_hash_stands_for_flags_and_seeds_and_not_for_the_name():
    from tests.by_hand import STUDY

    def hash(study=STUDY, seeds=(0, 1), **given):
        return folders.hash_study(study, Config(**given), seeds)

    assert re.fullmatch("[0-9a-f]{6}", hash())
    assert hash() == hash(STUDY._replace(name="other")) == hash(learning_rate=3e-3)
    others = {hash(learning_rate=1e-3), hash(seeds=(0, 1, 2)), hash(STUDY._replace(arms=())),
              hash(STUDY._replace(arms=STUDY.arms[::-1])), hash(shift=1)}  # fmt: skip
    assert hash() not in others and len(others) == 5
