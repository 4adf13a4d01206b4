"""Streams that are closed or full, folders that are only read: a command does its work and says so.

What takes whole runs is tried by `python -m experiments.endure --part=files`.
"""

import errno
import os
import pathlib
import resource
import subprocess
import sys

import pytest

from cnnjax import api
from cnnjax.config import words
from cnnjax.config.config import request_of
from cnnjax.config.datasets import Where
from cnnjax.config.knobs import ConfigError
from cnnjax.report.console import open_console
from cnnjax.study import own
from cnnjax.study.arms import make_base
from cnnjax.sweep import loop, runner
from cnnjax.sweep.engines import local
from cnnjax.sweep.observer import QUIET
from experiments import script, told
from tests.by_hand import STUDY, make_records

ROOT = pathlib.Path(__file__).parents[2]
OPTAX = True  # see conftest.py
OPEN = """
import os, sys
from experiments import script, told
def main(argv, stop):
    print("to nobody")
    with open(os.devnull) as file:
        return 0 if file.fileno() > 2 else 3
script.run(main, "")
"""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_no_file_takes_the_place_of_a_closed_stream(closed):
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", OPEN]
    assert subprocess.run(command, cwd=ROOT, timeout=60).returncode == 0


def test_code_from_outside_that_interrupts_itself_is_an_interruption():
    code = (
        "from experiments import script\n"
        "def main(argv, stop):\n"
        "    raise KeyboardInterrupt\n"
        "script.run(main, 'all is saved')\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == script.INTERRUPTED
    assert run.stderr == "interrupted: all is saved; run the same command again to go on\n"


def test_a_signal_after_all_is_done_changes_no_status():
    code = (
        "import atexit, os, signal\n"
        "from experiments import script\n"
        "class Last:\n"
        "    def __del__(self):  # while the interpreter goes\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "atexit.register(os.kill, os.getpid(), signal.SIGTERM)\n"
        "script.kept = Last()\n"
        "script.run(lambda argv, stop: 0, '')\n"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0


@pytest.mark.parametrize("command", ["train --plan", "judge FILE"])
@pytest.mark.parametrize("limit", [2**28, 2**30])
def test_where_libraries_find_no_room_that_is_one_line(environment, limit, command):
    said = "error: ulimit -v allows this process "
    run = subprocess.run(
        [sys.executable, "-m", *f"experiments.{command}".split()],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )  # fmt: skip
    assert run.returncode == 1 and run.stderr.startswith(said) and run.stderr.count("\n") == 1


def test_a_table_for_which_nobody_waits_is_no_end_of_its_own(monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as file:
        monkeypatch.setattr(sys, "stdout", file)
        with pytest.raises(BrokenPipeError):  # which script.run takes for an end in peace
            open_console().print("a table")
        os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no such device here")
def test_a_word_that_stderr_does_not_take_ends_no_work(monkeypatch):
    with open("/dev/full", "w") as file:
        monkeypatch.setattr(sys, "stderr", file)
        words.say("warning: a", sys.stderr)
        words.say("warning: b", sys.stderr)
    with pytest.raises(OSError, match="No space left"):
        words.say("a verdict", open("/dev/full", "w", buffering=1))


@pytest.fixture
def report_on(monkeypatch, tmp_path):
    """Reports a finished study where its report meets an error of the system."""

    def report_on(code):
        def refuse(*_):
            raise OSError(code, os.strerror(code), str(tmp_path / "made-by-hand"))

        monkeypatch.setattr(api, "report_study", refuse)
        records = make_records(num_seeds=3)
        finished = api.Finished(STUDY, make_base(STUDY, {}), records, "12 read", [])
        return told.print_report(finished, api.Options(tmp_path, Where()))

    return report_on


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_finished_study_is_judged_where_nothing_can_be_written(report_on, capsys, code):
    assert report_on(code).verdicts
    shown = capsys.readouterr()
    assert "12 read" in shown.out and "comparison: a" in shown.out and "report:" not in shown.out
    (line,) = shown.err.splitlines()
    assert line.startswith("warning: no report is written: ") and "made-by-hand" in line


def test_on_a_full_disk_the_verdict_is_told_before_the_error(report_on, capsys):
    with pytest.raises(OSError, match="No space left on device: .*made-by-hand"):
        report_on(errno.ENOSPC)
    assert "comparison: a" in capsys.readouterr().out


def test_a_folder_that_takes_no_file_is_refused_before_anything_is_compiled(
    tiny, digits, tmp_path, monkeypatch
):
    monkeypatch.setattr(runner, "run_lanes", lambda *_: pytest.fail("it was compiled"))
    (tmp_path / "file").write_text("no folder")
    request = request_of(tiny)
    jobs = loop.make_jobs([tiny], tmp_path / "file" / "runs", Where(), {request: "memory"})
    with pytest.raises(OSError, match="file"):
        list(local.run(jobs, QUIET, {request: digits}))


def test_a_name_is_as_long_as_file_systems_count_it():
    own.check_name("é" * 50, "--study=")
    for name in ("é" * 51, "字" * 34, "a" * 101, "a\nb", "a\0b", "Leases", "..", "-a"):
        with pytest.raises(ConfigError, match="at most 100 bytes"):
            own.check_name(name, "--study=")
