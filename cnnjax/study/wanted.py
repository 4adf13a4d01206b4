"""What to train next, as a pure function of what is recorded: nothing, and a study is done.

Interrupting, going on and reading what is there need no code of their own: the records are all
the state there is.
"""

from collections.abc import Callable, Sequence

from cnnjax.config.config import Config
from cnnjax.records import archive
from cnnjax.records.record import Record
from cnnjax.study.arms import make_lanes, make_tuning_lanes
from cnnjax.study.claims import Study
from cnnjax.study.tuning import choose_settings

Wanted = Callable[[Sequence[Record]], Sequence[Config]]


def match(lanes: Sequence[Config], records: Sequence[Record]) -> dict[Config, Record]:
    """The newest record of each lane that has one."""
    found = archive.find_lanes(lanes, records) if lanes and records else {}
    return {lane: candidates[-1] for lane, candidates in found.items() if candidates}


def fixed(lanes: Sequence[Config]) -> Wanted:
    """These lanes and no others."""

    def wanted(records: Sequence[Record]) -> list[Config]:
        done = match(lanes, records)
        return [lane for lane in lanes if lane not in done]

    return wanted


def of_study(study: Study, base: Config, num_seeds: int) -> Wanted:
    """Every setting of a study's tuning, and then each arm's seeds in the setting that won."""
    tried = fixed(make_tuning_lanes(study, base))

    def wanted(records: Sequence[Record]) -> Sequence[Config]:
        if lacking := tried(records):
            return lacking
        chosen, _ = choose(study, base, records)
        return fixed(make_lanes(chosen, base, num_seeds))(records)

    return wanted


def choose(study: Study, base: Config, records: Sequence[Record]) -> tuple[Study, list[str]]:
    """The study with each arm's setting, and what a reader should know of the choice."""
    lanes = make_tuning_lanes(study, base)
    return choose_settings(study, base, match(lanes, records))
