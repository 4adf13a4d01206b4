"""The claims on training: the loss before it, the learning rate, the batches.

python launch.py initial-loss learning-rate batches
"""

import math

from cnnjax.study.claims import Claim, Comparison, Slope, Study, Tuning, cross

GUESS = math.log(10)  # loss of a uniform guess among ten classes

INITIAL_LOSS = Study(
    name="initial-loss",
    question="How high is the loss before training?",
    base={"pool_every": 2, "train_examples": 100, "steps": 100},
    arms=cross({"model": ("cnn", "mlp"), "init": ("he_normal", "pytorch")}),
    metric="initial_loss",
    claims=(
        Claim(
            id="initial-loss",
            statement="Before training the outputs are random and the loss extremely high.",
            comparisons=(
                Comparison({}, 2 * GUESS, ">", "close to ln(classes): refuted"),
                *(
                    Comparison({"init": init}, GUESS, "=", "close to ln(classes)")
                    for init in ("he_normal", "pytorch")
                ),
            ),
            tried_as="The loss before training is more than twice that of a uniform guess.",
        ),
    ),
)

RATES = tuple(float(f"{10 ** (half / 2):.2g}") for half in range(-8, 5))  # 0.0001 to 100


def _rate(optimizer: str, rate: float) -> dict[str, object]:
    return {"optimizer": optimizer, "learning_rate": rate}


LEARNING_RATE = Study(
    name="learning-rate",
    question="Is a higher learning rate faster, and when does it fail?",
    base={
        "pool_every": 2, "train_examples": 300, "schedule": "constant", "eval_every": 20,
    },
    arms=cross({"optimizer": ("sgd", "momentum"), "learning_rate": RATES}),
    claims=(
        Claim(
            id="learning-rate",
            statement="A high learning rate is faster; too high fails to converge.",
            comparisons=tuple(
                comparison
                for optimizer in ("sgd", "momentum")
                for comparison in (
                    Comparison(
                        _rate(optimizer, 0.1), _rate(optimizer, 0.01), "<", "supported",
                        metric="steps_to_80",
                    ),
                    Comparison(
                        _rate(optimizer, 100.0), _rate(optimizer, 0.1), ">", "supported",
                        metric="failed",
                    ),
                )
            ),
            parts=2,
        ),
    ),
)  # fmt: skip

SEEN = 12_800  # examples, whatever the size of a batch
BATCHES = Study(
    name="batches",
    question="Does the size of a batch matter, at equal examples seen and its own best rate?",
    base={
        "pool_every": 2,
        "train_examples": 300,
        "optimizer": "momentum",
        "eval_every": 0,
    },
    arms=tuple({"batch_size": size, "steps": SEEN // size} for size in (16, 32, 64, 128)),
    tuning=Tuning({"learning_rate": (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)}),
    claims=(
        Claim(
            id="batches",
            statement="Training repeats the iteration over batches for a fixed number of rounds.",
            comparisons=(
                Comparison({"batch_size": 128}, {"batch_size": 16}, "=", "equal once scaled"),
                Comparison({"batch_size": 64}, {"batch_size": 16}, "=", "equal once scaled"),
                Comparison(Slope({}, "batch_size"), 0.0, "=", "equal once scaled"),
            ),
            tried_as="At equal examples seen, each size of batch at its best rate is as accurate.",
        ),
    ),
)
