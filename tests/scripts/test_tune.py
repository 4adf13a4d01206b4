"""experiments.tune: what it searches, runs again and writes; what it refuses."""

import contextlib
import csv
import json
import shlex
import types

import pytest

from cnnjax.config.errors import ConfigError
from experiments import tune
from tests.records.test_origin import NEVER

OPTAX = True  # see conftest.py
RATE = "--space=learning_rate=log:1e-2..1e-1"
SMALL = ["--widths=4", "--hidden=8", "--train_examples=48", "--batch_size=16", "--steps=6",
         "--eval_every=2", "--pool_every=1"]  # fmt: skip


@pytest.fixture
def conduct(tmp_path, data_dir, digits, capsys):  # the digits are prepared
    """Runs the script in this process; gives its report's folder and what it said."""
    patient = types.SimpleNamespace(
        listen=lambda: contextlib.nullcontext(lambda: False), requested=False
    )

    def call(*arguments):
        where = [f"--runs={tmp_path / 'runs'}", f"--data_dir={data_dir}"]
        assert tune.main(["tune.py", RATE, *SMALL, *where, *arguments], patient) == 0
        (folder,) = (tmp_path / "runs").glob("tune-*")
        return folder, capsys.readouterr()

    return call


def read_trials(folder):
    with (folder / "trials.csv").open() as file:
        return [*csv.DictReader(file)]


def test_what_is_found_runs_fresh_seeds_beside_the_default(conduct):
    ask = ["--method=tpe", "--trials=12", "--batch=6", "--seeds=3"]
    folder, said = conduct(*ask)
    assert "21 lanes trained, 0 read" in said.out
    trials = read_trials(folder)
    assert [int(own["number"]) for own in trials] == list(range(12))
    assert [int(own["batch"]) for own in trials] == [0] * 6 + [1] * 6
    assert sum(own["chosen"] == "True" for own in trials) == 1
    head, beside = json.loads((folder / "verdicts.json").read_text())
    assert (head["a"], head["b"]) == ("setting=tpe", "setting=default")
    assert (beside["a"], beside["b"]) == ("setting=tpe", "setting=tpe runner-up")
    assert head["metric"] == "test_accuracy"
    page = (folder / "report.html").read_text()
    assert "The search for setting=tpe" in page and "trials.csv" in page
    _, again = conduct(*ask)
    assert "0 lanes trained, 21 read" in again.out and read_trials(folder) == trials
    _, judged = conduct(*ask, "--judge_only")
    assert "nothing trained" in judged.out and read_trials(folder) == trials


def test_halving_trains_few_trials_to_the_end(conduct):
    ask = ["--method=halving", "--trials=6", "--batch=6", "--seeds=3", "--steps=36"]
    folder, _ = conduct(*ask)
    steps = [int(own["steps_spent"]) for own in read_trials(folder)]
    assert sorted(steps) == [4] * 4 + [12, 36]
    _, again = conduct(*ask)
    assert "0 lanes trained" in again.out
    assert not [*(folder.parent / "checkpoints").glob("*/step-*")]  # nobody goes on from there


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", "--space is missing"),
        ("--space=learning_rat=0.1..1", "did you mean learning_rate"),
        ("--space=pool=max", "at least two values"),
        (f"{RATE} --learning_rate=0.1", "--learning_rate cannot be set here: .* tunes it"),
        (f"{RATE} {RATE}", "given twice"),
        (f"{RATE} --race", "give --repeats=5 or more"),
        (f"{RATE} --race --method=tpe --repeats=5", "give --method=random or halton"),
        (f"{RATE} --method=halving --space=steps=10..20", "runs of one length"),
        (f"{RATE} --method=halving --stop_at=100", "leave --stop_at out"),
        (f"{RATE} --metric=test_acuracy", "did you mean test_accuracy"),
        (f"{RATE} --space=momentum=0.1..0.9", "momentum"),
        (f"{RATE} --datasets=digits,digit", "digits"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_words(arguments, said):
    with pytest.raises(ConfigError, match=said):
        tune.main(["tune.py", *shlex.split(arguments)], NEVER)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("learning_rate=0.1..1", "write --space=learning_rate=0.1..1"),
        ("--method=bayes", "method"),
        ("--trials=0", "trials"),
        ("--batch=0", "batch"),
        ("--repeats=0", "repeats"),
        ("--study=../away", "study"),
    ],
)
def test_a_wrong_command_line_ends_with_one_line(arguments, said, capsys):
    with pytest.raises((SystemExit, ConfigError)) as ended:
        tune.main(["tune.py", RATE, *shlex.split(arguments)], NEVER)
    assert said in f"{ended.value} {capsys.readouterr().err}"
