"""A trace of one segment is one that Perfetto opens, of training alone, and moves no number."""

import contextlib
import dataclasses
import gzip
import json

import jax
import pytest

from cnnjax.sweep import runner, tracing
from cnnjax.sweep.observer import Observer

OPTAX = True  # see conftest.py


def test_a_trace_is_of_the_program_and_moves_no_number(tiny, digits, tmp_path, capfd):
    lanes = [dataclasses.replace(tiny, seed=seed) for seed in range(2)]
    plain = [*runner.run_lanes(lanes, digits)]
    traced = [
        *runner.run_lanes(lanes, digits, Observer(take=tracing.make_tracer(tmp_path / "trace")))
    ]
    for one, other in zip(plain, traced, strict=True):
        assert isinstance(one, runner.Result) and isinstance(other, runner.Result)
        assert one.metrics == other.metrics and one.scores == other.scores
    (path,) = tracing.list_traces(tmp_path / "trace")
    assert [*path.parent.glob("*.xplane.pb")]
    with gzip.open(path) as file:
        events = json.load(file)["traceEvents"]
    named = [event for event in events if event.get("ph") == "X"]
    (whole,) = (event for event in named if event["name"] == tracing.NAME)
    begin, end = whole["ts"], whole["ts"] + whole["dur"]
    modules = {
        event["args"]["hlo_module"] for event in named if "hlo_module" in event.get("args", {})
    }
    assert modules
    inside = [event for event in named if begin <= event["ts"] <= end]
    assert len(inside) > 100
    assert not [event["name"] for event in named if "compile" in event["name"].lower()]
    out, error = capfd.readouterr()
    assert out == error == ""


@pytest.mark.parametrize(
    ("waves", "expected"), [([1], [0]), ([3], [1]), ([4, 4], [1]), ([1, 4], [0])]
)
def test_it_is_the_second_segment_or_the_only_one(tmp_path, monkeypatch, waves, expected):
    traced, taken = [], []

    @contextlib.contextmanager
    def trace(folder, **options):
        traced.append(len(taken))
        yield

    monkeypatch.setattr(jax.profiler, "trace", trace)
    take = tracing.make_tracer(tmp_path)
    for number in waves:
        for place in range(number):
            take(place, number, lambda: taken.append(None))
    assert traced == expected and len(taken) == sum(waves)
