"""How long a plan would take, by a stretch of training of each of its programs, here and now."""

from collections.abc import Mapping, Sequence

from cnnjax.config.config import request_of, with_seed
from cnnjax.config.datasets import Request
from cnnjax.config.mesh import AUTO
from cnnjax.data.dataset import Dataset
from cnnjax.study.timing import Group, Speed, Timing, sum_up
from cnnjax.sweep import leftovers, meshes
from cnnjax.sweep.observer import QUIET, Observer
from cnnjax.sweep.placed import Shared
from cnnjax.sweep.runner import Interrupted
from cnnjax.sweep.session import open_session


def time_groups(
    groups: Sequence[Group], datasets: Mapping[Request, Dataset], mesh: str = AUTO,
    observer: Observer = QUIET,
) -> Timing:  # fmt: skip
    """Compiles each group as training would, and trains its first wave for one segment.

    Leaves nothing. Raises what training would, and runner.Interrupted when the observer asked to
    stop.
    """
    shared: dict[Request, Shared] = {request: Shared() for request in datasets}
    observer.on_start(len(groups), 0)
    speeds = []
    for group in groups:
        if observer.should_stop():
            raise Interrupted
        request = request_of(group.structure)
        speeds.append(time_group(group, datasets[request], mesh, shared[request]))
        leftovers.give_back()
    return sum_up(groups, speeds, meshes.find_devices()[1])


def time_group(
    group: Group, dataset: Dataset, mesh: str = AUTO, shared: Shared | None = None
) -> Speed:
    """Examples a second of a group's first wave, of all its lanes, without evaluation."""
    lanes = [with_seed(group.structure, seed) for seed in range(group.num_lanes)]
    session = open_session(group.structure, lanes, dataset, shared, mesh_asked=mesh)
    own = lanes[: session.wave]
    segments = session.train(own)
    segment = next(iter(segments))
    trained = segment.step * group.structure.batch_size * len(own)
    return Speed(group.macs, trained / segment.seconds, session.seconds)
