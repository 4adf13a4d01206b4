"""Damaged and hostile inputs end in one line that names them, or are read as what they are."""

import os
import warnings

import pytest

from experiments.endure import inputs

STEPS = {"arrays": 13, "idx": 9, "folder": 15, "flagfile": 4, "prepared": 11}  # of a kind: each nth


@pytest.fixture(scope="module")
def cases(data_dir, digits):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFDS_DATA_DIR", os.fspath(data_dir))  # where the digits are prepared
        yield inputs.list_cases()


def try_cases(cases):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # of NumPy, on numbers that are none
        outcomes = list(inputs.try_all(cases))
    faults = [f"{o.case.kind}: {o.case.name}: {o.found}: {o.said}" for o in outcomes if o.is_fault]
    assert not faults, "\n".join(faults)
    return outcomes


@pytest.mark.parametrize("kind", STEPS)
def test_some_inputs_of_each_kind(cases, kind):
    own = [case for case in cases if case.kind == kind and "of our own" not in case.name]
    outcomes = try_cases(own[:: STEPS[kind]])
    assert len(outcomes) >= 10
    assert {outcome.found for outcome in outcomes} == {"refused", "read"}


@pytest.mark.slow
def test_all_inputs(cases):
    outcomes = try_cases(cases)
    assert len({(outcome.case.kind, outcome.case.name) for outcome in outcomes}) == len(cases) > 900
    assert sum(outcome.seconds for outcome in outcomes) < 300
