"""Drawn command lines and configurations: a few of each, and what the harness tells."""

import random

import pytest

from cnnjax.config import words
from cnnjax.config.config import make_config
from experiments import script
from experiments.endure import child, commands, configs, places

OPTAX = True  # see conftest.py


@pytest.fixture
def folder(environment, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", environment["XDG_CACHE_HOME"])
    monkeypatch.chdir(tmp_path)
    places.prepare(tmp_path)
    return tmp_path


def make_script(main):
    return commands.Script("experiments.own", main, ())


def test_a_few_command_lines_end_in_a_line_or_two(folder):
    said = []
    commands.try_all(30, 0, said.append)
    assert sum("seconds" in fact for fact in said) == 30
    assert [fact for fact in said if "fault" in fact] == []


# What was drawn once, and did not end in a line or two.
ONCE = (
    ("experiments.readme", ["--plugin="], "--plugin=: there is no such module"),
    ("experiments.records", ["--nocheck=os:getcwd"], "--nocheck=os:getcwd is not allowed"),
    ("launch", ["--flagfile=" + "9" * 5000, "--plan"], "cannot be read: File name too long"),
    ("experiments.train", ["--norm=response", "--widths=", "--plan"], "give integers such as 16"),
    ("experiments.train", ["--dataset=folder:~no-such-user/x", "--plan"], "is not a folder"),
    ("experiments.ablate", ["--grid=pool=max,avg", "--metric=test_recall_99", "--plan"],
     "test_recall_99: there are 10 classes"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "argv", "said"), ONCE, ids=[" ".join(own)[:40] for _, own, _ in ONCE]
)
def test_what_was_a_fault_is_a_line(folder, name, argv, said):
    (one,) = [own for own in commands.list_scripts() if own.name == name]
    outcome = commands.call(one, argv)
    assert commands.judge(outcome) == "" and outcome.status == 2
    assert said in outcome.said and outcome.said.count("\n") == 1


def test_every_script_of_the_project_is_tried():
    found = {one.name: one for one in commands.list_scripts()}
    assert {"launch", "experiments.train", "experiments.judge", "experiments.records"} <= set(found)
    names = {flag.name for flag in found["experiments.ablate"].flags}
    assert {"grid", "pool", "plan", "plugin", "flagfile", "help"} <= names


def say(text):
    def main(argv, stop):
        words.say(text, commands.sys.stderr)
        return script.DONE

    return main


def fail(argv, stop):
    if "--bad" in argv:
        raise KeyError("one")
    return script.DONE


@pytest.mark.parametrize(
    ("main", "wrong"),
    [
        (fail, "KeyError at test_endure_draws.py:"),
        (say("Traceback (most recent call last):"), "a traceback is printed"),
        (say("oh no"), "says 'oh no'"),
        (say("note: all is well"), ""),
        (say("error: no"), "status 0 with 1 errors"),
        (say("note: " + "a" * 9999), "a line without end"),
        (lambda argv, stop: 75, "status 75"),
        (lambda argv, stop: 1, "status 1 with 0 errors"),
    ],
)
def test_what_is_wrong_with_an_end_is_told(main, wrong):
    told = commands.judge(commands.call(make_script(main), ["--bad"]))
    assert told.startswith(wrong) and bool(told) == bool(wrong)


def test_a_fault_is_told_by_the_arguments_that_make_it():
    one = make_script(fail)
    argv = ["--pool=avg", "--bad", "x" * 3000]
    least = commands.shrink(argv, lambda own: bool(commands.judge(commands.call(one, own))))
    assert least == ["--bad"]


def test_a_process_that_is_aborted_is_a_fault():
    work = 'import os; print(\'{"begun": ["x"]}\', flush=True); os.abort()'
    *_, last = child.follow([commands.sys.executable, "-c", work])
    assert last["argv"] == ["x"] and last["fault"].startswith("the process ended with status -6")


def test_what_is_drawn_can_be_a_config():
    draws = random.Random(0)
    drawn = [configs.draw(draws, ["digits", "arrays:own.npz"]) for _ in range(40)]
    models = {make_config(given).model for given in drawn}
    assert len(models) > 3 and len({str(given) for given in drawn}) == 40
