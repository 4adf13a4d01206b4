"""Flags of a program on many hosts, and how a script takes part in one."""

import contextlib
import os
import signal
import sys

from absl import flags as absl_flags

from cnnjax.config import flags, hosts, numeric, processes
from cnnjax.config.datasets import Where
from experiments import endings, script


def define_flags(values: absl_flags.FlagValues) -> None:
    """Defines --multihost and what goes with it."""
    absl_flags.DEFINE_boolean(
        "multihost", False,
        "One program on the devices of many hosts: start the same command on each. Slurm,"
        " Kubernetes and TPUs say which hosts there are; elsewhere the next three flags.",
        flag_values=values,
    )  # fmt: skip
    absl_flags.DEFINE_string(
        "coordinator_address", None,
        "HOST:PORT of process 0 for the others; it takes the next port too.", flag_values=values,
    )  # fmt: skip
    numeric.define_integer(values, "num_processes", None, "How many hosts there are.", 1)
    numeric.define_integer(values, "process_id", None, "Which of them this is, from 0.", 0)
    numeric.define_number(
        values, "join_minutes", hosts.JOIN_SECONDS / 60,
        "Minutes that hosts wait for one another at the start.",
    )  # fmt: skip
    numeric.define_number(
        values, "stuck_minutes", hosts.STUCK_SECONDS / 60,
        "Minutes after which a host that devices keep waiting ends, and shows where; more than"
        " compiling takes.",
    )  # fmt: skip


def read_flags(values: absl_flags.FlagValues) -> hosts.Hosts | None:
    """Which host this is, of those asked for. Raises ConfigError where there can be no such."""
    named = ("coordinator_address", "num_processes", "process_id", "join_minutes", "stuck_minutes")
    if not values.multihost:
        for name in named:
            if values[name].present:
                flags.refuse(f"--{name} is of a program on many hosts: give --multihost too")
        return None
    for name in ("plan", "status", "judge_only"):
        if name in values and values[name].value:
            flags.refuse(f"--{name} trains nothing and is for one host: leave out --multihost")
    if "offline" in values and values.offline:
        flags.refuse("--offline uses no network, by which hosts meet: leave out --multihost")
    if "engine" in values and values.engine:
        flags.refuse("--engine sends runs elsewhere, and --multihost trains here: give one of them")
    asked = hosts.Hosts(
        values.coordinator_address, values.num_processes, values.process_id,
        60 * values.join_minutes, 60 * values.stuck_minutes,
    )  # fmt: skip
    hosts.check(asked)
    return asked


def join(asked: hosts.Hosts | None, where: Where, stop: script.Stop, quiet: bool) -> None:
    """Makes this process one of several, if that is asked for; returns on process 0 alone.

    The others do as they are told until all is done, and end.
    """
    if asked is None:
        return
    _supervise(stop)
    from cnnjax.sweep import backend, follow, multihost

    crew = multihost.join(asked, lambda: stop.requested, endings.end_lost)
    backend.configure_jax()
    follow.agree(crew)
    if crew.leads:
        return
    with stop.listen():
        status = follow.follow(where, script.open_notes(quiet))
    if status == script.INTERRUPTED:
        stop.end()
    sys.exit(status)


def _supervise(stop: script.Stop) -> None:
    """Goes on in a child of this process, which passes signals on and says how the child ended.

    JAX's runtime aborts a process whose coordinator is gone, and nothing within can prevent it:
    that is an interruption. Before JAX is imported: its threads would not be in the child.
    """
    parent = os.getpid()
    sys.stdout.flush()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, script.SIGNALS)
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)  # so that a terminal's Ctrl-C comes once, through the parent
        stop.twice_seconds = 1.0  # what ends a group of processes may reach both
        _keep_stdout()
        processes.end_with_parent(signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(script.INTERRUPTED)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return

    def pass_on(number: int, frame: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)

    for number in script.SIGNALS:
        signal.signal(number, pass_on)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    while True:
        with contextlib.suppress(InterruptedError):
            _, status = os.waitpid(child, 0)
            break
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGABRT:
        endings.end_lost("JAX's runtime ended this process: another is lost, or see above")
    sys.stdout.flush()
    os._exit(code if code >= 0 else 128 - code)


def _keep_stdout() -> None:
    """What libraries in C++ print, as of who is connected with whom, goes to stderr from now on."""
    sys.stdout.flush()
    own, encoding = os.dup(1), sys.stdout.encoding
    os.dup2(2, 1)
    sys.stdout = open(own, "w", encoding=encoding, errors="backslashreplace", buffering=1)
