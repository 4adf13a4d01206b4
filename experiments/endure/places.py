"""What drawn command lines name, and find in the current folder."""

from pathlib import Path
from typing import Any

import numpy as np

from cnnjax.config.config import Config
from cnnjax.config.datasets import Where
from experiments.endure import damage, folders


def prepare(folder: Path) -> None:
    """What command lines name, in an empty folder."""
    from cnnjax.data import load

    load.load_dataset(Config(), Where())  # which prepares the digits
    (folder / "empty").mkdir()
    (folder / "file.txt").write_text("")
    (folder / "flags.txt").write_text("--pool=avg\n--steps=40\n")
    (folder / "wrong.txt").write_text("--nothing=1\n")
    (folder / "loop.txt").write_text("--flagfile=loop.txt\n")
    (folder / "broken.py").write_text("def (\n")
    (folder / "raises.py").write_text("raise ValueError('own')\n")
    rows = [f"{arm},{seed},0.{seed}{len(arm)}\n" for arm in ("one", "other") for seed in range(7)]
    (folder / "table.csv").write_text("".join(["arm,seed,test_accuracy\n", *rows]))
    runs: dict[str, Any] = {
        "right": np.random.default_rng(0).random((8, 5)) < 0.5,
        "arm": ["one"] * 4 + ["other"] * 4,
        "seed": [*range(4)] * 2,
    }
    np.savez(folder / "right.npz", **runs)
    folders.write(folder / "images", folders.name_files())
    splits = damage.draw()
    arrays: dict[str, Any] = {
        f"{letter}_{split}": part
        for split in ("train", "test")
        for letter, part in zip("xy", splits[split], strict=True)
    }
    np.savez(folder / "good.npz", **arrays)
