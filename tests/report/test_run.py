"""The page of a single run: its learning curves, its rate, what it reached or where it broke."""

import dataclasses
import json
import re

import numpy as np
import pytest

from cnnjax.config.config import Config, make_config
from cnnjax.records import predictions
from cnnjax.report import run
from cnnjax.report.thumbnails import look_nowhere
from cnnjax.runs.rate import MOST, list_rates
from tests.browser import browse, find_browser

OPTAX = True  # see conftest.py
CONFIG = make_config({"steps": 100, "eval_every": 50, "pool": "avg", "seed": 3})
COMMAND = "python -m experiments.train --pool=avg --workdir='my run'"
RESULT = {
    "test_accuracy": 0.9123, "test_balanced_accuracy": 0.91, "test_loss": 0.4, "test_ece": 0.02,
    "test_brier": 0.1, "validation_accuracy": 0.9, "num_test_examples": 1000, "failed": False,
    "diverged": False, "diverged_at": None, "num_parameters": 12345, "macs": 6789, "steps": 100,
    "examples_per_second": 1234.5, "compile_seconds": 1.0,
    "provenance": {"origin": {}, "platform": "cpu", "date": "2026-01-01", "cnnjax": "0.1",
                   "packages": {"jax": "0.10.2"}},
}  # fmt: skip
LINES = [
    {"step": step, "train_loss": 1 / step, "train_accuracy": 0.8, "constant_loss": 2.3,
     "validation_loss": 2 / step, "validation_accuracy": 0.9}
    for step in (50, 100)
]  # fmt: skip


def write(folder, result=RESULT, lines=LINES, config=CONFIG, look=look_nowhere):
    folder.mkdir(exist_ok=True)
    (folder / "result.json").write_text(json.dumps(result))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return run.write_page(folder, config, list_rates(config), COMMAND, look)


def text_of(path):
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", path.read_text()))


def test_it_says_what_the_run_reached_and_how_to_make_it_again(tmp_path):
    path = write(tmp_path / "my run")
    shown = text_of(path)
    assert path == tmp_path / "my run" / "report.html"
    assert "91.23% of 1,000 test images are recognised" in shown
    assert "cnn on digits, seed 3" in shown and "12,345" in shown
    assert "--pool=avg --workdir=&#39;my run&#39;" in shown
    assert "Not by default: " in shown and "--steps=100" in shown
    for label in ("Accuracy (%)", "Loss (nats)", "Learning rate", "Training step"):
        assert label in shown
    said = 'aria-label="Accuracy, loss and learning rate over the steps; after step 100: training'
    assert said in path.read_text()


def test_it_says_where_the_run_errs_as_long_as_its_answers_are_there(tmp_path):
    assert "Where it errs" not in text_of(write(tmp_path / "without"))
    own = predictions.pack(np.array([0, 1, 1]), np.array([0.9, 0.75, 0.5]), np.array([0, 0, 1]))
    (tmp_path / "with").mkdir()
    files = predictions.write(tmp_path / "with", own)
    provenance = {**RESULT["provenance"], "files": files, "class_names": ["cat", "dog"]}
    shown = text_of(write(tmp_path / "with", {**RESULT, "provenance": provenance}))
    assert "1 test image taken for another class" in shown
    assert "cat 2 50.0% [9.5, 90.5] 1 1 dog 1 100.0% [20.7, 100.0] 1" in shown
    assert "number 1 cat dog with 75.0%" in shown and "taken for. Intervals are" in shown
    (tmp_path / "with" / predictions.FILE).write_bytes(b"other")  # no answers of this run
    again = write(tmp_path / "with", {**RESULT, "provenance": provenance})
    assert "Where it errs" not in text_of(again)


def test_it_shows_the_images_that_it_mistook_where_they_are_at_hand(tmp_path):
    own = predictions.pack(np.array([0, 1, 1]), np.array([0.9, 0.75, 0.5]), np.array([0, 0, 0]))
    (tmp_path / "one").mkdir()
    files = predictions.write(tmp_path / "one", own)
    result = {**RESULT, "provenance": {**RESULT["provenance"], "files": files}}
    pixels, asked = np.arange(64, dtype=np.uint8).reshape(8, 8, 1), []

    def look(config, labels, places):
        asked.append((config, labels.tolist(), [*places]))
        return {places[0]: (pixels, "cat/<1>.png")}

    path = write(tmp_path / "one", result, look=look)
    assert asked == [(CONFIG, [0, 0, 0], [1, 2])]
    html = path.read_text()
    assert html.count('<img class="whole-pixels" src="data:image/png;base64,') == 1
    assert 'width="96" height="96" alt="Test image 1: 0, taken for 1"' in html
    shown = text_of(path)
    assert "0 taken for 1 with 75.0% number 1 cat/&lt;1&gt;.png" in shown
    assert "0 taken for 1 with 50.0% number 2" in shown and "<details open>" in html
    if find_browser() is not None:
        assert "wider: false" in browse(path, tmp_path)


def test_a_run_that_diverged_says_where(tmp_path):
    lines = [LINES[0], {**dict.fromkeys(LINES[0]), "step": 100, "constant_loss": 2.3,
                        "diverged_at": 61}]  # fmt: skip
    facts = {"failed": True, "diverged": True, "diverged_at": 61, "test_accuracy": None,
             "test_loss": None, "test_ece": None, "test_brier": None, "validation_accuracy": None,
             "test_balanced_accuracy": None}  # fmt: skip
    shown = text_of(write(tmp_path / "one", {**RESULT, **facts}, lines))
    assert "The run diverged: its loss is no number from step 61 on" in shown
    assert "diverged at step 61" in shown and " nan " not in shown.lower()


def test_a_run_that_diverged_at_once_has_a_picture_too(tmp_path):
    lines = [{**dict.fromkeys(LINES[0]), "step": 100, "constant_loss": 2.3, "diverged_at": 1}]
    result = {**RESULT, "failed": True, "diverged_at": 1, "test_accuracy": None}
    assert "from step 1 on" in text_of(write(tmp_path / "one", result, lines))


def test_a_run_that_learned_nothing_says_so(tmp_path):
    shown = text_of(write(tmp_path / "one", {**RESULT, "failed": True}))
    assert "The run failed: its training loss is no better than a constant" in shown


def test_one_evaluation_is_enough_for_a_picture(tmp_path):
    assert "after step 100" in write(tmp_path / "one", lines=LINES[1:]).read_text()


@pytest.mark.parametrize("schedule", ["constant", "cosine", "step", "one_cycle", "triangular"])
def test_the_rate_is_the_one_in_force_at_each_step(schedule):
    config = Config(steps=8, schedule=schedule, warmup_steps=2, learning_rate=0.5)
    steps, rates = list_rates(config)
    assert steps == list(range(1, 9)) and rates[:2] == pytest.approx([0.25, 0.5])
    expected = {"constant": 0.5, "step": 0.005}
    assert rates[-1] == pytest.approx(expected.get(schedule, rates[-1]))
    assert max(rates) <= 0.5 + 1e-6
    assert len(list_rates(Config(steps=100_000, schedule=schedule))[0]) == MOST
    part = list_rates(dataclasses.replace(config, stop_at=5))
    assert part == list_rates(config, 5) == (steps[:5], rates[:5])


@pytest.mark.skipif(find_browser() is None, reason="no Chromium on this machine")
def test_in_a_browser_it_asks_for_nothing_and_is_no_wider_than_a_telephone(tmp_path):
    found = browse(write(tmp_path / "one"), tmp_path)
    assert found[0] == "requests: 0" and "wider: false" in found


def test_it_names_the_classes_where_they_are_known(tmp_path):
    named = {**RESULT["provenance"], "class_names": ["cat", "dog"]}
    assert "classes cat, dog" in text_of(write(tmp_path / "one", {**RESULT, "provenance": named}))
    assert "classes" not in text_of(write(tmp_path / "two"))
