"""How much memory a sweep takes: its peak over groups that all train on one data set."""

import resource
import sys
from collections.abc import Sequence

from absl import flags as absl_flags

from cnnjax.config import flags
from cnnjax.config.config import KNOBS, make_config
from experiments import script

DESCRIPTION = """
python -m experiments.benchmark.memory [--groups=4] [--images=50000]

Trains two lanes of small networks that differ in their pooling, a group each, for two steps on
random colour images of 32x32, and prints the most memory that the process ever held: before the
sweep, after one group, and after all.
"""
SIDE, STEPS = 32, 2


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Measures and prints; gives the exit status."""
    values = absl_flags.FlagValues()
    poolings = KNOBS["pool"].choices
    absl_flags.DEFINE_integer(
        "groups", 4, "Groups.", lower_bound=1, upper_bound=len(poolings), flag_values=values
    )
    absl_flags.DEFINE_integer(
        "images", 50_000, "Training images.", lower_bound=256, flag_values=values
    )
    if positional := flags.parse(values, argv, DESCRIPTION):
        flags.refuse(f"unexpected {positional[0]!r}: every choice is a flag")
    from cnnjax.sweep import backend

    backend.configure_jax()
    from cnnjax.sweep import runner
    from experiments.benchmark.throughput import make_random_dataset

    dataset = make_random_dataset((SIDE, SIDE, 3), values.images)
    small = {"widths": (4,), "pool_every": 1, "hidden": (), "steps": STEPS, "eval_every": 0}
    lanes = [
        make_config({**small, "pool": pool, "seed": seed})
        for pool in poolings[: values.groups]
        for seed in range(2)
    ]
    print(f"before: {find_peak():,.0f} MiB")
    list(runner.run_lanes(lanes[:2], dataset))
    print(f"one group: {find_peak():,.0f} MiB")
    done = list(runner.run_lanes(lanes, dataset))
    print(f"{values.groups} groups: {find_peak():,.0f} MiB")
    return script.FAILED if any(isinstance(own, runner.Failure) for own in done) else script.DONE


def find_peak() -> float:
    """The most memory that the process ever held, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    script.run(main, "nothing was written")
