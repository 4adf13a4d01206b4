"""What a space holds, as --space takes it."""

import numpy as np
import pytest

from cnnjax.config.errors import ConfigError
from cnnjax.config.knobs import check_value
from cnnjax.config.rules import KNOBS
from cnnjax.study import space
from cnnjax.study.space import Axis

TEXTS = (
    "learning_rate=log:1e-4..1e-1", "label_smoothing = 0..0.3", "batch_size=log:16..256",
    "pool=max, avg ,blur", "widths=8x16,32", "steps=100..103",
)  # fmt: skip


def test_a_space_is_ranges_and_choices_in_the_order_given():
    found = space.parse_space(TEXTS)
    assert list(found.items()) == [
        ("learning_rate", Axis(1e-4, 1e-1, is_log=True)),
        ("label_smoothing", Axis(0.0, 0.3)),
        ("batch_size", Axis(16, 256, is_log=True, is_whole=True)),
        ("pool", Axis(choices=("max", "avg", "blur"))),
        ("widths", Axis(choices=((8, 16), (32,)))),
        ("steps", Axis(100, 103, is_whole=True)),
    ]
    assert [axis.describe() for axis in found.values()] == [
        "log:0.0001..0.1", "0..0.3", "log:16..256", "max,avg,blur", "8,16,32", "100..103",
    ]  # fmt: skip


def test_a_place_of_the_unit_cube_is_a_setting():
    found = space.parse_space(TEXTS)
    assert space.read_setting(found, [0.5] * 6) == {
        "learning_rate": 0.003162, "label_smoothing": 0.15, "batch_size": 63, "pool": "avg",
        "widths": (32,), "steps": 102,
    }  # fmt: skip
    assert space.read_setting(found, [0.0] * 6) == {
        "learning_rate": 1e-4, "label_smoothing": 0.0, "batch_size": 16, "pool": "max",
        "widths": (8, 16), "steps": 100,
    }  # fmt: skip
    assert space.read_setting(found, [1.0] * 6) == {
        "learning_rate": 1e-1, "label_smoothing": 0.3, "batch_size": 256, "pool": "blur",
        "widths": (32,), "steps": 103,
    }  # fmt: skip


def test_every_value_of_an_axis_is_as_likely_as_its_scale_says():
    found = space.parse_space(TEXTS)
    places = (np.arange(1200) + 0.5) / 1200
    steps = [found["steps"].read(place) for place in places]
    assert [steps.count(step) for step in range(100, 104)] == [300] * 4
    pools = [found["pool"].read(place) for place in places]
    assert [pools.count(pool) for pool in ("max", "avg", "blur")] == [400] * 3
    rates = [found["learning_rate"].read(place) for place in places]
    assert [sum(10.0**e <= rate < 10.0 ** (e + 1) for rate in rates) for e in (-4, -3, -2)] == (
        [400] * 3
    )


@pytest.mark.parametrize("text", TEXTS)
def test_every_value_is_one_that_the_knob_allows(text):
    ((name, axis),) = space.parse_space([text]).items()
    for place in np.linspace(0, 1, 101):
        check_value(KNOBS[name], axis.read(place))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no values"),
        ("learning_rate", "names no values"),
        ("learning_rat=0.1..1", "did you mean learning_rate?"),
        ("learning_rate=1..0.1", "the lower end comes first"),
        ("learning_rate=0.1..0.1", "the lower end comes first"),
        ("learning_rate=0..1", "is not allowed"),
        ("learning_rate=1e-4-1e-1", r"a range is written LOW\.\.HIGH"),
        ("learning_rate=0.1", "at least two values"),
        ("weight_decay=log:0..1", "begin above 0"),
        ("pool=max..avg", "is no number"),
        ("flip=false..true", "is no number"),
        ("pool=max", "at least two values"),
        ("pool=max,max", "at least two values"),
        ("pool=max,mux", "did you mean"),
        ("pool=log:max,avg", "log: is of a range"),
        ("epochs=1..2", "give steps"),
        ("seed=0..9", "its luck"),
        ("seed_init=0..9", "its luck"),
        ("dataset=digits,strokes", "not what it is judged on"),
        ("test_split=test,validation", "not what it is judged on"),
        ("stop_at=10..20", "how it is run"),
    ],
)
def test_what_is_no_space_is_refused_in_words(text, said):
    with pytest.raises(ConfigError, match=said):
        space.parse_space([text])


def test_a_knob_has_one_axis_and_a_space_one_knob_at_least():
    with pytest.raises(ConfigError, match="given twice"):
        space.parse_space(["pool=max,avg", "pool=max,blur"])
    with pytest.raises(ConfigError, match="--space is missing"):
        space.parse_space([])


def test_the_ends_of_ranges_are_edges_and_those_of_choices_are_not():
    found = space.parse_space(["learning_rate=log:1e-4..1e-1", "pool=max,avg"])
    assert space.find_edges(found, (0.99, 0.99)) == ["learning_rate"]
    assert space.find_edges(found, (0.01, 0.01)) == ["learning_rate"]
    assert space.find_edges(found, (0.5, 0.01)) == []
