"""A search by experiments.tune beside Optuna driving runs one by one, each from its first import.

Every side is a command in a process of its own with an empty compilation cache, timed whole: start,
compilation, trials. Ours judges what it found on fresh seeds and writes a report besides.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from experiments.benchmark import optuna_loop

WORKERS = 2
SEEDS = 3  # on which ours judges what it found: the fewest that it judges
FEW = 6  # trials of what takes long
HEAD = f"{'method':10} {'opponent':22} {'times theirs':>12} {'low':>6} {'high':>6}  trials a minute"


def measure_all(trials: int, rounds: int) -> list[dict[str, Any]]:
    """Measures and prints how many times as many trials a minute ours makes."""
    opponents = {
        "optuna_pytorch": (_of_optuna("pytorch", trials), trials),
        "optuna_train": (_of_optuna("train", FEW), FEW),
    }
    ours = {method: _of_tune(method, trials) for method in ("random", "tpe")}
    found: dict[str, list[float]] = {name: [] for name in (*ours, *opponents)}
    for number in range(rounds):
        for name, (command, count) in opponents.items():
            if name == "optuna_pytorch" or number == 0:  # the other is stated, not compared often
                found[name].append(60 * count / time_command(command))
        for method, command in ours.items():
            found[method].append(60 * trials / time_command(command))
    print(HEAD)
    rows = []
    for method in ours:
        for name in opponents:
            theirs = found[name] * (rounds // len(found[name]))
            ratios = [own / other for own, other in zip(found[method], theirs, strict=True)]
            row = {
                "network": "digits", "batch_size": 32, "lanes": trials, "method": method,
                "opponent": name, "ratio": statistics.median(ratios), "ratio_low": min(ratios),
                "ratio_high": max(ratios),
                "trials_per_minute": statistics.median(found[method]),
                "their_trials_per_minute": statistics.median(theirs),
            }  # fmt: skip
            rows.append(row)
            print(
                f"{method:10} {name:22} {row['ratio']:12.2f} {row['ratio_low']:6.2f}"
                f" {row['ratio_high']:6.2f}  {row['trials_per_minute']:.0f} beside"
                f" {row['their_trials_per_minute']:.0f}",
                flush=True,
            )
    return rows


def _of_tune(method: str, trials: int) -> list[str]:
    knobs = [f"--{name}={value}" for name, value in optuna_loop.KNOBS.items()]
    return ["experiments.tune", *optuna_loop.list_flags(), *knobs, f"--method={method}",
            f"--trials={trials}", f"--seeds={SEEDS}", "--quiet", "--runs=RUNS"]  # fmt: skip


def _of_optuna(kind: str, trials: int) -> list[str]:
    return ["experiments.benchmark.optuna_loop", kind, f"--trials={trials}",
            f"--workers={WORKERS}"]  # fmt: skip


def time_command(command: Sequence[str]) -> float:
    """Seconds that a module takes with nothing compiled or recorded before."""
    with tempfile.TemporaryDirectory() as folder:
        own = [part.replace("RUNS", folder) for part in command]
        environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": os.path.join(folder, "xla")}
        begin = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", *own], check=True, env=environment, stdout=subprocess.DEVNULL
        )
        return time.perf_counter() - begin
