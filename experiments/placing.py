"""Flags of engines that are ours: where a cluster is, and what each of its tasks takes."""

import re
from typing import Any, NamedTuple

from absl import flags as absl_flags

from cnnjax.config import clusters, flags, numeric
from cnnjax.config.errors import ConfigError
from cnnjax.config.knobs import split_values


class Flag(NamedTuple):
    """A flag of a cluster."""

    field: str  # of `Placing`
    engines: tuple[str, ...]  # that read it
    text: str
    least: int | None = None  # of a number; None for a text


BOTH, RAY, SLURM = ("ray", "slurm"), ("ray",), ("slurm",)
FLAGS = {
    "ray_address": Flag(
        "address", RAY,
        "HOST:PORT of the cluster; none for one that is found from here, or else one of this"
        " machine alone.",
    ),
    "task_cpus": Flag(
        "cpus", BOTH, "cores of each program of lanes, on each of its nodes.", 1
    ),
    "task_gpus": Flag("gpus", BOTH, "GPUs of each program of lanes, on each of its nodes.", 0),
    "task_tpus": Flag("tpus", RAY, "TPUs of each program of lanes.", 0),
    "task_nodes": Flag("nodes", SLURM, "nodes that train each program of lanes together.", 1),
    "slurm_time": Flag(
        "minutes", SLURM,
        "minutes after which a task is stopped, saved and waits for its next turn.", 3,
    ),
    "slurm_partition": Flag(
        "partition", SLURM, "Where tasks wait, as for sbatch; none for the cluster's own."
    ),
    "slurm_account": Flag("account", SLURM, "Who is billed for tasks, as for sbatch."),
    "slurm_constraint": Flag("constraint", SLURM, "What nodes must have, as for sbatch."),
    "slurm_options": Flag(
        "options", SLURM, "More of sbatch's, such as qos=long,mem=16G,exclusive."
    ),
}  # fmt: skip


def define_flags(values: absl_flags.FlagValues) -> None:
    """Defines --engine and what goes with it."""
    default = clusters.Placing()
    absl_flags.DEFINE_string(
        "engine", None,
        f"What trains lanes: {', '.join(clusters.ENGINES)} for a cluster, or what is yours, as"
        " module:function or FILE.py:function; none for this machine. With cloud nothing trains: it"
        " writes a script by which you rent TPUs.",
        flag_values=values,
    )  # fmt: skip
    for name, own in FLAGS.items():
        text = f"With --engine={'|'.join(own.engines)}: {own.text}"
        if own.least is None:
            absl_flags.DEFINE_string(name, None, text, flag_values=values)
        else:
            numeric.define_integer(values, name, getattr(default, own.field), text, own.least)


def read_flags(values: absl_flags.FlagValues) -> clusters.Placing:
    """Where an engine of ours places lanes. Ends the program where it is not asked for."""
    for name, own in FLAGS.items():
        if values[name].present and values.engine not in own.engines:
            flags.refuse(f"--{name} is of a cluster: give --engine={' or '.join(own.engines)} too")
    given: dict[str, Any] = {own.field: values[name].value for name, own in FLAGS.items()}
    return clusters.Placing(**{**given, "options": read_options(values.slurm_options)})


def read_options(text: str | None) -> tuple[tuple[str, str], ...]:
    """More options of sbatch, each with its value. Ends the program where they are none."""
    try:
        parts = [part.partition("=") for part in split_values(text)] if text else []
    except ConfigError as error:
        flags.refuse(f"--slurm_options={text}: {error}")
    for name, _, _ in parts:
        if not re.fullmatch("[a-z]+(-[a-z]+)*", name):
            flags.refuse(f"--slurm_options: {name!r} is no option: give name=value, as qos=long")
    return tuple((name, value) for name, _, value in parts)
