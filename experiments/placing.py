"""Flags of engines that are ours: where a cluster is, and what each of its tasks takes."""

import re
from typing import Any

from absl import flags as absl_flags

from cnnjax.config import clusters, flags, numeric
from cnnjax.config.errors import ConfigError
from cnnjax.config.knobs import split_values

# Each flag with its field of `Placing` and the engines that read it.
FLAGS = {
    "ray_address": ("address", ("ray",)),
    "task_cpus": ("cpus", ("ray", "slurm")),
    "task_gpus": ("gpus", ("ray", "slurm")),
    "task_tpus": ("tpus", ("ray",)),
    "task_nodes": ("nodes", ("slurm",)),
    "slurm_time": ("minutes", ("slurm",)),
    "slurm_partition": ("partition", ("slurm",)),
    "slurm_account": ("account", ("slurm",)),
    "slurm_constraint": ("constraint", ("slurm",)),
    "slurm_options": ("options", ("slurm",)),
}
TEXTS = {
    "ray_address": "HOST:PORT of the cluster; none for one that is found from here, or else one of"
    " this machine alone.",
    "slurm_partition": "Where tasks wait, as for sbatch; none for the cluster's own.",
    "slurm_account": "Who is billed for tasks, as for sbatch.",
    "slurm_constraint": "What nodes must have, as for sbatch.",
    "slurm_options": "More of sbatch's, such as qos=long,mem=16G,exclusive.",
}
NUMBERS = {
    "task_cpus": ("cores of each program of lanes, on each of its nodes.", 1),
    "task_gpus": ("GPUs of each program of lanes, on each of its nodes.", 0),
    "task_tpus": ("TPUs of each program of lanes.", 0),
    "task_nodes": ("nodes that train each program of lanes together.", 1),
    "slurm_time": ("minutes after which a task is stopped, saved and waits for its next turn.", 3),
}


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
    for name, (field, engines) in FLAGS.items():
        told = f"With --engine={'|'.join(engines)}: "
        if name in NUMBERS:
            text, least = NUMBERS[name]
            numeric.define_integer(values, name, getattr(default, field), told + text, least)
        else:
            absl_flags.DEFINE_string(name, None, told + TEXTS[name], flag_values=values)


def read_flags(values: absl_flags.FlagValues) -> clusters.Placing:
    """Where an engine of ours places lanes. Ends the program where it is not asked for."""
    for name, (_, engines) in FLAGS.items():
        if values[name].present and values.engine not in engines:
            flags.refuse(f"--{name} is of a cluster: give --engine={' or '.join(engines)} too")
    given: dict[str, Any] = {field: values[name].value for name, (field, _) in FLAGS.items()}
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
