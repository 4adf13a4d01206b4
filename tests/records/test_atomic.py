"""What is written is whole, and is on the disk before anything counts on it."""

import errno
import os
import pathlib
import resource
import signal
import subprocess
import sys

import pytest

from cnnjax.records import atomic


@pytest.fixture
def calls(monkeypatch):
    """What reaches the disk and when, as (call, path): a file's content, a name, a folder."""
    heard = []

    def name_of(handle):
        return os.readlink(f"/proc/self/fd/{handle}")

    def fsync(handle, real=os.fsync):
        heard.append(("sync", name_of(handle)))
        real(handle)

    def replace(old, new, real=os.replace):
        heard.append(("rename", os.fspath(new)))
        real(old, new)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    return heard


def test_content_is_on_the_disk_before_its_name_and_the_name_before_the_return(calls, tmp_path):
    path = tmp_path / "new" / "deep" / "record.json"
    atomic.write_json(path, {"a": 1})
    # The folders that were made have names too.
    assert calls[:2] == [("sync", str(tmp_path)), ("sync", str(tmp_path / "new"))]
    (content, temporary), *rest = calls[2:]
    assert content == "sync" and pathlib.Path(temporary).name.startswith(".record.json.")
    assert rest == [("rename", str(path)), ("sync", str(path.parent))]


def test_a_file_that_is_there_is_replaced_whole(calls, tmp_path):
    path = tmp_path / "a"
    for text in ("old", "new"):
        atomic.write_text(path, text)
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]
    assert [call for call, _ in calls] == ["sync", "rename", "sync"] * 2


MAKE = {
    "file": lambda path: path.write_text("damaged"),
    "folder": lambda path: (path.mkdir(), (path / "within").write_text("damaged")),
    "link": lambda path: path.symlink_to("gone"),
}


@pytest.mark.parametrize("earlier", MAKE)
@pytest.mark.parametrize("kind", MAKE)
def test_what_is_damaged_again_is_set_aside_in_place_of_the_one_before(tmp_path, earlier, kind):
    path, aside, said = tmp_path / "a", tmp_path / "a.damaged", []
    MAKE[earlier](aside)
    MAKE[kind](path)
    atomic.set_aside(path, "it is damaged", "made again", said.append)
    assert [own.name for own in tmp_path.iterdir()] == [aside.name]
    assert (aside.is_symlink(), aside.is_dir()) == (kind == "link", kind == "folder")
    assert said == ["warning: it is damaged: it is set aside as a.damaged, and made again"]


def test_a_full_disk_names_the_file_that_a_library_wrote(tmp_path, monkeypatch):
    def fail(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as the system does, without a name

    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "curves.svg").write_text("drawn")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left") as refusal:
        atomic.sync_tree(tmp_path)
    assert refusal.value.filename == str(tmp_path / "figures" / "curves.svg")


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_full_disk_names_the_file_and_leaves_the_one_before(tmp_path, monkeypatch, failing):
    path = tmp_path / "a"
    atomic.write_text(path, "old")

    def fail(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match=f"No space left on device: '{path}'"):
        atomic.write_text(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_file_that_may_not_be_so_large_is_named_though_closing_it_fails_again(tmp_path):
    path, (soft, hard) = tmp_path / "a", resource.getrlimit(resource.RLIMIT_FSIZE)
    atomic.write_text(path, "old")
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError, match=f"File too large: '{path}'"):
            atomic.write_bytes(path, bytes(6000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def write_and_die(path):
    """A process that is killed when all is written and nothing has its name yet."""
    script = (
        "import os, pathlib, signal, sys; from cnnjax.records import atomic\n"
        "os.replace = lambda *names: os.kill(os.getpid(), signal.SIGKILL)\n"
        "atomic.write_text(pathlib.Path(sys.argv[1]), 'the first, and longer')"
    )
    assert subprocess.run([sys.executable, "-c", script, path]).returncode == -signal.SIGKILL


def test_what_a_writer_left_that_was_killed_goes_with_the_next(tmp_path):
    path = tmp_path / "record.json"
    for _ in range(2):
        write_and_die(path)
    assert not path.exists() and len(list(tmp_path.iterdir())) == 1
    atomic.write_text(path, "the next")
    assert path.read_text() == "the next" and list(tmp_path.iterdir()) == [path]


def test_of_two_who_write_one_file_at_once_neither_sees_the_other(tmp_path, monkeypatch):
    path, texts = tmp_path / "a", []

    def replace(old, new, real=os.replace):
        if not texts:  # another comes while the first is at it
            texts.append("")
            atomic.write_text(path, "the second")
            texts.append(path.read_text())
        real(old, new)

    monkeypatch.setattr(os, "replace", replace)
    atomic.write_text(path, "the first")
    assert texts == ["", "the second"] and path.read_text() == "the first"
    assert list(tmp_path.iterdir()) == [path]
