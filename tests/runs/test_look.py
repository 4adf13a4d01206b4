"""What a finished run learned, as its measures have it and as its page shows it."""

import dataclasses
import json
import re

import jax
import numpy as np
import pytest

from cnnjax.config.errors import ConfigError
from cnnjax.data.source import spread_places
from cnnjax.measures import filters, similarity
from cnnjax.runs import look
from cnnjax.runs.load import load_run
from cnnjax.runs.train import train_run
from experiments import look as look_script
from experiments import script

OPTAX = True  # see conftest.py


@pytest.fixture(scope="module")
def subject(folder, where):
    with jax.numpy_dtype_promotion("standard"):
        return look.open_subject(load_run(folder), where, 3)


def test_it_answers_as_the_run_does(subject, digits):
    """Images, labels and logits are those of the run's own test split."""
    assert np.array_equal(subject.images, digits.test.images)
    assert np.array_equal(subject.labels, digits.test.labels)
    answers = subject.run.predict(digits.test.images).argmax(axis=1)
    own = np.asarray(subject.observed.logits)[: len(answers)].argmax(axis=1)
    assert np.array_equal(own, answers)


def test_images_are_shown_of_each_class_in_turn():
    labels = np.array([4, 4, 1, 4, 0, 1])
    assert look.choose_places(labels, 5).tolist() == [4, 2, 0, 5, 1]
    assert look.choose_places(labels, 99).tolist() == [4, 2, 0, 5, 1, 3]


def test_the_channels_of_most_contrast_stand_side_by_side():
    units = np.arange(20.0).reshape(4, 5, 1) * np.arange(12)  # the last channels vary most
    found = look.spread_channels(units)
    assert found.shape == (4, look.CHANNELS * 6 - 1)
    np.testing.assert_allclose(found[:, :5], units[:, :, 4], rtol=1e-6)
    assert np.isnan(found[:, 5]).all()
    assert look.spread_channels(np.ones(7)).shape == (1, 7)


def test_kernels_are_those_of_the_first_layer(subject):
    found = look.look_at_filters(subject)
    kernel = subject.run.params["conv_1"]["kernel"]
    assert np.array_equal(found.kernels, kernel)
    own = filters.find_selectivity(filters.find_patterns(kernel))
    np.testing.assert_allclose(found.selectivity, own, rtol=1e-5)


def test_maps_are_seen_of_each_layer(subject):
    shown = look.look_at_maps(subject)
    assert [own.place for own in shown] == subject.places.tolist()
    assert [*shown[0].pictures] == ["conv_1", "head/dense_1"]
    assert shown[0].label == subject.name(subject.labels[subject.places[0]])


def test_explanations_change_as_layers_are_drawn_anew(subject):
    """From the logits down to the first layer; with all drawn anew little is left."""
    found = look.look_at_saliency(subject)
    assert found.layers == ["head/logits", "head/dense_1", "conv_1"]
    assert all(len(own) == 3 for own in found.cascade.values())
    assert max(found.cascade["saliency_gradient"]) < 0.9
    last = {name: own[-1] for name, own in found.cascade.items()}
    assert found.scores == {**last, "saliency_completeness": found.scores["saliency_completeness"]}
    assert found.scores["saliency_completeness"] < 0.01
    measured = look.measure(subject, "saliency")  # of other images
    assert measured.keys() == found.scores.keys()
    assert found.shown[0].pictures["saliency_gradient"].shape == (8, 8)


def test_a_network_is_like_itself(subject):
    (found,) = look.look_at_similarity([subject])
    assert found.rows == found.columns == ["conv_1", "head/dense_1"]
    np.testing.assert_allclose(np.diag(found.values), 1, atol=1e-4)


def test_the_field_lies_within_what_could_be_seen(subject):
    found = look.look_at_field(subject)
    assert 0 < found.side <= found.most and found.weights.max() == pytest.approx(1)


def stop():
    return script.Stop("nothing was written")


def test_the_page_has_its_numbers_beside_it(folder, where, tmp_path, capsys):
    argv = ["look", str(folder), f"--out={tmp_path / 'out'}", "--what=filters,probes",
            f"--data_dir={where.data_dir}"]  # fmt: skip
    assert look_script.main(argv, stop()) == 0
    page = (tmp_path / "out/look.html").read_text(encoding="utf-8")
    numbers = json.loads((tmp_path / "out/look.json").read_text(encoding="utf-8"))
    assert [*numbers] == ["filters", "probes"]
    last = numbers["probes"]["probe_last"]
    assert f"{100 * last:.1f}%" in page
    assert not re.search(r"<(script|link|iframe)\b|@import|url\(http|src=", page)
    assert str(tmp_path / "out/look.html") in capsys.readouterr().out
    assert look_script.main(argv, stop()) == 0  # again, over its own page


@pytest.fixture(scope="module")
def permuted(config, where, tmp_path_factory):
    """A run of another seed whose images have their pixels in another order."""
    folder = tmp_path_factory.mktemp("run") / "permuted"
    with jax.numpy_dtype_promotion("standard"):
        other = dataclasses.replace(config, permute_pixels=True, seed=1)
        train_run(other, folder, where)
        return look.open_subject(load_run(folder), where, 3)


def test_runs_are_compared_on_images_as_each_sees_them(subject, permuted):
    own, other = look.look_at_similarity([subject, permuted])
    assert own.names != other.names and other.values.shape == (2, 2)
    assert (other.values < 0.98).all()
    images = [each.prepare(spread_places(1000, 256)) for each in (subject, permuted)]
    features = [similarity.find_features(*each.network, seen)
                for each, seen in zip((subject, permuted), images, strict=True)]  # fmt: skip
    np.testing.assert_allclose(other.values, similarity.compare_layers(*features), atol=1e-4)


def test_runs_of_other_images_are_not_compared(subject):
    less = subject._replace(labels=subject.labels[1:])
    with pytest.raises(ConfigError, match="has other test images than"):
        look.look_at_similarity([subject, less])


def test_a_page_that_somebody_wrote_stays(folder, where, tmp_path):
    (tmp_path / "look.html").write_text("mine")
    argv = ["look", str(folder), f"--out={tmp_path}", "--what=filters",
            f"--data_dir={where.data_dir}"]  # fmt: skip
    with pytest.raises(ConfigError, match=r"look.html was written or changed by somebody"):
        look_script.main(argv, stop())
    assert (tmp_path / "look.html").read_text() == "mine"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "name the folder of a finished run"),
        (["runs/one"], "--out is missing: name a folder"),
        (["runs/one", "--out=x", "--what=kernels"], "--what=kernels is not allowed: give filters"),
        (["runs/one", "--out=x", "--what="], "--what= is not allowed: give filters"),
    ],
)
def test_what_is_not_named_is_asked_for(argv, said, capsys):
    with pytest.raises(SystemExit) as ended:
        look_script.main(["look", *argv], stop())
    assert ended.value.code == 2 and said in capsys.readouterr().err
