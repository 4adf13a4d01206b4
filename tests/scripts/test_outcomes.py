"""What a finished run or study says of its outcome, and that --quiet leaves no failure out."""

import json
import os

import pytest

from cnnjax import api
from cnnjax.config.config import Config
from cnnjax.config.datasets import Where
from cnnjax.config.errors import ConfigError, RunError
from cnnjax.sweep import runner
from experiments import script, told, train
from tests.by_hand import STUDY, fail, judge, make_records
from tests.report.test_run import LINES, RESULT

OPTAX = True  # see conftest.py
DIVERGED = {**RESULT, "failed": True, "diverged": True, "diverged_at": 3, "test_accuracy": None}
STALLED = {**RESULT, "failed": True}


@pytest.fixture
def finish(tmp_path, monkeypatch):
    """Ends a run with a result that is given, in a folder; nothing is trained."""
    workdir = tmp_path / "one"
    workdir.mkdir()

    def finish(result, quiet):
        path = workdir / "result.json"
        if not path.exists():
            path.write_text(json.dumps(result))
        (workdir / "metrics.jsonl").write_text("".join(json.dumps(own) + "\n" for own in LINES))
        monkeypatch.setattr(api, "train_run", lambda *_: result)
        saving = train.Saving(workdir, script.Saved(0, None), "none", restart=False)
        config = Config(steps=100, eval_every=50)
        return train.train(config, saving, Where(), "python", None, quiet)

    return finish


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (DIVERGED, "the run diverged: its loss is no number from step 3 on\n"),
        (STALLED, "the run failed: its training loss is no better than a constant prediction's\n"),
        (RESULT, ""),
    ],
)
def test_a_quiet_run_says_that_it_failed(result, said, finish, capsys):
    assert finish(result, quiet=True) == 0
    shown = capsys.readouterr()
    assert shown.err == said
    assert [line.split(":")[0] for line in shown.out.splitlines()] == ["result", "report"]
    finish(result, quiet=False)
    shown = capsys.readouterr()
    assert said in shown.out and shown.err == ""


def stall(record):
    """The record of a run that learned nothing."""
    failed = fail(record)
    return failed._replace(scores={**failed.scores, "diverged_at": None})


def test_a_quiet_study_says_of_which_arms_runs_failed(tmp_path, capsys, monkeypatch):
    records = make_records(num_seeds=3)
    judgement = judge([*map(fail, records[:4]), stall(records[4]), *records[5:]])
    page = tmp_path / "report.html"
    monkeypatch.setattr(api, "report_study", lambda *_: api.Report(judgement, page))
    finished = api.Finished(STUDY, Config(), records, "12 read", [])
    told.print_report(finished, api.Options(tmp_path, Where()), quiet=True)
    shown = capsys.readouterr()
    one, other = shown.err.splitlines()
    assert one.endswith(": all 3 runs failed (diverged), left out of its mean")
    why = "1 diverged, 1 no better than a constant prediction"
    assert other.endswith(f": 2 of 3 runs failed ({why}), left out of its mean")
    assert shown.out == f"report: {page}\n"


def test_a_page_that_is_not_of_the_run_or_is_older_than_its_result_is_made_again(finish, tmp_path):
    page = tmp_path / "one" / "report.html"
    finish(RESULT, quiet=True)
    made = page.read_text()
    os.utime(page, (4e9, 4e9))
    finish(RESULT, quiet=True)
    assert page.stat().st_mtime == 4e9  # it is there
    page.write_text("another page")
    finish(RESULT, quiet=True)
    assert page.read_text() == made
    os.utime(page, (1, 1))
    finish(RESULT, quiet=True)
    assert page.stat().st_mtime > 1


@pytest.mark.parametrize("error", [RunError("no room"), ConfigError("no such class")])
def test_what_was_refused_in_a_group_is_one_line(error, capsys):
    told.print_failure(runner.Failure(runner.Group(Config(pool="avg"), (Config(),)), error))
    assert capsys.readouterr().err == f"failed: 1 lane of --pool=avg\nerror: {error}\n"
