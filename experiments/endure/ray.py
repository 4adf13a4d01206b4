"""A sweep on a Ray cluster of two nodes, of which a worker and then a whole node are killed.

What it comes to must be what this machine comes to by itself, to the bit.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence

from experiments.endure import nodes, trials
from experiments.endure.nodes import find_workers, kill, wait_until
from experiments.endure.tally import Tally, say

# Several programs, so that each node has some.
SWEEP = trials.SWEEP._replace(flags=("--grid=pool=max,avg,stride", "--seeds=2"), steps=20_000)
# A machine that also looks for a cloud's TPUs, or asks for a token, tells nothing here.
QUIET = {
    "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "TPU_SKIP_MDS_QUERY": "1",
    "JAX_PLATFORMS": "cpu",
}  # fmt: skip


def run(full: bool, seed: int) -> Tally:
    """One sweep, disturbed twice; gives the figures."""
    if find_ray() is None:
        return Tally("ray", "left out: Ray is not installed (the extra ray)", ())
    with tempfile.TemporaryDirectory(prefix="ray-") as place:
        folder = pathlib.Path(place).resolve()
        sweep = SWEEP._replace(flags=(*SWEEP.flags, "--engine=ray"))
        peace = trials.make_peace(SWEEP, folder / "peace")
        begun = time.monotonic()
        with open_cluster(folder) as (address, there):
            process = trials.start(
                sweep, folder / "ray", more=[f"--ray_address={address}"], variables=QUIET
            )
            try:
                lost = disturb(there[1], folder / "ray")
                ended = trials.finish(process, folder / "ray", begun)
            finally:
                trials.end(process)
        faults = [*trials.list_alarms(ended)]
        if ended.status:
            faults.append(f"status {ended.status}: {ended.said.strip()[-600:]}")
        faults += trials.compare(peace.numbers, trials.read_numbers(folder / "ray" / "runs"))
        faults += trials.list_leftovers(folder / "ray")
    say("ray", faults)
    figures = (
        f"a sweep on two nodes, {' and '.join(lost)} killed: {len(peace.numbers)} files of numbers"
        f" as without a cluster; {ended.seconds:.0f} s, {peace.ended.seconds:.0f} s without"
    )
    return Tally("ray", figures, tuple(faults))


def find_ray() -> str | None:
    """The command of Ray, of the environment that runs this."""
    return shutil.which("ray", path=os.fspath(pathlib.Path(sys.executable).parent))


@contextlib.contextmanager
def open_cluster(
    folder: pathlib.Path, count: int = 2
) -> Iterator[tuple[str, Sequence[subprocess.Popen[bytes]]]]:
    """Its address, and the process group of each node, with one core each. All end with it."""
    port = nodes.find_port()
    address, started = f"127.0.0.1:{port}", []
    environment = {**os.environ, **QUIET, "PYTHONPATH": os.fspath(trials.ROOT)}
    common = ["--num-cpus=1", "--block", "--disable-usage-stats", "--node-ip-address=127.0.0.1"]
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp") as short:  # paths of its sockets
        own = [f"--temp-dir={short}", "--head", f"--port={port}", "--include-dashboard=false"]
        try:
            for number in range(count):
                role = [f"--address={address}"] if number else own
                with (folder / f"node-{number}.log").open("wb") as log:
                    started.append(
                        subprocess.Popen(
                            [find_ray() or "ray", "start", *role, *common], stdout=log, stderr=log,
                            stdin=subprocess.DEVNULL, start_new_session=True, env=environment,
                        )
                    )  # fmt: skip
                wait_until(lambda: nodes.can_connect(port), "the cluster does not start")
            yield address, started
        finally:
            for node in reversed(started):
                kill(node)


def disturb(node: subprocess.Popen[bytes], folder: pathlib.Path) -> list[str]:
    """Kills a worker as soon as something is saved, and then a whole node that has one."""
    saved = folder / "runs" / "checkpoints"
    wait_until(lambda: any(saved.glob("*/*")), "no task saved anything", trials.LONGEST)
    wait_until(lambda: bool(find_workers()), "no worker was found")
    os.kill(find_workers()[0], signal.SIGKILL)
    records = folder / "runs" / "records"
    wait_until(lambda: any(records.glob("*/record.json")), "no lane ended", trials.LONGEST)
    kill(node)
    return ["a worker", "a node"]
