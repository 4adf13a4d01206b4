"""A search made by hand: one knob that matters, one that does not, and a choice that does a bit."""

import math

import numpy as np

from cnnjax.study.space import Axis
from cnnjax.study.trials import Searched, Tried

SPACE = {
    "learning_rate": Axis(1e-4, 1.0, is_log=True),
    "weight_decay": Axis(1e-6, 1e-2, is_log=True),
    "batch_size": Axis(16, 128),
    "pool": Axis(choices=("max", "avg", "stride")),
}


def make_search(
    method="random", num_trials=48, num_failed=0, space=SPACE, arm="model=cnn", seed=1,
    noise=0.004, metric="validation_accuracy",
):  # fmt: skip
    """Scores that fall with the distance of the learning rate from 0.03, the first ones failed."""
    rng = np.random.default_rng(seed)
    trials = []
    for number in range(num_trials):
        place = tuple(map(float, rng.uniform(size=len(space))))
        setting = {
            knob: axis.read(own) for (knob, axis), own in zip(space.items(), place, strict=True)
        }
        away = abs(math.log10(setting.get("learning_rate", 0.03) / 0.03))
        score = 0.95 - 0.08 * away + (0.02 if setting.get("pool") == "max" else 0.0)
        score = math.nan if number < num_failed else score + noise * rng.normal()
        trials.append(
            Tried(number, number // 8, setting, place, score, 1 - score, 300, 3, whole=True)
        )
    order = sorted((own for own in trials if own.score == own.score), key=lambda own: -own.score)
    return Searched(
        arm, method, space, tuple(trials), order[0].number,
        order[1].number if len(order) > 1 else None, metric,
    )  # fmt: skip
