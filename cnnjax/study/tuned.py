"""The study of a search: the setting that it found, beside the default and the runner-up.

Imports no JAX.
"""

from cnnjax.study.claims import (
    DEFAULT,
    RUNNER_UP,
    SETTING,
    VALIDATION,
    Claim,
    Comparison,
    Search,
    Study,
    Tuning,
    is_better_high,
)

NAME = "tune"  # until it has one of its own


def make_study(
    search: Search, seeds: tuple[int, ...], metric: str = "test_accuracy",
    by: str = VALIDATION,
) -> Study:  # fmt: skip
    """The study of one search, whose trials run `seeds`, chosen `by` and judged by `metric`.

    The runner-up tells what the choice of one among the best is worth.
    """
    names = (search.method, DEFAULT, search.method + RUNNER_UP)
    best, default, second = ({SETTING: name} for name in names)
    is_ahead = is_better_high(metric)
    said = "is ahead of the default" if is_ahead else "and the default differ"
    claim = Claim(
        "tuned",
        "Searching for hyper-parameters is worth it.",
        (
            Comparison(
                best, default, ">" if is_ahead else "!=", "ahead" if is_ahead else "none",
                about="found, beside the default",
            ),
            Comparison(best, second, "!=", "none", about="found, beside the next best"),
        ),
        tried_as=f"The setting that {search.method} found in {search.trials} trials, chosen on the"
        f" validation split, {said}, on seeds and test images that chose nothing.",
    )  # fmt: skip
    return Study(
        name=NAME,
        question=f"Is what {search.method} found better than the default?",
        base={},
        arms=(default, best, second),
        claims=(claim,),
        metric=metric,
        tuning=Tuning(seeds=seeds, metric=by, search=search),
    )
