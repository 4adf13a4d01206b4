"""A program that is compiled serves whoever comes later with as many lanes."""

import dataclasses

import pytest

from cnnjax.sweep import runner, session, sessions
from cnnjax.sweep.sessions import Sessions

OPTAX = True  # see conftest.py


@pytest.fixture
def opened(monkeypatch):
    """The number of lanes of each session that was opened anew."""
    counts = []

    def open_one(structure, lanes, *others, **given):
        counts.append(len(lanes))
        return session.open_session(structure, lanes, *others, **given)

    monkeypatch.setattr(sessions, "open_session", open_one)
    return counts


def make_lanes(tiny, rates):
    return [dataclasses.replace(tiny, learning_rate=rate) for rate in rates]


def test_a_batch_of_a_search_finds_the_program_of_the_one_before(tiny, digits, opened):
    kept = Sessions()
    first, second = make_lanes(tiny, (0.01, 0.02)), make_lanes(tiny, (0.03, 0.04))
    done = [*runner.run_lanes(first, digits, sessions=kept)]
    later = [*runner.run_lanes(second, digits, sessions=kept)]
    assert opened == [2]
    alone = [*runner.run_lanes(second, digits)]
    assert opened == [2, 2]
    assert [own.metrics for own in later] == [own.metrics for own in alone]
    assert [own.scores for own in later] == [own.scores for own in alone]
    assert done[0].compile_seconds > 0 and later[0].compile_seconds == 0


def test_another_structure_or_checkpoint_is_another_program(tiny, digits, opened):
    kept = Sessions()

    def open_for(every=0, **changes):
        lanes = [dataclasses.replace(tiny, **changes, seed=seed) for seed in (0, 1)]
        return kept.open(lanes[0], lanes, digits, every, None, "auto")

    first = open_for()
    assert open_for().executables is first.executables and len(opened) == 1
    assert open_for(pool="avg").executables is not first.executables
    assert open_for(every=3).executables is not first.executables
    assert open_for().executables is first.executables and len(opened) == 3


def test_a_program_of_many_more_places_than_lanes_is_left_alone():
    def fits(wave, least, lanes, widest=False):
        own = session.Session(*[None] * len(session.Session._fields))
        return sessions.fits(own._replace(wave=wave, least=least), widest, lanes)

    assert fits(8, 2, 8) and fits(8, 2, 6) and fits(8, 2, 16) and fits(8, 2, 15)
    assert not fits(8, 2, 5) and not fits(8, 2, 1) and not fits(16, 2, 20)
    assert fits(2, 2, 1) and fits(8, 8, 1)  # no smaller one can be
    assert not fits(2, 2, 20) and fits(2, 2, 20, widest=True)  # nor a wider one


def test_one_that_did_not_fit_the_memory_is_not_tried_again(tiny, digits, opened, monkeypatch):
    train, kept = session.Session.train, Sessions()

    def refuse(self, lanes, *others):
        if self.wave > 2:
            raise MemoryError
        return train(self, lanes, *others)

    monkeypatch.setattr(session.Session, "train", refuse)
    lanes = make_lanes(tiny, (0.01, 0.02, 0.03, 0.04))
    for _ in range(2):
        assert len([*runner.run_lanes(lanes, digits, sessions=kept)]) == 4
    assert opened == [4, 4]


def test_the_newest_few_are_kept(tiny, digits, opened, monkeypatch):
    monkeypatch.setattr(sessions, "MOST", 1)
    kept = Sessions()
    for pool in ("max", "avg", "max"):
        lanes = [dataclasses.replace(tiny, pool=pool, seed=seed) for seed in (0, 1)]
        kept.open(lanes[0], lanes, digits, 0, None, "auto")
    assert len(opened) == 3
