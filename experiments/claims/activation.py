"""The claims on the non-linearity.

    python launch.py nonlinearity relu-best

Average pooling in the first, since max pooling is itself non-linear. In the second every
activation has its own rate and initial gain, chosen from nine settings on the validation split.
"""

from cnnjax.study.claims import Claim, Comparison, Study, Tuning, cross

NONLINEARITY = Study(
    name="nonlinearity",
    question="Does a CNN need a non-linearity?",
    base={"pool": "avg", "pool_every": 2},
    arms=cross({"train_examples": (100, 600), "activation": ("relu", "identity")}),
    claims=(
        Claim(
            id="nonlinearity",
            statement="Convolution needs a non-linearity.",
            comparisons=(
                Comparison({"activation": "relu"}, {"activation": "identity"}, ">", "ReLU ahead"),
                *(
                    Comparison(
                        {"activation": "relu", "train_examples": count},
                        {"activation": "identity", "train_examples": count},
                        ">",
                        "ReLU ahead",
                    )
                    for count in (100, 600)
                ),
            ),
        ),
    ),
    controls=({"activation": "identity"},),
)

OTHERS = ("tanh", "sigmoid", "elu", "gelu", "silu", "leaky_relu")
RELU = {"activation": "relu"}

RELU_BEST = Study(
    name="relu-best",
    question="Is ReLU the best activation, each at its own best rate and gain?",
    base={"pool_every": 2, "train_examples": 300, "eval_every": 20},
    arms=cross({"activation": ("relu", *OTHERS)}),
    tuning=Tuning({"learning_rate": (1e-3, 3e-3, 1e-2), "init_gain": (0.5, 1.0, 2.0)}),
    claims=(
        Claim(
            id="relu-best",
            statement="ReLU does better than tanh and sigmoid.",
            comparisons=(
                *(
                    Comparison(RELU, {"activation": name}, "<", "ReLU faster", metric="steps_to_90")
                    for name in OTHERS[:2]
                ),
                *(
                    Comparison(RELU, {"activation": name}, ">", "final gap small")
                    for name in OTHERS
                ),
            ),
            parts=2,
        ),
    ),
)
