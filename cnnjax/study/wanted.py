"""What to train next, as a pure function of what is recorded: nothing, and a study is done.

Interrupting, going on and reading what is there need no code of their own: the records are all
the state there is.
"""

from collections.abc import Callable, Mapping, Sequence

from cnnjax.config.config import Config, with_seed
from cnnjax.records import archive
from cnnjax.records.record import Record
from cnnjax.study import partial, search
from cnnjax.study.arms import make_configs, make_lanes
from cnnjax.study.choosing import compare_best
from cnnjax.study.claims import Study, name_arms
from cnnjax.study.judge import count_seeds
from cnnjax.study.methods import find_search
from cnnjax.study.trials import Searched
from cnnjax.study.tuning import choose_settings, describe_searches

Wanted = Callable[[Sequence[Record]], Sequence[Config]]


def open_find(records: Sequence[Record]) -> search.Find:
    """What finds the newest record of each lane that has one."""
    lookup = archive.open_lookup(records)

    def find(lanes: Sequence[Config]) -> dict[Config, Record]:
        return {lane: own[-1] for lane, own in lookup(lanes).items() if own}

    return find


def match(lanes: Sequence[Config], records: Sequence[Record]) -> Mapping[Config, Record]:
    """The newest record of each lane that has one."""
    return open_find(records)(lanes)


def fixed(lanes: Sequence[Config]) -> Wanted:
    """These lanes and no others."""

    def wanted(records: Sequence[Record]) -> list[Config]:
        return _list_missing(lanes, open_find(records))

    return wanted


def _list_missing(lanes: Sequence[Config], find: search.Find) -> list[Config]:
    done = find(lanes)
    return [lane for lane in lanes if lane not in done]


def of_tuning(study: Study, base: Config) -> Wanted:
    """Every lane of a study's tuning: those of a search as far as records tell."""

    def wanted(records: Sequence[Record]) -> list[Config]:
        find = open_find(records)
        return _list_missing(search.list_lanes(study, base, find), find)

    return wanted


def list_tried(study: Study, base: Config, records: Sequence[Record]) -> list[Config]:
    """The lanes of a study's tuning, so far as they follow from records."""
    return search.list_lanes(study, base, open_find(records))


def find_tried(study: Study, base: Config, records: Sequence[Record]) -> Mapping[Config, Record]:
    """The records of these lanes."""
    find = open_find(records)
    return find(search.list_lanes(study, base, find))


def is_fixed(study: Study) -> bool:
    """Whether all that a study wants is known before anything is recorded."""
    return study.tuning is None and study.choosing is None and not study.looks


def of_study(study: Study, base: Config, num_seeds: int, first_seed: int = 0) -> Wanted:
    """Every setting of a study's tuning, then each arm's seeds in the setting that won, and then,
    where a study chooses by validation, fresh seeds of the best arm and the baseline.
    """  # fmt: skip
    tried = of_tuning(study, base)

    def wanted(records: Sequence[Record]) -> Sequence[Config]:
        if lacking := tried(records):
            return lacking
        tuned, _ = choose(study, base, records)
        lacking = fixed(list_lanes(tuned, base, num_seeds, first_seed, records))(records)
        if lacking or study.choosing is None:
            return lacking
        best, _ = choose_arm(tuned, base, records, num_seeds, first_seed)
        if best is None:
            return []
        return fixed(make_lanes(best, base, num_seeds, first_seed + num_seeds))(records)

    return wanted


def list_lanes(
    study: Study, base: Config, num_seeds: int, first_seed: int, records: Sequence[Record]
) -> list[Config]:
    """Each arm with its seeds, in the setting that tuning gave it.

    Of a study with looks those up to the one that is due by the records that there are.
    """
    if not study.looks:
        return make_lanes(study, base, num_seeds, first_seed)
    found = match(make_lanes(study, base, num_seeds, first_seed), records)
    first = make_lanes(study, base, study.looks[0].seeds, first_seed)
    if any(lane not in found for lane in first):
        return first
    counts = count_seeds(study, base, [*found.values()])
    return [
        with_seed(arm, seed)
        for name, arm in make_configs(study, base).items()
        for seed in range(first_seed, first_seed + counts[name])
    ]


def choose(study: Study, base: Config, records: Sequence[Record]) -> tuple[Study, list[str]]:
    """The study with each arm's setting, and what a reader should know of the choice.

    Without the arms for which a search found none, and what rests on them.
    """
    tuned, notes = choose_settings(study, base, find_tried(study, base, records))
    if not (lacking := list_lacking(tuned)):
        return tuned, notes
    return partial.leave_out_lacking(tuned, lacking), notes


def list_lacking(study: Study) -> set[str]:
    """The arms for which a search found no setting: in place of one they would have the default."""
    if not study.is_searched or not (study.tuning and study.tuning.seeds):
        return set()
    arms = name_arms(study)
    return {name for name in arms if find_search(study, arms[name])} - set(study.settings)


def list_searches(study: Study, base: Config, records: Sequence[Record]) -> tuple[Searched, ...]:
    """What a study's searches tried and chose, by the records of all that they wanted."""
    return describe_searches(study, base, find_tried(study, base, records))


def choose_arm(
    study: Study, base: Config, records: Sequence[Record], num_seeds: int, first_seed: int = 0
) -> tuple[Study | None, str]:
    """The best arm beside the baseline as a study of fresh seeds, if any, and the choice in words.

    The arms have the settings that `choose` gave them, and a record of each seed.
    """
    seeds = range(first_seed, first_seed + num_seeds)
    lanes = make_lanes(study, base, num_seeds, first_seed)
    return compare_best(study, base, match(lanes, records), seeds)
