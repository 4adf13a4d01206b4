"""Successive halving: how far each trial of a search is trained. Imports no JAX.

Trials stand in as many places as a compiled program has lanes. All of them go on by the same
number of steps; who has come to a rung leaves its place to the best that wait there, or to a new
trial (Jamieson and Talwalkar 2016, made asynchronous as by Li et al. 2020, but in rounds, so that
it follows from the records alone).
"""

import math
from collections.abc import Callable, Mapping, Sequence

ETA = 3  # of so many at a rung the best one goes on
RUNGS = 3  # the last of which is the whole run

# The score of a trial after so many steps; NaN where it failed, None where it is not recorded.
Score = Callable[[int, int], float | None]


def list_stops(steps: int, eval_every: int) -> tuple[int, ...]:
    """The rungs of a run, in steps: about a ninth, a third, and all.

    They are where a run is evaluated anyhow, unless it is so too seldom for that. Of a run of less
    than four steps there are fewer.
    """
    for every in (eval_every or 1, 1):
        unit = max(round(steps / ETA ** (RUNGS - 1) / every), 1) * every
        rungs = (*(unit * ETA**rung for rung in range(RUNGS - 1)), steps)
        if rungs[-2] < steps:
            return rungs
    return (*(stop for stop in rungs[:-1] if stop < steps), steps)


def replay(
    num_trials: int, places: int, stops: Sequence[int], score: Score
) -> dict[int, list[int]]:
    """To which steps each trial, by its number, is wanted so far, one after the other.

    Those of the last round may have no record yet; where all have, nothing more is wanted.
    """
    reached: dict[int, list[int]] = {}
    while True:
        going = [number for number, own in reached.items() if own[-1] not in stops]
        waiting = _promote(reached, stops, score, places - len(going))
        first, free = len(reached), places - len(going) - len(waiting)
        fresh = list(range(first, min(first + free, num_trials)))
        now = [*going, *waiting, *fresh] or _promote_last(reached, stops, score)
        if not now:
            return reached
        for number in now:
            own = reached.setdefault(number, [])
            own.append(min((own[-1] if own else 0) + stops[0], stops[-1]))
        if any(score(number, reached[number][-1]) is None for number in now):
            return reached


def _promote(
    reached: Mapping[int, Sequence[int]], stops: Sequence[int], score: Score, most: int
) -> list[int]:
    """Trials that go on from their rung, those of higher rungs first."""
    chosen: list[int] = []
    for stop in reversed(stops[:-1]):
        there = [number for number, own in reached.items() if stop in own]
        best = _rank(there, stop, score)[: len(there) // ETA]
        chosen += [number for number in best if reached[number][-1] == stop]
    return chosen[: max(most, 0)]


def _promote_last(
    reached: Mapping[int, Sequence[int]], stops: Sequence[int], score: Score
) -> list[int]:
    """The best trial of the highest rung, where nobody came further: one is trained to the end."""
    for stop in reversed(stops):
        there = [number for number, own in reached.items() if stop in own]
        if best := _rank(there, stop, score)[:1]:
            return best if stop != stops[-1] else []
    return []


def _rank(numbers: Sequence[int], stop: int, score: Score) -> list[int]:
    """Trials that did not fail, the best first and of equals the earlier."""
    found = {number: score(number, stop) for number in numbers}
    sound = {number: own for number, own in found.items() if own is not None and math.isfinite(own)}
    return sorted(sound, key=lambda number: (-sound[number], number))
