"""By which method the setting of an arm is found, where its study searches. Imports no JAX."""

from cnnjax.study.claims import DEFAULT, RUNNER_UP, SETTING, Overrides, Search, Study


def is_runner_up(overrides: Overrides) -> bool:
    """Whether an arm takes the second best setting that its search found."""
    return overrides.get(SETTING, "").endswith(RUNNER_UP)


def find_first(overrides: Overrides) -> Overrides:
    """The arm that takes the best setting of the same search: this one, or the one before it."""
    if not is_runner_up(overrides):
        return overrides
    return {**overrides, SETTING: overrides[SETTING].removesuffix(RUNNER_UP)}


def find_method(study: Study, overrides: Overrides) -> str:
    """By which method the setting of an arm is searched for; empty for none."""
    if study.tuning is None or study.tuning.search is None:
        return ""
    method = find_first(overrides).get(SETTING, study.tuning.search.method)
    return "" if method == DEFAULT else method


def find_search(study: Study, overrides: Overrides) -> Search | None:
    """What is searched for an arm: the space without what it sets itself; None for nothing."""
    if not find_method(study, overrides):
        return None
    assert study.tuning is not None and study.tuning.search is not None
    search = study.tuning.search
    space = {knob: axis for knob, axis in search.space.items() if knob not in overrides}
    return search._replace(space=space) if space else None
