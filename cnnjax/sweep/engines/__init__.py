"""What trains lanes: each engine is a function `run(jobs, observer)`; results are in the store."""

import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from cnnjax.config import clusters, plugins
from cnnjax.config.clusters import Placing
from cnnjax.config.mesh import AUTO
from cnnjax.data.dataset import Feed
from cnnjax.study.options import MINUTES
from cnnjax.sweep.observer import Observer
from cnnjax.sweep.runner import Failure


class Job(NamedTuple):
    """Lanes of one data set for an engine to train, as plain JSON values.

    Of a plan it has not the precision, which is in the config of each lane. Its mesh is what was
    asked for: an engine makes one of the devices that it finds (`meshes.make_group_mesh`).
    """

    lanes: tuple[Mapping[str, Any], ...]  # configs, as `config.to_json` gives them
    runs: str  # the folder of the store
    where: Mapping[str, Any]  # fields of `datasets.Where`
    feed: Feed  # of the training images, as it was decided where the job was made
    plugins: tuple[str, ...] = ()  # that the lanes may use, as `config.plugins.load` takes them
    checkpoint_every: int | None = None  # steps; 0 for at every evaluation, None for by time alone
    checkpoint_minutes: float | None = MINUTES  # None for by steps alone
    keep: str = "none"  # "final" or "best": weights of finished lanes, beside their records
    mesh: str = AUTO  # as --mesh takes it


# Trains the lanes of every job, leaves a record of each in its store and tells the observer, or
# yields the failure of its group. Raises `runner.Interrupted` soon after the observer asked to
# stop.
Engine = Callable[[Iterable[Job], Observer], Iterator[Failure]]


def find(name: str, placing: Placing, mix: Collection[str] = ()) -> Engine:
    """The engine of a name, ours or module:function. Raises ConfigError where there is none.

    `mix` is in what the machines of one of ours may be unlike this.
    """
    if name in clusters.ENGINES:
        clusters.check(name)
        if name == "ray":  # each is of an extra
            from cnnjax.sweep.engines import on_ray as own
        else:
            from cnnjax.sweep.engines import on_slurm as own
        return functools.partial(own.run, placing=placing, mix=mix)
    return plugins.find_engine(name)
