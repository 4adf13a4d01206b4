"""Networks of lanes as they are judged, and those after the best evaluations so far."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from cnnjax.networks.models import Params, Stats
from cnnjax.sweep.best import find_best
from cnnjax.training import program

if TYPE_CHECKING:  # a session asks for these
    from cnnjax.sweep.session import Session


class Network(NamedTuple):
    """A lane as it is judged, in NumPy: its average's where it has one."""

    params: Params
    stats: Stats
    step: int  # after how many


def take(
    session: "Session", states: program.State, lanes: Sequence[int], steps: Sequence[int]
) -> list[Network]:
    """These lanes of states, which are each after its steps, in arrays of their own."""
    read = session.fetch(states, ["params", "batch_stats"] if states.ema is None else ["ema"])
    host = read.ema or program.Average(read.params, read.batch_stats)
    own = [jax.tree.map(lambda leaf, at=lane: np.array(leaf[at]), host) for lane in lanes]
    return [
        Network(average.params, average.batch_stats, steps[lane])
        for lane, average in zip(lanes, own, strict=True)
    ]


def renew(
    session: "Session", best: Sequence[Network | None],
    curves: Sequence[Sequence[Mapping[str, Any]]], states: program.State, steps: Sequence[int],
) -> list[Network | None]:  # fmt: skip
    """The best of each lane so far, after an evaluation of these states, each after its `steps`."""
    patience = session.structure.patience
    better = [
        lane for lane, (curve, step) in enumerate(zip(curves, steps, strict=True))
        if curve[-1]["step"] == step == find_best(curve, patience)
    ]  # fmt: skip
    if not better:
        return [*best]
    taken = dict(zip(better, take(session, states, better, steps), strict=True))
    return [taken.get(lane, before) for lane, before in enumerate(best)]


def put(
    session: "Session", states: program.State, networks: Sequence[Network | None]
) -> program.State:
    """The states with these networks in place of their own, where a lane has one: to be judged."""
    host = session.fetch(states)
    own = host.ema or program.Average(host.params, host.batch_stats)
    own = jax.tree.map(np.array, own)
    for lane, network in enumerate(networks):
        if network is not None:
            found = program.Average(network.params, network.stats)
            jax.tree.map(lambda leaf, new, at=lane: leaf.__setitem__(at, new), own, found)
    judged = {"ema": own} if host.ema else {"params": own.params, "batch_stats": own.batch_stats}
    return session.restore(states, host._replace(**judged))
