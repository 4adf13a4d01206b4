"""Flags of engines that are ours: where a cluster is, and what each of its tasks takes."""

from typing import Any

from absl import flags as absl_flags

from cnnjax.config import clusters, flags, numeric

NAMES = ("ray_address", "task_cpus", "task_gpus", "task_tpus")


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
    absl_flags.DEFINE_string(
        "ray_address", default.address,
        "With --engine=ray: HOST:PORT of the cluster; none for one that is found from here, or else"
        " one of this machine alone.",
        flag_values=values,
    )  # fmt: skip
    numeric.define_integer(
        values, "task_cpus", default.cpus, "With --engine=ray: cores of each program of lanes.", 1
    )
    for kind in ("gpus", "tpus"):
        numeric.define_integer(
            values, f"task_{kind}", getattr(default, kind),
            f"With --engine=ray: {kind[:-1].upper()}s of each program of lanes.", 0,
        )  # fmt: skip


def read_flags(values: absl_flags.FlagValues) -> clusters.Placing:
    """Where an engine of ours places lanes. Ends the program where no such engine is asked for."""
    if values.engine not in clusters.ENGINES:
        for name in NAMES:
            if values[name].present:
                flags.refuse(f"--{name} is of a cluster: give --engine=ray too")
    given: list[Any] = [values[name].value for name in NAMES]
    return clusters.Placing(*given)
