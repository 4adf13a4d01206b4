"""A search of ours beside Optuna driving runs one by one, each from its first import.

    python -m experiments.benchmark --search

Every side is a command in a process of its own with an empty compilation cache, timed whole: start,
compilation, trials. None judges what it found.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from experiments.benchmark import optuna_loop

WORKERS = 2
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
    return ["experiments.benchmark.searching", method, f"--trials={trials}", "--runs=RUNS"]


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


def main() -> None:
    """The search of experiments.tune, without what follows it."""
    from cnnjax import api
    from cnnjax.study import tuned, wanted
    from cnnjax.study.claims import Search
    from cnnjax.sweep import backend

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("method")
    parser.add_argument("--trials", type=int)
    parser.add_argument("--runs", type=pathlib.Path)
    asked = parser.parse_args()
    backend.configure_jax()
    study = tuned.make_study(Search(optuna_loop.SPACE, asked.method, asked.trials), (1000,))
    options = api.Options(asked.runs)
    checked = api.check_study(study._replace(base=optuna_loop.BASE), {}, options)
    datasets = api.load_datasets(checked, options, api.QUIET)
    search = wanted.of_tuning(checked.study, checked.base)
    done = api.train_wanted(search, datasets, options)
    if len(done.records) != asked.trials:
        raise SystemExit(f"{len(done.records)} of {asked.trials} trials")


if __name__ == "__main__":
    main()
