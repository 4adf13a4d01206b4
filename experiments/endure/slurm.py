"""Sweeps on a Slurm cluster of two nodes of this machine.

Of one a worker is killed, then jobs of another partition take the nodes, so that its own go back
into the queue, then a node is lost; another's tasks train on both nodes together; of a third the
time is over. What they come to must be what this machine comes to by itself, to the bit.
"""

import contextlib
import getpass
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from experiments.endure import nodes, trials
from experiments.endure.ray import QUIET
from experiments.endure.tally import Tally, say

# Several programs, so that each node has some.
SWEEP = trials.SWEEP._replace(flags=("--grid=pool=max,avg,stride", "--seeds=2"), steps=20_000)
TOGETHER = trials.SWEEP._replace(flags=("--grid=pool=max,avg", "--seeds=2"), steps=2_000)
# Programs of more than the 90 seconds that Slurm's notice leaves of three minutes.
LONG = trials.SWEEP._replace(flags=("--grid=pool=max,avg", "--seeds=2"), steps=400_000)
DAEMONS = ("munged", "slurmctld", "slurmd")
SBIN = "/usr/sbin"  # where Debian has them
LOST_SECONDS = 10  # without an answer: a node is down
CONF = """
ClusterName=small
SlurmctldHost=localhost(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPort={port}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmdSpoolDir={folder}/%n
StateSaveLocation={folder}/state
ProctrackType=proctrack/pgid
TaskPlugin=task/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
SlurmdTimeout={lost}
MailProg=/bin/true
NodeName={first} NodeHostname={first} NodeAddr=127.0.0.1 Port={port_1} CPUs=1
NodeName={second} NodeHostname={second} NodeAddr=127.0.0.1 Port={port_2} CPUs=1
PartitionName=low Nodes=ALL Default=YES State=UP PriorityTier=1 PreemptMode=REQUEUE
PartitionName=high Nodes=ALL State=UP PriorityTier=10 PreemptMode=OFF
"""


class Cluster(NamedTuple):
    """Two nodes that are up."""

    variables: Mapping[str, str]  # of whoever uses it
    names: tuple[str, str]
    nodes: dict[str, subprocess.Popen[bytes]]
    folder: pathlib.Path

    def start(self, name: str) -> None:
        """Starts a node."""
        self.nodes[name] = _start(
            ["slurmd", "-D", "-N", name], self.folder / f"{name}.log", self.variables
        )

    def ask(self, *command: str) -> str:
        """What a command of Slurm's says."""
        environment = {**os.environ, **self.variables}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, cwd=self.folder
        ).stdout


class Case(NamedTuple):
    """A sweep on the cluster; `disturb` does what it must endure."""

    name: str
    command: trials.Command
    flags: tuple[str, ...]
    disturb: "Callable[[Cluster, pathlib.Path], None]" = lambda cluster, folder: None
    full: bool = False  # left out of a tenth


def run(full: bool, seed: int) -> Tally:
    """Several sweeps on one cluster; gives the figures."""
    if lacking := [name for name in DAEMONS if find(name) is None]:
        return Tally("slurm", f"left out: no {', '.join(lacking)} here (Debian: slurm-wlm)", ())
    faults, figures = [], []
    with tempfile.TemporaryDirectory(prefix="slurm-") as place:
        folder = pathlib.Path(place).resolve()
        with open_cluster(folder / "cluster") as cluster:
            for number, case in enumerate(case for case in CASES if full or not case.full):
                own = folder / str(number)
                peace = trials.make_peace(case.command, own / "peace")
                found, seconds = try_case(cluster, case, own / "sweep", peace)
                say(f"slurm, {case.name}", found)
                faults += [f"{case.name}: {fault}" for fault in found]
                figures.append(
                    f"{case.name}: {len(peace.numbers)} files of numbers as without a cluster,"
                    f" {seconds:.0f} s, {peace.ended.seconds:.0f} s without"
                )
    return Tally("slurm", "; ".join(figures), tuple(faults))


def try_case(
    cluster: Cluster, case: Case, folder: pathlib.Path, peace: trials.Peace
) -> tuple[list[str], float]:
    """Runs a sweep to its end; gives how that differs from peace, and the seconds it took."""
    begun = time.monotonic()
    more, variables = ["--engine=slurm", *case.flags], {**cluster.variables, **QUIET}
    process = trials.start(case.command, folder, more=more, variables=variables)
    try:
        case.disturb(cluster, folder)
        ended = trials.finish(process, folder, begun)
    finally:
        trials.end(process)
    faults = [*trials.list_alarms(ended)]
    if ended.status:
        faults.append(f"status {ended.status}: {ended.said.strip()[-600:]}")
    faults += trials.compare(peace.numbers, trials.read_numbers(folder / "runs"))
    faults += trials.list_leftovers(folder)
    faults += [f"{left} is left" for left in (folder / "runs").glob("slurm-*")]
    if queue := cluster.ask("squeue", "--noheader"):
        faults.append(f"left in the queue: {queue.strip()}")
    return faults, ended.seconds


def lose(cluster: Cluster, folder: pathlib.Path) -> None:
    """Kills a worker, has others take the nodes for a while, then loses a node for a while."""

    def find_workers(*names: str) -> list[int]:
        return nodes.find_workers(list_tasks(cluster, *(names or cluster.names)))

    saved = folder / "runs" / "checkpoints"
    nodes.wait_until(lambda: any(saved.glob("*/*")), "no task saved anything", trials.LONGEST)
    nodes.wait_until(lambda: bool(find_workers()), "no worker was found")
    os.kill(find_workers()[0], signal.SIGKILL)
    records = folder / "runs" / "records"
    nodes.wait_until(lambda: any(records.glob("*/record.json")), "no lane ended", trials.LONGEST)
    before = {*find_workers()}
    cluster.ask("sbatch", "--partition=high", "--nodes=2", "--output=/dev/null", "--wrap=sleep 5")
    nodes.wait_until(lambda: before.isdisjoint(find_workers()), "nobody was preempted")
    nodes.wait_until(lambda: bool(find_workers()), "nobody came again", trials.LONGEST)
    lost = next(name for name in cluster.names if find_workers(name))
    nodes.kill(cluster.nodes[lost])
    for number in list_tasks(cluster, lost):  # Slurm has given them to init
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    nodes.wait_until(
        lambda: "down" in cluster.ask("sinfo", "--noheader", "--format=%T", f"--nodes={lost}"),
        "a node that was lost is not down", 10 * LOST_SECONDS,
    )  # fmt: skip
    cluster.start(lost)


def list_tasks(cluster: Cluster, *names: str) -> list[int]:
    """The processes of jobs on these nodes."""
    wanted = {f"SLURMD_NODENAME={name}".encode() for name in names}
    own = f"SLURM_CONF={cluster.variables['SLURM_CONF']}".encode()
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            variables = {*path.read_bytes().split(b"\0")}
            if own in variables and variables & wanted:
                found.append(int(path.parent.name))
    return found


def run_out(cluster: Cluster, folder: pathlib.Path) -> None:
    """Waits until a task was put back into the queue as its time was over."""
    nodes.wait_until(
        lambda: "PENDING" in cluster.ask("squeue", "--noheader", "--format=%T"),
        "no task's time was over", trials.LONGEST,
    )  # fmt: skip


CASES = (
    Case("a worker killed, tasks preempted, a node lost", SWEEP, (), lose),
    Case("tasks on both nodes together", TOGETHER, ("--task_nodes=2",)),
    Case("time over", LONG, ("--slurm_time=3",), run_out, full=True),
)


@contextlib.contextmanager
def open_cluster(folder: pathlib.Path) -> Iterator[Cluster]:
    """Two nodes with one core each, by daemons of this user. All end with it."""
    (folder / "state").mkdir(parents=True)
    first = socket.gethostname()  # a name that leads here, by which tasks on both nodes meet
    names, port = (first, f"{first}-2"), nodes.find_port(3)
    conf = CONF.format(
        user=getpass.getuser(), folder=folder, port=port, port_1=port + 1, port_2=port + 2,
        first=names[0], second=names[1], lost=LOST_SECONDS,
    )  # fmt: skip
    (folder / "slurm.conf").write_text(conf)
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o400)
    folder.chmod(0o755)  # munged wants its socket within everybody's reach
    variables = {"SLURM_CONF": os.fspath(folder / "slurm.conf"),
                 "PYTHONPATH": os.fspath(trials.ROOT)}  # fmt: skip
    cluster = Cluster(variables, names, {}, folder)
    started = []
    munge = [f"--{name}-file={folder / f'munge.{name}'}" for name in ("key", "pid", "log", "seed")]
    try:
        for command in (
            ["munged", "--foreground", "--force", f"--socket={folder / 'munge.socket'}", *munge],
            ["slurmctld", "-D", "-c"],
        ):
            started.append(_start(command, folder / f"{command[0]}.log", variables))
            time.sleep(1)
        for name in names:
            cluster.start(name)
        nodes.wait_until(
            lambda: cluster.ask("sinfo", "--noheader", "--format=%T %D").strip() == "idle 2",
            "the nodes do not come up",
        )
        yield cluster
    finally:
        for daemon in (*cluster.nodes.values(), *reversed(started)):
            nodes.kill(daemon)


def find(name: str) -> str | None:
    """The program of a daemon."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SBIN}")


def _start(
    command: list[str], log: pathlib.Path, variables: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    name, *more = command
    with log.open("ab") as file:
        return subprocess.Popen(
            [find(name) or name, *more], stdout=file, stderr=file, stdin=subprocess.DEVNULL,
            start_new_session=True, env={**os.environ, **variables},
        )  # fmt: skip
