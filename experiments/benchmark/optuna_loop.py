"""What a search is measured against: Optuna, each of whose trials is a run of its own.

    python -m experiments.benchmark.optuna_loop pytorch --trials=64 --workers=2

Workers are processes that share a study in a file, as its manual has it. A trial of `pytorch` is a
minimal loop over the digits CNN, one of `train` our own experiments.train.
"""

import argparse
import json
import math
import multiprocessing
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np

from cnnjax.study.space import Axis

SPACE = {  # of both sides
    "learning_rate": Axis(1e-4, 1e-1, is_log=True),
    "weight_decay": Axis(1e-5, 1e-1, is_log=True),
    "label_smoothing": Axis(0.0, 0.3),
}
BASE = {"optimizer": "adamw", "pool_every": 2, "eval_every": 0}  # of every run


def make_pytorch() -> Callable[[dict[str, float]], float]:
    """A run of the digits CNN by PyTorch on one thread: its validation accuracy by its setting."""
    import torch
    from torch.nn import functional

    from cnnjax.config.config import make_config
    from cnnjax.config.datasets import Where
    from cnnjax.data import load
    from cnnjax.data.prepare import make_prepare
    from cnnjax.data.transform import find_statistics
    from experiments.benchmark import baselines, pytorch

    torch.set_num_threads(1)
    config = make_config({"pool_every": 2, "eval_every": 0})
    dataset = load.load_dataset(config, Where())
    prepare = make_prepare(config, *find_statistics(config, dataset.sample.images))
    pixels = np.asarray(prepare(dataset.sample.images))

    def place(images: np.ndarray) -> torch.Tensor:
        own = torch.from_numpy(images.transpose(0, 3, 1, 2))
        return own.contiguous(memory_format=torch.channels_last)

    images = place(pixels)
    labels = torch.from_numpy(dataset.sample.labels.astype(np.int64))
    unseen = place(np.asarray(prepare(dataset.validation.images)))
    answers = torch.from_numpy(dataset.validation.labels.astype(np.int64))

    def run(setting: dict[str, float]) -> float:
        network = pytorch.make_network(config, pixels, dataset.num_classes)
        network(images[:2])  # gives the lazy layers their shapes
        network = network.to(memory_format=torch.channels_last)
        optimizer = torch.optim.AdamW(
            network.parameters(), setting["learning_rate"], weight_decay=setting["weight_decay"]
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.steps)
        for rows in baselines.draw_batches(config, len(labels), config.steps):
            own = torch.from_numpy(rows)
            optimizer.zero_grad()
            loss = functional.cross_entropy(
                network(images[own]), labels[own], label_smoothing=setting["label_smoothing"]
            )
            loss.backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            right = network(unseen).argmax(dim=1) == answers
        return float(right.float().mean())

    return run


def make_train() -> Callable[[dict[str, float]], float]:
    """A run of experiments.train, a process of its own."""

    def run(setting: dict[str, float]) -> float:
        with tempfile.TemporaryDirectory() as folder:
            given = [f"--{name}={value}" for name, value in {**BASE, **setting}.items()]
            command = [sys.executable, "-m", "experiments.train", f"--workdir={folder}", *given]
            subprocess.run(command, check=True, capture_output=True)
            lines = (pathlib.Path(folder) / "metrics.jsonl").read_text().splitlines()
            return json.loads(lines[-1])["validation_accuracy"]

    return run


MAKE: dict[str, Callable[[], Callable[[dict[str, float]], float]]] = {
    "pytorch": make_pytorch,
    "train": make_train,
}


def work(kind: str, path: str, trials: int, seed: int) -> None:
    """So many trials of a study in a file."""
    from cnnjax.study.proposing import import_optuna

    optuna = import_optuna()
    run = MAKE[kind]()

    def try_one(trial: Any) -> float:
        setting = {
            knob: trial.suggest_float(knob, axis.low, axis.high, log=axis.is_log)
            for knob, axis in SPACE.items()
        }
        score = run(setting)
        return score if math.isfinite(score) else 0.0

    study = optuna.load_study(
        study_name="digits", storage=open_storage(optuna, path),
        sampler=optuna.samplers.TPESampler(seed=seed),
    )  # fmt: skip
    study.optimize(try_one, n_trials=trials)


def open_storage(optuna: Any, path: str) -> Any:
    """The file that the workers of a study share."""
    backend = optuna.storages.journal.JournalFileBackend(path)
    return optuna.storages.JournalStorage(backend)


def main() -> None:
    """Runs a search and prints what it found."""
    from cnnjax.study.proposing import import_optuna

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=[*MAKE])
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    optuna, context = import_optuna(), multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder) / "study.log")
        study = optuna.create_study(
            study_name="digits", storage=open_storage(optuna, path), direction="maximize"
        )
        counts = [len(range(seed, asked.trials, asked.workers)) for seed in range(asked.workers)]
        workers = [
            context.Process(target=work, args=(asked.kind, path, count, seed))
            for seed, count in enumerate(counts)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if any(worker.exitcode for worker in workers) or len(study.trials) != asked.trials:
            raise SystemExit("a worker broke off")
        print(f"{len(study.trials)} trials, the best {study.best_value:.4f}")


if __name__ == "__main__":
    main()
