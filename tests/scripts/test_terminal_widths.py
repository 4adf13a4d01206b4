"""What scripts print on narrow terminals and into pipes: no word broken, and no fault of number."""

import fcntl
import os
import pathlib
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from cnnjax.config import words

ROOT = pathlib.Path(__file__).parents[2]
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
PLAN = ["launch.py", "pooling-padding", "--plan", "--seeds=1", "--epochs=0.5"]


@pytest.fixture
def show(environment):
    """What a command prints, both streams, on a terminal of so many columns."""

    def show(width, *arguments):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, width, 0, 0))
        own = {name: value for name, value in environment.items() if name != "COLUMNS"}
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, env={**own, "TERM": "xterm"},
            stdin=theirs, stdout=theirs, stderr=theirs,
        )  # fmt: skip
        os.close(theirs)
        parts = []
        try:
            while part := os.read(ours, 65536):
                parts.append(part)
        except OSError:
            pass  # Linux says so when the other end is closed
        process.wait()
        os.close(ours)
        return ESCAPE.sub("", b"".join(parts).decode()).replace("\r\n", "\n")

    return show


def check_lines(text, width):
    """Lines are no wider than the terminal, but where one word is."""
    for line in text.splitlines():
        assert len(line.rstrip()) <= width or len(line.split()) <= 2, line


def check_numbers(text):
    """One of a kind is no plural, and nothing is infinite."""
    assert not re.search(r"(?<![\w.,])1 (?!x\b|class\b)\w+s\b(?! of)", text), text
    assert not re.search(r"(?i)\binf(inity)?\b|\bnan\b", text)


@pytest.mark.parametrize("width", [80, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "arguments",
    [["launch.py", "--list"], ["launch.py", "--help"], ["launch.py", "--help=pool"],
     ["-m", "experiments.train", "--model=resnet20", "--help=layers"],
     ["launch.py", "pooling", "--activation=rely"]],
    ids=lambda value: " ".join(value),
)  # fmt: skip
def test_a_terminal_breaks_no_word(show, call, width, arguments):
    shown, piped = show(width, *arguments), call(*arguments)
    assert shown.split() == (piped.stdout + piped.stderr).split()
    check_lines(shown, width)


@pytest.mark.parametrize("width", [80, pytest.param(60, marks=pytest.mark.slow)])
def test_a_plan_has_a_column_a_varied_knob_on_a_terminal(show, width):
    shown = show(width, *PLAN)
    check_lines(shown, width)
    check_numbers(shown)
    rows = [line.split() for line in shown.splitlines()]
    assert any(row[:2] == ["pool", "padding"] for row in rows)
    assert any(row[:4] == ["max", "VALID", "global_avg", "2,986"] for row in rows)
    assert "from the --epochs=1/2 of the command line: --steps=5" in shown


def test_a_pipe_has_one_line_a_row_and_a_sentence(call):
    run = call(*PLAN)
    assert run.returncode == 0
    check_numbers(run.stdout + run.stderr)
    lines = run.stdout.splitlines()
    (row,) = [
        line.split() for line in lines if line.split()[:4] == ["max", "SAME", "zero", "flatten"]
    ]
    assert row[4:] == ["18,346", "95,360", "7.3", "KiB", "6", "4×4×16"]
    assert "10 groups (compiled programs), 10 lanes (10 arms x 1 seed)" in lines
    assert any(line.startswith("max-beats-average, test accuracy: 1 seed finds") for line in lines)
    assert "1 seed can train and report, and decide nothing: 3 are needed" in run.stderr


def test_a_reader_who_has_seen_enough_is_no_error(environment):
    line = f"{sys.executable} launch.py --list | head -1"
    run = subprocess.run(["bash", "-c", line], cwd=ROOT, env=environment, capture_output=True)
    assert run.stdout == b"Studies (python launch.py STUDY):\n" and run.stderr == b""


@pytest.mark.slow
def test_quiet_says_only_where_results_are_and_what_failed(call, tmp_path):
    tiny = ["--train_examples=48", "--batch_size=16", "--epochs=2", "--widths=4", "--hidden=8"]
    run = call(
        "-m", "experiments.ablate", "--grid=activation=relu,tanh", *tiny, "--seeds=3", "--quiet",
        f"--runs={tmp_path}", "--study=small", "--pool_every=1",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout == f"report: {tmp_path / 'small' / 'report.html'}\n"
    assert all(" runs failed (" in line for line in run.stderr.splitlines()), run.stderr
    again = call(
        "-m", "experiments.ablate", "--grid=activation=relu,tanh", *tiny, "--seeds=3",
        f"--runs={tmp_path}", "--study=small", "--pool_every=1", "--judge_only",
    )  # fmt: skip
    assert re.search(r"^ activation +mean%", again.stdout, re.MULTILINE), again.stdout


def test_a_number_has_its_noun():
    assert words.count(1, "seed") == "1 seed" and words.count(2000, "seed") == "2,000 seeds"
    assert words.count(0, "is", "are") == "0 are"


def test_lines_are_folded_at_blanks_below_their_margin():
    assert words.fold("  one two-three four", 12) == ["  one", "    two-three", "    four"]
    assert words.fold("a\n\nb c", None) == ["a", "", "b c"]
    assert words.fold("averyveryverylongword b", 8) == ["averyveryverylongword", "  b"]
