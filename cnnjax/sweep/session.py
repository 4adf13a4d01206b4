"""A structure opened once, for any number of its lanes: mesh, data, numbers, executables.

Every run is one of these: a sweep, a run alone, a benchmark.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

import jax

from cnnjax.config.config import Config
from cnnjax.data.dataset import Dataset
from cnnjax.sweep import group, placement, results
from cnnjax.sweep.placed import GroupData, Shared, place_data
from cnnjax.training import optimizers, program


class Progress(NamedTuple):
    """Lanes between two steps; arrays lead with the lane axis."""

    states: program.State
    train: program.TrainScores | None  # sums since the last evaluation, None right after it


class Session(NamedTuple):
    """What lanes of one structure train by, `wave` of them at once."""

    structure: Config
    wave: int
    mesh: jax.sharding.Mesh
    data: GroupData
    executables: group.Executables
    seconds: float  # that opening took, most of them for compiling

    def stack(self, lanes: Sequence[Config]) -> optimizers.Numbers:
        """The numbers of at most a wave of lanes, filled up to one."""
        return placement.stack_numbers(lanes, self.mesh, self.data.spec, self.wave)

    def init(self, lanes: Sequence[Config]) -> program.State:
        """The lanes before their first step."""
        return self.executables.init(self.stack(lanes))

    def train(
        self, lanes: Sequence[Config], start: Progress | None = None, every: int = 0
    ) -> Iterator[group.Segment]:
        """Trains at most a wave of lanes, from their seeds or from `start`, to the last step.

        A segment ends wherever an evaluation is due, and after each multiple of `every` steps.
        """
        states, since = start or (None, None)
        return group.train_group(
            self.executables, self.structure, self.stack(lanes), self.data, states, every, since
        )

    def finish(
        self, lanes: Sequence[Config], states: program.State, curves: Sequence[list[dict[str, Any]]]
    ) -> list[results.Finished]:
        """What each lane comes to, given its learning curve. The test split is read here."""
        begun = group.measure_start(self.executables, self.stack(lanes), self.data)
        found = group.examine(self.executables, states, self.data)
        return [
            results.finish_lane(curve, begun, found, self.data, lane)
            for lane, curve in enumerate(curves)
        ]


def open_session(
    structure: Config, lanes: Sequence[Config], dataset: Dataset, shared: Shared | None = None,
    every: int = 0, starts: Collection[int] = (0,),
) -> Session:  # fmt: skip
    """Places the data and compiles everything for these lanes; runs nothing.

    They go in waves that fit the memory. Sessions of one data set may hand on what is `shared`.
    Training can begin after any number of steps in `starts`, with a checkpoint `every` so many.
    """
    begin = time.perf_counter()
    mesh = placement.make_group_mesh(structure, len(lanes), dataset)
    data = place_data(structure, dataset, mesh, shared)
    lengths = {own for start in starts for own in group.segment_lengths(structure, start, every)}
    chunk = placement.count_chunk(structure, data.spec, placement.platform_of(mesh))
    least, budget = mesh.shape["run"] * chunk, placement.memory_budget()
    wave = placement.fit_wave(structure, len(lanes), data.spec, mesh)
    while True:
        numbers = placement.stack_numbers(lanes[:wave], mesh, data.spec)
        executables = group.compile_group(structure, numbers, data, mesh, lengths)
        if wave <= least or group.memory_of(executables) <= budget:
            break
        wave = max(wave // 2 // least, 1) * least
    return Session(structure, wave, mesh, data, executables, time.perf_counter() - begin)
