"""The claim on hyper-parameters: that they are worth optimising.

    python launch.py hyper-parameters

By chance and by TPE (extra `tune`) at equal budget, on the validation split; what they found runs
fresh seeds beside the default of this framework, which was itself tuned by hand on 8x8 digits.
Each trial has three seeds: by one, on `strokes`, luck chose settings that were worse than the
default (2026-11-27, seeds 0 to 19: chance by 8.7 points [0.9, 16.5], TPE by 4.3 [-1.8, 10.5]).
"""

from cnnjax.study.claims import DEFAULT, SETTING, Claim, Comparison, Search, Study, Tuning
from cnnjax.study.space import Axis

FOUND_BY_CHANCE, FOUND_BY_TPE, UNTUNED = ({SETTING: own} for own in ("random", "tpe", DEFAULT))

STUDY = Study(
    name="hyper-parameters",
    question="Are hyper-parameters worth optimising?",
    base={"widths": (8, 16), "train_examples": 300, "optimizer": "adamw", "eval_every": 0},
    arms=(UNTUNED, FOUND_BY_CHANCE, FOUND_BY_TPE),
    tuning=Tuning(
        search=Search(
            {
                "learning_rate": Axis(1e-4, 1e-1, is_log=True),
                "weight_decay": Axis(1e-5, 1e-1, is_log=True),
                "label_smoothing": Axis(0.0, 0.3),
            },
            trials=32,
        ),
    ),
    claims=(
        Claim(
            id="hyper-parameters",
            statement="Hyper-parameters are worth optimising.",
            comparisons=(
                Comparison(
                    FOUND_BY_TPE, UNTUNED, ">", "2026-11-27: supported: ahead by about a point",
                    about="found by TPE, beside the default",
                ),
                Comparison(
                    FOUND_BY_CHANCE, UNTUNED, ">", "2026-11-27: supported: ahead by about a point",
                    about="found by chance, beside the default",
                ),
                Comparison(
                    FOUND_BY_TPE, FOUND_BY_CHANCE, "=", "2026-11-27: equivalent",
                    about="TPE beside chance, at equal budget",
                ),
            ),
            tried_as="The setting that TPE found in 32 trials on the validation split is ahead of"
            " the default, on seeds and test images that chose nothing.",
        ),
    ),
)  # fmt: skip
