"""Halving beside all of its trials trained to the end: what it finds, and at what cost.

    python -m experiments.benchmark.halving --repetitions=20

Each repetition draws settings of its own for the digits CNN. What halving chooses, and what is
chosen of all of them, is scored on fresh seeds and test images: within the margin it is as good.
"""

import argparse
import functools
import pathlib
import tempfile
from collections.abc import Sequence

import numpy as np

from cnnjax import api
from cnnjax.config.config import Config, with_seed
from cnnjax.records.record import Record
from cnnjax.study import metrics, tuned, wanted
from cnnjax.study.arms import make_arm
from cnnjax.study.claims import Search, Study
from cnnjax.sweep import backend
from experiments.benchmark import optuna_loop

GIVEN = {"optimizer": "adamw", "eval_every": 50}
TRIALS, FRESH = 64, range(10)
MARGIN = metrics.find("test_accuracy").margin


def make_study(method: str, repetition: int) -> Study:
    """A search whose settings are those of the repetition, whatever the method."""
    search = Search(optuna_loop.SPACE, method, TRIALS, seed=repetition)
    return tuned.make_study(search, (1000 + repetition,))._replace(base=GIVEN)


def join(parts: Sequence[wanted.Wanted]) -> wanted.Wanted:
    """What any of them wants."""

    def want(records: Sequence[Record]) -> list[Config]:
        return [lane for part in parts for lane in part(records)]

    return want


def measure(repetitions: int, runs: pathlib.Path) -> np.ndarray:
    """By repetition [n, 2] the cost of halving as a share of all, and how far ahead its choice is.

    Costs are in optimiser steps, leads in points of test accuracy on fresh seeds.
    """
    options = api.Options(runs)
    studies = {
        (method, number): make_study(method, number)
        for number in range(repetitions)
        for method in ("halving", "random")
    }
    checked = api.check_study(next(iter(studies.values())), {}, options)
    base, datasets = checked.base, api.load_datasets(checked, options, api.QUIET)
    train = functools.partial(api.train_wanted, datasets=datasets, options=options)
    known = train(join([wanted.of_tuning(own, base) for own in studies.values()])).records
    chosen: dict[tuple[str, int], Config] = {}
    cost: dict[tuple[str, int], int] = {}
    for key, study in studies.items():
        (searched,) = wanted.list_searches(study, base, [*known.values()])
        if searched.winner is None:
            raise SystemExit(f"{key[0]} {key[1]}: every trial failed")
        chosen[key] = make_arm(study, base, searched.winner.setting)
        cost[key] = sum(trial.steps for trial in searched.trials)
    lanes = [with_seed(own, seed) for own in chosen.values() for seed in FRESH]
    fresh = train(wanted.fixed([*dict.fromkeys(lanes)])).records

    def score(key: tuple[str, int]) -> float:
        return float(
            np.mean([fresh[with_seed(chosen[key], seed)].scores["test_accuracy"] for seed in FRESH])
        )

    return np.array(
        [
            (
                cost["halving", number] / cost["random", number],
                100 * (score(("halving", number)) - score(("random", number))),
            )
            for number in range(repetitions)
        ]
    )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=20)
    asked = parser.parse_args()
    backend.configure_jax()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(asked.repetitions, pathlib.Path(folder))
    shares, leads = found.T
    within = int((leads > -100 * MARGIN).sum())
    print(
        f"{len(found)} repetitions of {TRIALS} trials: halving took {shares.mean():.1%} of the"
        f" steps of all ({shares.min():.1%} to {shares.max():.1%})"
    )
    print(
        f"its choice was {leads.mean():+.2f} points ahead in the mean ({leads.min():+.2f} to"
        f" {leads.max():+.2f}), and within {100 * MARGIN:g} points in {within} of {len(found)}"
    )


if __name__ == "__main__":
    main()
