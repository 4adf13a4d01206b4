"""A published table, run as published: MNIST-1D (Greydanus and Kobak 2024).

    python launch.py mnist1d

Three models on signals in order and under one fixed permutation. Nothing is tuned to meet it.
"""

from cnnjax.study.claims import Claim, Comparison, Lead, Published, Study, cross

SOURCE = "Greydanus and Kobak 2024, Scaling down deep learning with MNIST-1D, table 1"
IN_ORDER, SHUFFLED = {"permute_pixels": False}, {"permute_pixels": True}
LOGISTIC, MLP, CNN = ({"model": name} for name in ("logistic", "mnist1d_mlp", "mnist1d_cnn"))

STUDY = Study(
    name="mnist1d",
    question="Do we find what was published on MNIST-1D?",
    base={
        "dataset": "mnist1d", "optimizer": "adam", "learning_rate": 0.01, "schedule": "constant",
        "batch_size": 100, "steps": 6000, "eval_every": 600, "init": "pytorch",
    },
    arms=cross(
        {"model": ("logistic", "mnist1d_mlp", "mnist1d_cnn"), "permute_pixels": (False, True)}
    ),
    claims=(
        Claim(
            id="with-without-convolution",
            statement="A network with convolution is more accurate than one without.",
            comparisons=(
                Comparison({**CNN, **IN_ORDER}, {**MLP, **IN_ORDER}, ">", "94 against 68"),
                Comparison(
                    Lead({**CNN, **IN_ORDER}, {**MLP, **IN_ORDER}),
                    Lead({**CNN, **SHUFFLED}, {**MLP, **SHUFFLED}),
                    ">",
                    "the lead is gone under the permutation",
                ),
                Comparison({**CNN, **SHUFFLED}, {**MLP, **SHUFFLED}, "<", "56 against 68"),
                Comparison({**MLP, **IN_ORDER}, {**LOGISTIC, **IN_ORDER}, ">", "68 against 32"),
            ),
        ),
    ),
    controls=(SHUFFLED,),
    published=tuple(
        Published({**model, **order}, value, SOURCE)
        for model, values in ((LOGISTIC, (0.32, 0.32)), (MLP, (0.68, 0.68)), (CNN, (0.94, 0.56)))
        for order, value in zip((IN_ORDER, SHUFFLED), values, strict=True)
    ),
)  # fmt: skip
