"""A structure opened once, for any number of its lanes: mesh, data, numbers, executables.

Every run is one of these: a sweep, a run alone, a benchmark. On many hosts each of its methods is
told to all of them by `multihost`, and `follow` calls the same one there.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax

from cnnjax.config.config import Config
from cnnjax.config.mesh import AUTO
from cnnjax.data.dataset import Dataset
from cnnjax.measures.examine import Examination
from cnnjax.sweep import group, judged, meshes, multihost, placement, results, start
from cnnjax.sweep.placed import GroupData, Shared, place_data
from cnnjax.training import optimizers, program


class Session(NamedTuple):
    """What lanes of one structure train by, `wave` of them at once."""

    structure: Config
    wave: int
    least: int  # lanes of the smallest wave
    mesh: jax.sharding.Mesh
    data: GroupData
    most: int  # steps that it trains at a stretch
    every: int  # steps after which a checkpoint may be due; 0 for at any cut
    executables: group.Executables
    seconds: float  # that opening took, most of them for compiling

    def stack(self, lanes: Sequence[Config]) -> optimizers.Numbers:
        """The numbers of at most a wave of lanes, filled up to one."""
        return placement.stack_numbers(lanes, self.mesh, self.data.spec, self.wave)

    def init(self, lanes: Sequence[Config]) -> program.State:
        """The lanes before their first step."""
        with multihost.together("init", lanes):
            return multihost.settle(self.executables.init(self.stack(lanes)))

    def restore(self, like: program.State, saved: Any) -> program.State:
        """Lanes as they were saved, in NumPy as process 0 has them, in place of others `like` them.

        Another process may leave `saved` out.
        """
        with multihost.together("restore"):
            whole = multihost.share(saved, like)
            return placement.put(whole, like.step.sharding)

    def rest_of(self, lane: Config, step: int) -> tuple[int, ...]:
        """What a lane has before it after so many steps, by which it may share a wave with others.

        Streamed lanes are after the same steps.
        """
        rest = group.rest_of(lane, step)
        return (*rest, step) if self.data.stream is not None else rest

    def train(
        self, lanes: Sequence[Config], states: program.State | None = None,
        starts: Sequence[int] = (),
    ) -> Iterator[group.Segment]:  # fmt: skip
        """Trains at most a wave of lanes to their ends, from their seeds or from `states`.

        Each is after so many steps as `starts` says, and all have the same rest before them. A
        segment ends wherever an evaluation or a checkpoint is due, or where it would be long.
        """
        starts = starts or [0] * len(lanes)
        lengths = self.cut(lanes, starts)
        with multihost.together("train", lanes, starts=[*starts], fresh=states is None):
            numbers = self.stack(lanes)
        segments = group.train_group(
            self.executables, self.structure, numbers, self.data, lengths, states,
            lanes[0].last_step,
        )  # fmt: skip
        for _ in lengths:
            with multihost.together("segment"):
                segment = multihost.settle(next(segments))
            yield segment

    def cut(self, lanes: Sequence[Config], starts: Sequence[int]) -> list[int]:
        """Steps of each segment that `train` takes of lanes after so many steps."""
        return group.wave_lengths(lanes, starts, self.every, self.most)

    def evaluate(self, states: program.State, step: int) -> group.Segment:
        """Lanes that were saved before they were evaluated, as at the end of their segment.

        The first of them is after so many steps.
        """
        with multihost.together("evaluate", step=step):
            scores = self.executables.evaluate_validation(states, self.data.validation)
            multihost.settle(scores)
        return group.Segment(step, states, scores, 0.0)

    def fetch(self, states: program.State, names: Sequence[str] = ()) -> program.State:
        """States whose parts so named, or all, are in NumPy."""
        with multihost.together("fetch", names=names):
            own = {name: getattr(states, name) for name in names or states._fields}
            return states._replace(**multihost.fetch(own))

    def measure_start(self, lanes: Sequence[Config]) -> program.Scores:
        """The lanes' sums over the validation split before their first step."""
        with multihost.together("measure_start", lanes):
            begun = group.measure_start(self.executables, self.stack(lanes), self.data)
            return multihost.settle(begun)

    def examine(self, lanes: Sequence[Config], states: program.State) -> Examination:
        """What is measured on the finished lanes. The test split is read here."""
        with multihost.together("examine", lanes):
            found = group.examine(self.executables, self.stack(lanes), states, self.data)
            return multihost.settle(found)

    def finish(
        self, lanes: Sequence[Config], states: program.State,
        curves: Sequence[list[dict[str, Any]]], read: Callable[[Any], Any] = jax.device_get,
        best: Sequence[judged.Network | None] = (),
    ) -> list[results.Finished]:  # fmt: skip
        """What each lane comes to, given its learning curve.

        `read` waits for arrays that devices are at work on, and gives them in NumPy. With
        --patience lanes are judged by their `best` networks.
        """
        if self.structure.patience:
            states = judged.put(self, states, best)
        begun = read(self.measure_start(lanes))
        found = read(self.examine(lanes, states))
        return [
            results.finish_lane(curve, begun, found, self.data, lane, self.structure.patience)
            for lane, curve in enumerate(curves)
        ]


def open_session(
    structure: Config, lanes: Sequence[Config], dataset: Dataset, shared: Shared | None = None,
    every: int = 0, at_most: int | None = None, mesh_asked: str = AUTO, budget: int | None = None,
) -> Session:  # fmt: skip
    """Places the data and compiles everything for these lanes; runs nothing.

    They go in waves that fit the memory (a `budget` of a device, in bytes), of `at_most` so many
    lanes. Sessions of one data set may hand on what is `shared`. Training can begin after any
    number of steps, with a checkpoint `every` so many. Raises RunError where the smallest wave does
    not fit the memory, ConfigError where the mesh cannot be that is asked for, as --mesh does.
    """
    budget = placement.memory_budget() if budget is None else budget
    asked = {"every": every, "at_most": at_most, "mesh_asked": mesh_asked, "budget": budget}
    about = {
        "data": dataset.fingerprint, "feed": dataset.feed,
        **start.describe_origin(structure, dataset.image_shape, dataset.num_classes),
    }  # fmt: skip
    with multihost.agreed("open", lanes, asked=asked, **about):
        return _open(structure, lanes, dataset, shared, **asked)


def _open(
    structure: Config, lanes: Sequence[Config], dataset: Dataset, shared: Shared | None,
    every: int, at_most: int | None, mesh_asked: str, budget: int,
) -> Session:  # fmt: skip
    begin = time.perf_counter()
    mesh = meshes.make_group_mesh(structure, len(lanes), dataset, mesh_asked)
    data = place_data(structure, dataset, mesh, shared)
    chunk = placement.count_chunk(structure, data.spec, placement.platform_of(mesh))
    least = mesh.shape["run"] * chunk
    wave = placement.fit_wave(structure, len(lanes), data.spec, mesh, budget)
    wave = max(min(wave, at_most or wave), least)
    while True:
        numbers = placement.stack_numbers(lanes[:wave], mesh, data.spec)
        most = group.count_most(structure, len(numbers["seed"]), data, mesh)
        reach = max(group.segment_lengths(structure, 0, every, most))
        executables = group.compile_group(structure, numbers, data, mesh, reach)
        needed = group.memory_of(executables, placement.platform_of(mesh))
        if needed <= budget:
            break
        if wave <= least:
            placement.check_memory(needed, len(mesh.devices.flat))
            break
        wave = max(wave // 2 // least, 1) * least
    seconds = time.perf_counter() - begin
    return Session(structure, wave, least, mesh, data, most, every, executables, seconds)
