"""What a script does can be done without one: values come back, and nothing is printed."""

import dataclasses
import json

import pytest

from cnnjax import api
from cnnjax.config.config import settings_of
from cnnjax.config.datasets import Where
from cnnjax.config.knobs import ConfigError
from cnnjax.study.claims import Claim, Comparison, Study, Tuning
from cnnjax.sweep.observer import Observer
from cnnjax.sweep.runner import Interrupted

OPTAX = True  # see conftest.py
ARMS = ({"pool": "max"}, {"pool": "avg"})
CLAIM = Claim("one", "Max beats average.", (Comparison(*ARMS, ">", "higher"),))


@pytest.fixture
def study(tiny):
    rates = Tuning({"learning_rate": (0.001, 0.01)}, seeds=(7,))
    base = {name: value for name, value in settings_of(tiny).items() if name != "learning_rate"}
    return Study("small", "Which?", base, ARMS, (CLAIM,), tuning=rates)


@pytest.fixture
def options(tmp_path, data_dir, digits):  # the digits are prepared
    return api.Options(tmp_path / "runs", Where(str(data_dir)), num_seeds=2)


@pytest.mark.slow
def test_a_study_is_checked_run_reported_and_read_again(study, options, capsys):
    checked = api.check_study(study, {}, options)
    assert checked.plan.num_lanes == 8 and checked.plan.num_tuning_lanes == 4
    assert "2 seeds can train and report, and decide nothing" in checked.warnings[0]
    prospect = api.look_ahead(checked, {}, options)
    assert [outlook.claim for outlook in prospect.outlooks] == ["one"]
    assert prospect.feeds[0].startswith("digits: 600 training")
    assert prospect.timing is None and not options.runs.exists()
    started, recorded = [], []
    observer = Observer(lambda *counts: started.append(counts), on_record=recorded.append)
    finished = api.run_study(checked, options, observer)
    assert started == [(4, 4 * 96), (4, 4 * 96)] and len(recorded) == 8
    assert finished.source.startswith("8 lanes trained, 0 read") and not finished.failures
    assert set(finished.study.settings) == {"pool=max", "pool=avg"}
    again = api.run_study(checked, options)
    assert again.source.startswith("0 lanes trained, 8 read")
    assert again.records == finished.records
    told = api.look_ahead(checked, {}, options).timing  # by what the study took
    assert told is not None and told.training_seconds > 0 and told.compile_seconds > 0
    assert (told.num_alike, told.num_records) == (checked.plan.num_groups, 8)
    judgement, path = api.report_study(finished, options)
    assert path == options.runs / "small" / "report.html" and path.exists()
    earlier = api.find_earlier(study, {}, options)
    assert earlier.records == finished.records and earlier.study == finished.study
    assert "nothing trained" in earlier.source
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_a_study_stops_when_asked_and_goes_on(study, options):
    checked, seen = api.check_study(study, {}, options), []
    with pytest.raises(Interrupted):
        observer = Observer(on_record=seen.append, should_stop=lambda: len(seen) >= 4)
        api.run_study(checked, options, observer)
    finished = api.run_study(checked, options)
    assert finished.source.startswith(f"{8 - len(seen)} lanes trained, {len(seen)} read")


def test_a_run_is_trained_once_and_then_read(tiny, data_dir, digits, tmp_path, capsys):
    where = Where(str(data_dir))
    described = api.describe_run(tiny, where)
    assert described.cost.parameters > 0 and described.feed.startswith("digits: 600 training")
    result = api.train_run(tiny, tmp_path / "one", where)
    assert result == json.loads((tmp_path / "one" / "result.json").read_text())
    assert api.train_run(tiny, tmp_path / "one", where) == result
    with pytest.raises(ConfigError, match="--batch_size=16, not 8"):
        api.train_run(tiny.__class__(**{**vars(tiny), "batch_size": 8}), tmp_path / "one", where)
    assert capsys.readouterr() == ("", "")


def test_the_page_of_a_run_shows_images_where_its_data_are_at_hand(tiny, data_dir, tmp_path):
    config = dataclasses.replace(tiny, steps=60, eval_every=30, learning_rate=0.01)
    where = Where(str(data_dir))
    assert not api.train_run(config, tmp_path / "one", where)["failed"]
    html = api.report_run(config, tmp_path / "one", where=where).read_text()
    assert html.count('<img class="whole-pixels" src="data:image/png') == 10
    html = api.report_run(config, tmp_path / "one").read_text()
    assert "The surest mistakes" in html and "<img" not in html
