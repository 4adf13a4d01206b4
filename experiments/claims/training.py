"""The claims on training: the loss before it, the learning rate, the batches.

    python launch.py initial-loss learning-rate batches

LeNet-5's head (`--logits=rbf --hidden=84`) has drawings of ten classes, so that no study of several
data sets has it; its loss before training is about ten times that of a guess.
"""

from cnnjax.study.claims import Claim, Comparison, Score, Slope, Study, Tuning, cross

SMALL = {"widths": (8, 16), "train_examples": 300}

HEADS = {
    "a hidden layer": {"model": "cnn", "head": "flatten", "hidden": (64,)},
    "linear": {"model": "cnn", "head": "flatten", "hidden": ()},
    "global average": {"model": "cnn", "head": "global_avg", "hidden": ()},
    "no convolution": {"model": "mlp", "hidden": (64,)},
}

INITIAL_LOSS = Study(
    name="initial-loss",
    question="How high is the loss before training?",
    base={"train_examples": 100, "steps": 100, "eval_every": 100},
    arms=tuple(
        {**({} if head["model"] == "mlp" else {"widths": (8, 16)}), **head, "init": init}
        for head in HEADS.values()
        for init in ("he_normal", "pytorch")
    ),
    metric="initial_loss_ratio",
    claims=(
        Claim(
            id="initial-loss",
            statement="Before training the outputs are random and the loss extremely high.",
            comparisons=(
                *(
                    Comparison(
                        head, 2.0, ">", "2026-11-26: 1.0 to 1.4 times a guess: refuted", about=about
                    )
                    for about, head in HEADS.items()
                ),
                Comparison({"init": "he_normal"}, 1.0, "=", "2026-11-26: a little above a guess"),
                Comparison({"init": "pytorch"}, 1.0, "=", "2026-11-26: a guess's"),
            ),
            tried_as="Whatever the head, the loss before training is more than twice that of a"
            " uniform guess.",
            parts=len(HEADS),
        ),
    ),
)

BELOW, ABOVE = (0.01, 0.032, 0.1), (0.1, 0.32, 1.0, 3.2)
SGD, MOMENTUM = {"optimizer": "sgd"}, {"optimizer": "momentum"}
RATES = (0.01, 0.032, 0.1, 0.32, 1.0, 3.2)
FASTER = "2026-11-26, after a trial: supported: with each doubling more are right sooner"
FAILS = "2026-11-26, after a trial: supported: failures rise with each doubling"

LEARNING_RATE = Study(
    name="learning-rate",
    question="Is a higher learning rate faster, and when does it fail?",
    base={**SMALL, "train_examples": 200, "schedule": "constant", "steps": 300, "eval_every": 30},
    metric="validation_area",
    arms=cross({"optimizer": ("sgd",), "learning_rate": RATES})
    + cross({"optimizer": ("momentum",), "learning_rate": (0.001, 0.01, 1.0)}),
    claims=(
        Claim(
            id="learning-rate",
            statement="A high learning rate is faster; too high fails to converge.",
            comparisons=(
                Comparison(Slope(SGD, "learning_rate", BELOW), 0.0, ">", FASTER),
                Comparison(Slope(SGD, "learning_rate", ABOVE), 0.0, ">", FAILS, metric="failed"),
                Comparison(
                    Score(SGD, "failed"), Score(SGD, "beyond_limit"), "<",
                    "2026-11-26: it breaks later than on a quadratic, by less than a decade",
                    metric="failed", about="break point against 2 / the largest eigenvalue",
                ),
                Comparison(
                    Slope(SGD, "learning_rate", BELOW), 0.0, "<",
                    "2026-11-26, after a trial: fewer, where 80% is reached", metric="steps_to_80",
                ),
                Comparison(Slope(MOMENTUM, "learning_rate", (0.001, 0.01)), 0.0, ">", FASTER),
                Comparison(
                    Slope(MOMENTUM, "learning_rate", (0.01, 1.0)), 0.0, ">", FAILS,
                    metric="failed",
                ),
            ),
            tried_as="Up to a rate of 0.1 each doubling has more validation images right over the"
            " course of training; from there on each makes more runs fail.",
            parts=2,
        ),
    ),
)  # fmt: skip

SIZES = (16, 32, 64, 128)
EXAMPLES, STEPS = {"epochs": 40}, {"steps": 300}  # equal ones, whatever the size of a batch
# Neighbours are the square root of 3 apart: where a batch's best rate lies decides the verdict.
FINE = (0.0052, 0.009, 0.0156, 0.027, 0.047, 0.081, 0.14)

BATCHES = Study(
    name="batches",
    question="Does the size of a batch matter, at equal examples seen and its own best rate?",
    base={**SMALL, "optimizer": "momentum", "eval_every": 0},
    arms=tuple({"batch_size": size, **equal} for equal in (EXAMPLES, STEPS) for size in SIZES),
    tuning=Tuning({"learning_rate": FINE}, seeds=(1000, 1001, 1002, 1003, 1004)),
    claims=(
        Claim(
            id="batches",
            statement="Training repeats the iteration over batches for a fixed number of rounds.",
            comparisons=(
                Comparison(
                    Slope(EXAMPLES, "batch_size"), 0.0, "=",
                    "2026-11-26: supported: within half a point a doubling",
                    about="at equal examples",
                ),
                Comparison(
                    {"batch_size": 128, **EXAMPLES}, {"batch_size": 16, **EXAMPLES}, "=",
                    "2026-11-26: behind by about a point", about="at equal examples",
                ),
                Comparison(
                    Slope(STEPS, "batch_size"), 0.0, "=",
                    "2026-11-26: supported, or larger ones ahead by little",
                    about="at equal steps",
                ),
            ),
            tried_as="At equal examples seen and each at its best rate, a batch of twice the size"
            " is as accurate.",
        ),
    ),
)  # fmt: skip
