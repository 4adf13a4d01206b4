"""A finished run can be opened, saved and asked what it sees, whatever device trained it."""

import dataclasses
import json
import pathlib
import re
import shutil
import sys
import warnings

import numpy as np
import pytest

import cnnjax
from cnnjax.config.knobs import ConfigError
from cnnjax.records import predictions, weights
from cnnjax.records.atomic import write_json
from cnnjax.records.plugins import hash_files
from cnnjax.runs import picture, run
from cnnjax.runs.load import load_run
from cnnjax.runs.train import claim, train_run
from cnnjax.sweep import runner
from tests.outside import METRIC, forget

OPTAX = True  # see conftest.py


def accuracy(own, split):
    return (own.predict(split.images).argmax(axis=1) == split.labels).mean()


def test_a_run_opens_and_predicts_what_its_scores_say(folder, config, digits):
    own = load_run(folder)
    assert own.config == config and own.path == folder
    found = own.predict(digits.test.images)
    assert found.shape == (len(digits.test.labels), 10) and found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    assert accuracy(own, digits.test) == pytest.approx(own.scores["test_accuracy"], abs=1e-6)
    assert accuracy(own, digits.validation) == pytest.approx(own.metrics[-1]["validation_accuracy"])
    assert [line["step"] for line in own.metrics] == [30, 60]
    assert own.class_names == tuple(digits.class_names) and len(own.class_names) == 10
    assert "by_image" not in own.scores and "by_image" in own.record


def test_weights_say_of_what_type_images_are_stored_and_older_ones_do_not(folder, tmp_path):
    assert load_run(folder).input.dtype == "uint8"
    shutil.copytree(folder, tmp_path / "older")
    tree, about = weights.load(folder / "final.safetensors")
    del about["input"]["dtype"]
    weights.save(tmp_path / "older" / "final.safetensors", tree, about)
    assert load_run(tmp_path / "older").input.dtype == ""


@pytest.mark.slow
@pytest.mark.parametrize("given", [{"model": "mlp_twin"}, {"widths": (4, 4, 4, 4, 4)}])
def test_it_predicts_with_the_network_that_was_trained(given, digits, where):
    own = cnnjax.train(**given, data_dir=where.data_dir, hidden=(8,), steps=2, eval_every=0)
    assert accuracy(own, digits.test) == pytest.approx(own.scores["test_accuracy"], abs=1e-6)


def test_few_images_are_answered_as_many_are(folder, digits):
    own = load_run(folder)
    images = digits.test.images[:5]
    whole = own.predict(digits.test.images)[:5]
    np.testing.assert_allclose(own.predict(images), whole, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(own.predict(images.astype(float)), whole, rtol=1e-4, atol=1e-6)
    assert own.predict(images[:0]).shape == (0, 10)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 9, 8, 1)), r"\[2, 9, 8, 1\].*\[N, 8, 8, 1\]"),
        (np.zeros((8, 8, 1)), r"\[8, 8, 1\], and this network takes"),
        (np.array([[[["a"]]]] * 2), "this network takes"),
        (np.full((1, 8, 8, 1), "a"), "give bytes or floats"),
        ([np.zeros((8, 8, 1)), np.zeros((9, 8, 1))], "differ in shape"),
        (np.full((1, 8, 8, 1), np.nan), "hold NaN or infinity"),
        (np.full((1, 8, 8, 1), -np.inf), "hold NaN or infinity"),
        (np.full((2, 8, 8, 1), -0.5), "hold -0.5, and pixels of the training images are 0 or more"),
    ],
)
def test_other_images_are_refused_in_one_line(folder, images, message):
    with pytest.raises(ConfigError, match=message) as error:
        load_run(folder).predict(images)
    assert "\n" not in str(error.value)


def test_a_run_in_memory_is_the_run_in_a_folder(folder, config, where, digits, tmp_path):
    kept, own = load_run(folder), run.train(config, where)
    assert own.scores["test_accuracy"] == kept.scores["test_accuracy"]
    assert own.metrics == kept.metrics and own.path is None
    kernel, other = (weights_of(each)["conv_1/kernel"] for each in (own, kept))
    assert kernel.tobytes() == other.tobytes()
    saved = load_run(own.save(tmp_path / "saved"))
    assert saved.metrics == own.metrics and saved.config == config
    np.testing.assert_array_equal(
        saved.predict(digits.test.images), own.predict(digits.test.images)
    )
    for each in (own, kept, saved):
        assert each.predictions is not None
        found = each.predict(digits.test.images)
        np.testing.assert_array_equal(each.predictions.predicted, found.argmax(axis=1))
        np.testing.assert_allclose(each.predictions.probability, found.max(axis=1), atol=1e-3)
    with pytest.raises(ConfigError, match="is there already"):
        own.save(tmp_path / "saved")


def weights_of(own):
    return dict(weights._flatten(own.params))


@pytest.mark.parametrize(
    "own",
    [
        {"permute_pixels": True},
        {"ema_decay": 0.9},
        {"lookahead": 5},
        {"views": "mirror_shift"},
        {"head": "global_gem", "squeeze_ratio": 2},
        {"norm": "batch", "standardise": "all"},
        {"standardise": "none"},
        {"image_size": 12},
        {"first_layer": "whitened"},
    ],
)
def test_the_average_and_the_pixels_are_those_that_were_judged(own, config, where, digits):
    trained = run.train(dataclasses.replace(config, **own), where)
    assert accuracy(trained, digits.test) == pytest.approx(
        trained.scores["test_accuracy"], abs=1e-6
    )


def test_weights_that_were_not_kept_are_written_from_the_last_checkpoint(folder, config, where):
    other = folder.with_name("other")
    shutil.copytree(folder, other)
    (other / weights.NAMES["final"]).unlink()
    own = load_run(other)
    for ask in (lambda: own.params, lambda: own.predict([]), lambda: own.save(folder / "new")):
        with pytest.raises(ConfigError, match="--keep=final writes it"):
            ask()
    before = (other / "result.json").read_bytes()
    train_run(config, other, where)
    assert (other / weights.NAMES["final"]).read_bytes() == (
        folder / weights.NAMES["final"]
    ).read_bytes()
    assert (other / "result.json").read_bytes() == before


def test_without_its_weights_a_run_says_what_its_record_does(folder, config, tmp_path):
    whole = load_run(folder)
    shutil.copytree(folder, tmp_path / "one")
    (tmp_path / "one" / weights.NAMES["final"]).unlink()
    own = load_run(tmp_path / "one")
    assert own.final is None and own.config == config and own.scores == whole.scores
    assert own.class_names == whole.class_names and own.metrics == whole.metrics
    assert own.predictions is not None and whole.predictions is not None
    np.testing.assert_array_equal(own.predictions.predicted, whole.predictions.predicted)
    assert "test accuracy" in repr(own) and "<svg" in own._repr_html_()


def test_lost_predictions_are_told_and_the_scores_stay_good(folder, config, where, tmp_path):
    shutil.copytree(folder, tmp_path / "one")
    (tmp_path / "one" / predictions.FILE).unlink()
    with pytest.warns(UserWarning, match="predictions.npz is gone") as said:
        own = load_run(tmp_path / "one")
    assert len(said) == 1 and "\n" not in str(said[0].message)
    assert own.predictions is None and own.scores == load_run(folder).scores
    assert train_run(config, tmp_path / "one", where) == own.record
    assert not (tmp_path / "one" / predictions.FILE).exists()  # it is finished


@pytest.mark.parametrize("kept", [True, False])
def test_a_run_of_a_plug_in_that_is_not_loaded_names_it(outside, tmp_path, kept):
    from cnnjax.config import plugins
    from cnnjax.config.config import make_config

    modules = set(sys.modules)
    hits = pathlib.Path(outside["beside"]).with_name("hits.py")
    hits.write_text(METRIC)
    plugins.load([outside["squeeze_outside"], outside["gem_outside"], str(hits)])
    folder = tmp_path / "run"
    config = make_config({"model": "squeeze", "se_ratio": 2, "measure": ("hits",)})
    claim(folder, config, {"origin": {"plugins": hash_files(config)}})
    provenance = json.loads((folder / "provenance.json").read_text())
    provenance |= {"date": "2026-11-01", "packages": {}}
    scores = {"failed": False, "diverged_at": None, "test_accuracy": 0.5}
    sizes = {"num_test_examples": 10, "num_parameters": 10}
    write_json(folder / "result.json", {**scores, **sizes, "provenance": provenance})
    assert load_run(folder).config == config
    forget(modules)
    if not kept:
        shutil.rmtree(folder / "plugins")
    text = r"its text is .*/run/plugins/\w{16}\.py" if kept else "its text was not kept"
    every = [rf"--plugin={name}.py \({text}\)" for name in ("hits", "squeeze_outside")]
    with pytest.raises(ConfigError) as error:
        load_run(folder)
    assert all(re.search(own, str(error.value)) for own in every)
    assert "gem" not in str(error.value) and "\n" not in str(error.value)


def test_nothing_is_kept_where_it_is_not_asked_for(config, where, tmp_path, digits):
    train_run(config, tmp_path / "none", where, keep="none")
    assert not (tmp_path / "none" / weights.NAMES["final"]).exists()
    (result,) = runner.run_lanes([config], digits)
    assert isinstance(result, runner.Result) and result.final is None


def declare_bent(slope):
    """As a notebook's cell that may run again."""
    code = "@cnnjax.activation('bent')\ndef bent(units):\n    return units * SLOPE\n"
    exec(code.replace("SLOPE", slope), {"__name__": "__cell__", "cnnjax": cnnjax})


@pytest.fixture
def bent(config, where, outside):
    declare_bent("2.0")
    return run.train(
        dataclasses.replace(config, activation="bent", steps=2, eval_every=2, batch_size=8), where
    )


def test_what_is_declared_again_is_what_predicts(bent, digits, tmp_path):
    first = bent.predict(digits.test.images[:4])
    folder = bent.save(tmp_path / "bent")
    declare_bent("-7.0")
    assert np.abs(bent.predict(digits.test.images[:4]) - first).max() > 1e-3
    with pytest.warns(UserWarning, match="another text of __cell__:bent than") as said:
        load_run(folder)
    assert len(said) == 1 and "\n" not in str(said[0].message)
    declare_bent("2.0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = load_run(folder)
    np.testing.assert_array_equal(again.predict(digits.test.images[:4]), first)


def test_a_folder_without_a_run_is_said(tmp_path):
    with pytest.raises(ConfigError, match="is no folder of a run"):
        load_run(tmp_path / "gone")
    with pytest.raises(ConfigError, match="neither config.json nor record.json"):
        load_run(tmp_path)
    weights.save(tmp_path / weights.NAMES["final"], {"a": np.ones(2)})
    with pytest.raises(ConfigError, match="what run it is of"):
        load_run(tmp_path)


@pytest.mark.parametrize("name", ["result.json", "metrics.jsonl"])
def test_a_file_that_is_not_whole_is_named(folder, tmp_path, name):
    shutil.copytree(folder, tmp_path / "one")
    whole = (tmp_path / "one" / name).read_bytes()
    (tmp_path / "one" / name).write_bytes(whole[: len(whole) // 2 - 1])
    with pytest.raises(ConfigError, match=f"{name} is not whole") as error:
        load_run(tmp_path / "one")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["result.json", "metrics.jsonl"])
def test_a_file_that_was_changed_is_named(folder, tmp_path, name):
    shutil.copytree(folder, tmp_path / "one")
    text = (tmp_path / "one" / name).read_text()
    (tmp_path / "one" / name).write_text(text.replace('_accuracy": 0.', '_accuracy": 0.9'))
    with pytest.raises(ConfigError, match=f"{name} was changed .* checksum") as error:
        load_run(tmp_path / "one")
    assert "\n" not in str(error.value)


def test_a_notebook_shows_words_and_curves(folder):
    own = load_run(folder)
    assert repr(own).startswith("Run(cnn on digits") and "test accuracy" in repr(own)
    shown = own._repr_html_()
    assert shown.count("<svg") == 2 and shown.count("<polyline") == 4
    lines = [{"step": 1, "train_loss": None}, {"step": 2, "train_loss": float("nan")}]
    assert "<svg" not in picture.show_run("<b>", "failed", lines)
    assert "&lt;b&gt;" in picture.show_run("<b>", "failed", lines)


def test_the_file_says_what_it_is_of(folder, config):
    about = weights.load(folder / weights.NAMES["final"]).about
    assert about["config"] == json.loads((folder / "config.json").read_text())
    assert about["input"]["image_shape"] == [8, 8, 1]
