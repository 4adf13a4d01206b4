"""What is trained to be compared: small pairs of arms, a kind of arithmetic each. Imports no JAX.

All on scikit-learn's digits, which every installation has.
"""

from typing import Any, NamedTuple

from cnnjax.study.claims import Claim, Comparison, Overrides, Study

SEEDS = 5
SHORT = {"steps": 100, "eval_every": 10, "learning_rate": 0.003, "train_examples": 600}
MAX, AVG = {"pool": "max"}, {"pool": "avg"}


class Case(NamedTuple):
    """Two arms, and how far the training loss of a run may be from that of another machine.

    In nats, the furthest of ten evaluations. Rounding differs from machine to machine in the last
    bit, and training makes more of it: docs/accelerators.md has what was measured.
    """

    about: str
    base: Overrides
    arms: tuple[Overrides, Overrides]
    tolerance: float = 0.1


CASES: dict[str, Case] = {
    "convolution": Case("convolutions and pooling, runs one after the other", {}, (MAX, AVG)),
    "in-step": Case("runs in step", {"lanes_strategy": "vmap"}, (MAX, AVG)),
    "native": Case("the platform's own convolutions", {"conv_form": "native"}, (MAX, AVG)),
    "winograd": Case(
        "convolutions by Winograd's tiles", {"conv_form": "winograd4"},
        ({"widths": (16, 32)}, {"widths": (8, 8)}),
    ),
    "batch-norm": Case(
        "a residual network", {"model": "resnet20", "width_multiplier": 0.5, "steps": 50},
        ({"norm": "batch"}, {"norm": "group"}),
    ),
    "dense": Case(
        "matrix products alone, momentum",
        {"model": "mlp", "optimizer": "momentum", "learning_rate": 0.01},
        ({"hidden": (64,)}, {"hidden": (4,)}),
    ),
    "drawn": Case(
        "what is drawn: images moved and noisy, units dropped", {},
        ({"rotation": 30.0, "noise": 0.1, "shift": 1, "dropout": 0.25}, {"dropout": 0.0}),
    ),
    "bfloat16": Case("bfloat16", {"dtype": "bfloat16"}, (MAX, AVG), tolerance=0.2),
    "fast": Case(
        "float32 as a device multiplies it fastest (TF32)", {"precision": "default"}, (MAX, AVG),
    ),
}  # fmt: skip


def make_study(name: str) -> Study:
    """The study of a case: its two arms on a few seeds, and whether they differ."""
    case = CASES[name]
    claim = Claim("differ", "The two differ.", (Comparison(*case.arms, "!=", "none"),))
    base: dict[str, Any] = {**SHORT, **case.base}
    return Study(f"agree-{name}", "Do the two differ?", base, case.arms, (claim,))
