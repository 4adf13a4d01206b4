"""experiments.tune: what it searches, runs again and writes; what it refuses."""

import shlex

import pytest

from cnnjax.config.errors import ConfigError
from experiments import tune
from tests.records.test_origin import NEVER

RATE = "--space=learning_rate=log:1e-3..1e-1"
SMALL = ["--widths=4", "--hidden=8", "--train_examples=48", "--batch_size=16", "--steps=6",
         "--eval_every=2", "--pool_every=1"]  # fmt: skip


@pytest.fixture
def conduct(tmp_path, data_dir, digits, monkeypatch, capsys):  # the digits are prepared
    """Runs the script in this process; gives its report's folder and what it said."""

    def call(*arguments):
        where = [f"--runs={tmp_path / 'runs'}", f"--data_dir={data_dir}"]
        status = tune.main(["tune.py", RATE, *SMALL, *where, *arguments], NEVER)
        assert status == 0
        (folder,) = (tmp_path / "runs").glob("tune-*")
        return folder, capsys.readouterr()

    return call


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
