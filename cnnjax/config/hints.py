"""Which name was meant by one that there is not. Imports nothing."""

import difflib
from collections.abc import Iterable

# What other programs call a flag of ours.
MEANT = {
    "lr": "learning_rate", "rate": "learning_rate", "base_lr": "learning_rate",
    "max_lr": "learning_rate", "wd": "weight_decay", "l2": "weight_decay",
    "decay": "weight_decay", "bs": "batch_size", "batch": "batch_size", "b": "batch_size",
    "mini_batch_size": "batch_size", "train_batch_size": "batch_size", "ep": "epochs",
    "epoch": "epochs", "num_epochs": "epochs", "n_epochs": "epochs", "max_epochs": "epochs",
    "iterations": "steps", "iters": "steps", "num_steps": "steps", "max_steps": "steps",
    "train_steps": "steps", "opt": "optimizer", "optim": "optimizer", "optimiser": "optimizer",
    "scheduler": "schedule", "lr_schedule": "schedule", "lr_scheduler": "schedule",
    "warmup": "warmup_steps", "clip": "clip_norm", "grad_clip": "clip_norm",
    "max_grad_norm": "clip_norm", "smoothing": "label_smoothing", "ema": "ema_decay",
    "arch": "model", "architecture": "model", "net": "model", "network": "model", "m": "model",
    "early_stopping": "patience",
    "data": "dataset", "ds": "dataset", "data_set": "dataset", "data_path": "dataset",
    "img_size": "image_size", "resolution": "image_size", "input_size": "image_size",
    "num_train": "train_examples", "act": "activation", "act_fn": "activation",
    "nonlinearity": "activation", "non_linearity": "activation", "pooling": "pool",
    "normalization": "norm", "normalisation": "norm", "normalize": "standardise",
    "standardize": "standardise", "filters": "widths", "channels": "widths", "features": "widths",
    "kernel": "kernel_size", "strides": "stride", "initializer": "init", "initialiser": "init",
    "drop": "dropout", "dropout_rate": "dropout", "drop_rate": "dropout", "hflip": "flip",
    "horizontal_flip": "flip", "random_crop": "crop", "color_jitter": "jitter",
    "num_seeds": "seeds", "n_seeds": "seeds", "random_seed": "seed", "random_state": "seed",
    "fp16": "dtype", "bf16": "dtype", "amp": "dtype", "out": "workdir", "output": "workdir",
    "output_dir": "workdir", "out_dir": "workdir", "logdir": "workdir", "save_dir": "workdir",
    "config": "flagfile", "dry_run": "plan", "silent": "quiet", "q": "quiet",
}  # fmt: skip
CUTOFF = 0.65  # of likeness: below it a hint is no help, as --stride for --grid
# What another command answers, for a flag that is none of this one's.
ELSEWHERE = {
    "list": "python launch.py --list lists what there is",
    "engine": "a run of its own is trained on this machine; ablate and launch.py have one",
}
# What is meant where the first has no such flag.
ELSE = {"workdir": "runs", "seed": "seeds", "epochs": "steps"}


def suggest(name: str, known: Iterable[str], otherwise: str) -> str:
    """The end of a line on a name that there is not: the one that is meant, or what else to say."""
    meant = find_meant(name, known)
    return f"did you mean {meant}?" if meant else otherwise


def find_meant(name: str, known: Iterable[str]) -> str | None:
    """The known name that is meant: by custom, by its spelling, or the nearest; None for none."""
    by_lower = {own.lower(): own for own in known}
    plain = name.lower().replace("-", "_")
    meant = MEANT.get(plain, plain)
    for guess in (meant, ELSE.get(meant, "")):
        if guess in by_lower:
            return by_lower[guess]
    nearest = difflib.get_close_matches(plain, by_lower, n=1, cutoff=CUTOFF)
    return by_lower[nearest[0]] if nearest else None
