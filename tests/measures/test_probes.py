"""What is read linearly off layers, beside scikit-learn and of classes that are made of parts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import RidgeCV

from cnnjax.config.config import make_config
from cnnjax.data.batches import Batches
from cnnjax.data.builders import drawings
from cnnjax.measures import probes
from tests.training.test_program import make_functions


@pytest.fixture
def drawn():
    """Features [n, p] and classes [n] that some of them tell, one feature being constant."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 120)
    values = rng.normal(size=(120, 30)) * rng.uniform(0.1, 10, 30) + 3
    values[:, :4] += 2 * np.eye(4)[labels]
    values[:, 7] = 5
    return values.astype(np.float32), labels


def fit(values, labels, mask=None):
    mask = np.ones(len(labels), np.float32) if mask is None else mask
    return probes.fit_probe(probes.Features(jnp.asarray(values), jnp.asarray(mask)),
                            jax.nn.one_hot(labels, 4))  # fmt: skip


@pytest.mark.parametrize("count", [120, 20])  # more images than features, and fewer
def test_a_probe_is_the_ridge_regression_of_scikit_learn(drawn, count):
    values, labels = drawn[0][:count], drawn[1][:count]
    probe = fit(values, labels)
    scale = np.where(np.ptp(values, axis=0) > 0, values.std(axis=0), np.inf)
    standard = (values - values.mean(axis=0)) / scale
    theirs = RidgeCV(alphas=np.array(probes.RIDGES) * count)
    theirs.fit(standard.astype(float), np.eye(4)[labels])
    assert float(probe.ridge) == pytest.approx(theirs.alpha_)
    np.testing.assert_allclose(probe.kernel, theirs.coef_.T, atol=2e-4)
    np.testing.assert_allclose(probe(values), theirs.predict(standard), atol=1e-3)


def test_padding_has_no_say(drawn):
    values, labels = drawn
    padded = np.concatenate([values, 100 + values[:30]])
    mask = np.repeat([1, 0], [120, 30]).astype(np.float32)
    probe = fit(padded, np.concatenate([labels, labels[:30]]), mask)
    np.testing.assert_allclose(probe.kernel, fit(values, labels).kernel, atol=1e-5)
    features = probes.Features(jnp.asarray(padded), jnp.asarray(mask))
    right = (probe(values).argmax(axis=1) == labels).mean()
    wrong = np.concatenate([labels, labels[:30] * 0 - 1])
    assert probes.score_classes(probe, features, wrong) == pytest.approx(right)


def test_what_is_constant_says_nothing_though_it_is_rounded(drawn):
    """One tenth in single precision is not its own mean."""
    values, labels = drawn
    values = values.copy()
    values[:, 3] = 0.1
    probe = fit(values, labels)
    moved = values.copy()
    moved[:, 3] += 0.05
    assert np.array_equal(probe(values), probe(moved))


def test_of_a_large_split_some_images_are_taken_from_all_over_it(monkeypatch):
    monkeypatch.setattr(probes, "MOST", 20)
    labels = np.arange(60).reshape(12, 5)
    found = probes.take(Batches(labels, labels, labels))
    assert found.labels.shape == (4, 5) and found.labels[-1, -1] == 59
    monkeypatch.setattr(probes, "MOST", 100)
    assert np.array_equal(probes.take(Batches(labels, labels, labels)).labels, labels)


def test_maps_are_read_by_what_is_there_wherever_it_is():
    maps = np.random.default_rng(0).normal(size=(3, 4, 5, 2)).astype(np.float32)
    found = probes.summarise(jnp.asarray(maps))
    assert found.shape == (3, 4)
    moved = probes.summarise(jnp.roll(maps, (1, 2), axis=(1, 2)))
    np.testing.assert_allclose(found, moved, rtol=1e-6)
    assert np.array_equal(found[:, :2], maps.max(axis=(1, 2)))
    units = jnp.ones((3, 7))
    assert probes.summarise(units) is units


def test_strokes_are_wholes_of_two_parts():
    parts = drawings.stroke_parts()
    assert parts.shape == (12, 4) and (parts.sum(axis=1) == 2).all()
    for name, own in zip(drawings.ARRANGEMENTS, parts, strict=True):
        assert {part for part, is_there in zip(drawings.STROKES, own, strict=True) if is_there} == (
            set(name.split(" left of "))
        )
    # Whoever knows the parts alone is right in half of the cases.
    assert len(np.unique(parts, axis=0)) == 6


@pytest.fixture
def examined(digits):
    """What the measure finds of an untrained network on digits that are said to have parts."""
    config = make_config(
        {"widths": (4, 6), "hidden": (5,), "pool_every": 1, "train_examples": 48,
         "batch_size": 16, "steps": 2, "measure": ("probes",)}
    )  # fmt: skip

    def examine(parts=None):
        functions, data, numbers = make_functions(config, digits._replace(parts=parts))
        found = jax.device_get(
            jax.jit(functions.examine)(functions.init(numbers), data.validation, data.test)
        )
        return probes.finish(found["measures"]["probes"], data.spec)

    return examine


def test_each_layer_is_read_and_the_way_from_the_first_to_the_last(examined):
    found = examined()
    by_layer = found["probe_by_layer"]
    assert [*by_layer] == ["conv_1", "conv_2", "head/dense_1"]
    assert found["probe_first"] == by_layer["conv_1"] > 0.15  # of ten classes
    assert found["probe_last"] == by_layer["head/dense_1"]
    assert found["probe_rise"] == pytest.approx(found["probe_last"] - found["probe_first"])
    assert not any(name.startswith("probe_parts") for name in found)


def test_parts_are_read_where_classes_have_them(examined):
    """A part that all images have is always read rightly, and one of even digits not always."""
    always = examined(np.ones((10, 1)))
    assert set(always["probe_parts_by_layer"].values()) == {1.0}
    even = examined(np.eye(2)[np.arange(10) % 2])
    assert 0.5 < even["probe_parts_first"] < 1
