"""The claims on the non-linearity.

    python launch.py nonlinearity relu-best

In the first, average pooling, since max pooling is itself non-linear, and a non-linearity of its
own for the hidden dense layer: without either nothing but a linear classifier is left. In the
second every activation has its own rate and initial gain, by what it is judged by.
"""

from cnnjax.study.claims import Claim, Comparison, Lead, Study, Tuning
from experiments.claims.fair import RATES

RELU_CONV, NO_CONV = ({"activation": name} for name in ("relu", "identity"))
RELU_HEAD, NO_HEAD = ({"hidden_activation": name} for name in ("relu", "identity"))
ONE, THREE = {"widths": (8,), "pool_every": 1}, {"widths": (8,) * 3, "pool_every": 2}

NONLINEARITY = Study(
    name="nonlinearity",
    question="Does a CNN need a non-linearity?",
    base={"pool": "avg", "train_examples": 300, "steps": 300, "eval_every": 100},
    arms=tuple(
        {**depth, **convolutions, **head}
        for depth in (ONE, THREE)
        for convolutions in (RELU_CONV, NO_CONV)
        for head in (RELU_HEAD, NO_HEAD)
    ),
    tuning=RATES,
    claims=(
        Claim(
            id="nonlinearity",
            statement="Convolution needs a non-linearity.",
            comparisons=(
                Comparison(
                    {**RELU_CONV, **RELU_HEAD}, {**NO_CONV, **RELU_HEAD}, ">",
                    "2026-11-26: ahead, by more than 5 points on strokes",
                ),
                Comparison(
                    {**RELU_CONV, **RELU_HEAD, **ONE}, {**NO_CONV, **RELU_HEAD, **ONE}, ">",
                    "2026-11-26: ahead",
                ),
                Comparison(
                    {**RELU_CONV, **RELU_HEAD, **THREE}, {**NO_CONV, **RELU_HEAD, **THREE}, ">",
                    "2026-11-26: ahead by more",
                ),
                Comparison(
                    {**RELU_CONV, **NO_HEAD}, {**NO_CONV, **NO_HEAD}, ">",
                    "2026-11-26: ahead by most: the rest is linear",
                ),
                Comparison(
                    {**RELU_CONV, **RELU_HEAD}, {**RELU_CONV, **NO_HEAD}, ">",
                    "2026-11-26: the head's brings little more",
                ),
            ),
            tried_as="Below a dense layer with a ReLU, convolutions are more accurate with one of"
            " their own.",
        ),
    ),
    controls=(NO_CONV,),
)  # fmt: skip

RELU, TANH, SIGMOID = ({"activation": name} for name in ("relu", "tanh", "sigmoid"))
SHALLOW, DEEP = {"widths": (8,) * 2, "pool_every": 1}, {"widths": (8,) * 6, "pool_every": 2}

RELU_BEST = Study(
    name="relu-best",
    question="Is ReLU the best activation, each at its own best rate and gain?",
    base={"train_examples": 300, "steps": 300, "eval_every": 30},
    arms=tuple(
        {**depth, **activation}
        for depth in (SHALLOW, DEEP)
        for activation in (RELU, TANH, SIGMOID)
    ),
    metric="validation_area",
    tuning=Tuning(
        {"learning_rate": RATES.grid["learning_rate"], "init_gain": (0.5, 1.0, 2.0)},
        metric="validation_area",
    ),
    claims=(
        Claim(
            id="relu-best",
            statement="ReLU does better than tanh and sigmoid.",
            comparisons=(
                Comparison(RELU, TANH, ">", "2026-11-26: ahead by little, or alike"),
                Comparison(RELU, SIGMOID, ">", "2026-11-26: ahead by much"),
                Comparison(
                    {**RELU, **SHALLOW}, {**TANH, **SHALLOW}, ">", "2026-11-26: as good, or behind"
                ),
                Comparison({**RELU, **DEEP}, {**TANH, **DEEP}, ">", "2026-11-26: ahead"),
                Comparison(
                    Lead({**RELU, **DEEP}, {**SIGMOID, **DEEP}),
                    Lead({**RELU, **SHALLOW}, {**SIGMOID, **SHALLOW}),
                    ">", "2026-11-26: more the deeper",
                ),
                Comparison(
                    RELU, TANH, ">", "2026-11-26: final gap small", metric="test_accuracy"
                ),
                Comparison(
                    {**RELU, **DEEP}, {**RELU, **SHALLOW}, ">", "2026-11-26: under 5% either way",
                    metric="dead_units", about="share of dead units",
                ),
            ),
            tried_as="With ReLU more validation images are right over the course of training, and"
            " each activation has its own rate and initial gain.",
            parts=2,
        ),
    ),
)  # fmt: skip
