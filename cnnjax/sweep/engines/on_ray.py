"""Runs lanes on a Ray cluster: each program of them is a task, a process that ends with it.

Ray's core alone: what is lost and tried again is decided here, by what was saved. Needs the extra
`ray`.
"""

import contextlib
import logging
import os
import signal
import socket
import threading
import time
import warnings
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import ray
from ray.exceptions import RayError

from cnnjax.config.clusters import Placing
from cnnjax.config.errors import ConfigError
from cnnjax.sweep import following, runner
from cnnjax.sweep.engines import Job, attempts
from cnnjax.sweep.observer import Observer

LOOK_SECONDS = 0.2  # between two looks whether to stop
CONNECT_SECONDS = 10.0
SAVING_SECONDS = 30.0  # that tasks have to save what they train when they are to stop


def run(
    jobs: Iterable[Job], observer: Observer, placing: Placing, mix: Collection[str] = ()
) -> Iterator[runner.Failure]:
    """Trains the lanes of every job on the cluster, as soon as it has room for each program.

    Raises ConfigError where there is no such cluster, none of its nodes has room for a task or they
    are unlike this machine in more than `mix`; runner.Interrupted when the observer asked to stop:
    tasks have saved what they trained.
    """
    _connect(placing)
    chips = {"TPU": float(placing.tpus)} if placing.tpus else {}
    follow: Any = ray.remote(
        num_cpus=placing.cpus, num_gpus=placing.gpus, resources=chips, max_retries=0,
        num_returns="streaming",
    )(following.follow_worker)  # fmt: skip
    # A CPU has a device for each core of the task, whatever else the node has.
    environment = {"JAX_NUM_CPU_DEVICES": str(placing.cpus)}
    running: dict[Any, attempts.Task] = {}
    try:
        _find_room(placing, observer)
        for task in (attempts.Task(job, mix) for job in attempts.split(jobs)):
            running[follow.remote(task.describe(), environment, os.getcwd())] = task
        while running:
            if observer.should_stop():
                raise runner.Interrupted
            ready, _ = ray.wait([*running], timeout=LOOK_SECONDS, fetch_local=False)
            for stream in ready:
                task, how = running[stream], None
                try:
                    event: Any = ray.get(next(stream))  # pyright: ignore[reportArgumentType]
                    failure = task.hear(event, observer)
                    how = following.describe_end(event) if "ended" in event else None
                except (RayError, StopIteration) as error:  # its worker, or its whole node, is gone
                    failure, how = None, f"was lost ({type(error).__name__})"
                if failure is not None:
                    yield failure
                if how is None:
                    continue
                del running[stream]
                failure = task.end_attempt(how)
                if failure is not None:
                    yield failure
                elif not task.is_done():
                    observer.on_note(f"an attempt {how}: the task is tried again")
                    running[follow.remote(task.describe(), environment, os.getcwd())] = task
    finally:
        _stop(running)
        ray.shutdown()


def _connect(placing: Placing) -> None:
    """Joins the cluster, or makes one here. Raises ConfigError where that cannot be."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    asked = f"--ray_address={placing.address}" if placing.address else "--engine=ray"
    host, _, port = (placing.address or "").rpartition(":")
    try:
        if host and port.isdecimal():  # Ray itself would try for minutes
            socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
        with warnings.catch_warnings():  # it starts programs, of which JAX warns
            warnings.filterwarnings("ignore", message=r"os\.fork")
            ray.init(
                address=placing.address, include_dashboard=None, log_to_driver=False,
                logging_level=logging.ERROR,
            )  # fmt: skip
    except (RayError, OSError, ValueError, RuntimeError) as error:
        said = (str(error).strip().splitlines() or ["Ray does not start"])[0]
        raise ConfigError(f"{asked}: {said}") from None
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():  # it has put its own in their place
            signal.signal(number, handler)


def _find_room(placing: Placing, observer: Observer) -> None:
    """Says so where no node has room for a task: a cluster may grow when it is asked to.

    Raises ConfigError where the cluster is this machine alone.
    """
    wanted = {"CPU": placing.cpus, "GPU": placing.gpus, "TPU": placing.tpus}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(all(node.get(kind, 0) >= own for kind, own in wanted.items()) for node in nodes):
        lists = "; ".join(
            ", ".join(f"{node.get(kind, 0):g} {kind}s" for kind in wanted) for node in nodes
        )
        asked = ", ".join(f"{own} {kind}s" for kind, own in wanted.items() if own)
        said = f"no node of the cluster has {asked} for a task: they have {lists or 'nothing'}"
        if placing.address is None and len(nodes) == 1:
            raise ConfigError(said)
        observer.on_note(f"warning: {said}; one is waited for")


def _stop(running: dict[Any, attempts.Task]) -> None:
    """Has all tasks save what they train, and waits until they did."""
    for stream in running:
        with contextlib.suppress(RayError):
            ray.cancel(stream)
    end = time.monotonic() + SAVING_SECONDS
    for stream in running:
        with contextlib.suppress(RayError, StopIteration):
            while (left := end - time.monotonic()) > 0:
                if ray.wait([stream], timeout=left, fetch_local=False)[0]:
                    ray.get(next(stream))
