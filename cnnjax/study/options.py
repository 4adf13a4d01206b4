"""Where and how a study is run, besides its Config. Imports no JAX."""

import pathlib
from typing import NamedTuple

from cnnjax.config import clusters, plugins
from cnnjax.config.clusters import Placing
from cnnjax.config.datasets import Where
from cnnjax.config.errors import ConfigError
from cnnjax.config.mesh import AUTO, parse_mesh

MOST_SEEDS = 10_000  # beyond any use: they find a fiftieth of a standard deviation
MINUTES = 3.0  # between two checkpoints of a lane, where nothing else is asked for
ERRORS = ("continue", "stop")  # what becomes of the rest where runs of a sweep break off
FORMATS = ("html", "md")  # of a report: a page, and the same in Markdown beside it
KEEPS = ("final", "best", "none")  # what of a finished run's weights may be kept


class Options(NamedTuple):
    """Where and how a study is run, besides its Config."""

    runs: pathlib.Path  # records and reports
    where: Where = Where()
    num_seeds: int = 20  # an arm
    mix: tuple[str, ...] = ()  # in what runs may be unlike
    command: str = ""  # that reproduces the report
    scoreboard: str = ""  # the folder of the page of all statements, where there is one
    checkpoint_every: int | None = None  # steps; 0 for at every evaluation, None for by time alone
    checkpoint_minutes: float | None = MINUTES  # None for by steps alone
    first_seed: int = 0
    engine: str | None = None  # one of ours, or [module|FILE.py]:function; None for this machine
    placing: Placing = Placing()  # of an engine of ours
    on_error: str = "continue"  # or "stop": what else is trained where runs break off
    keep: str = "none"  # one of KEEPS: weights of finished lanes, beside their records
    format: str = FORMATS[0]
    mesh: str = AUTO  # as --mesh takes it


DEFAULTS = Options(pathlib.Path("runs"))


def check_options(options: Options) -> None:
    """Raises ConfigError on an engine that is not there, and on values that are none."""
    if not 1 <= options.num_seeds <= MOST_SEEDS:
        raise ConfigError(f"seeds={options.num_seeds}: give 1 to {MOST_SEEDS}")
    if options.keep not in KEEPS:
        raise ConfigError(f"keep={options.keep!r}: give {', '.join(KEEPS)}")
    if options.on_error not in ERRORS:
        raise ConfigError(f"on_error={options.on_error!r}: give {' or '.join(ERRORS)}")
    if options.format not in FORMATS:
        raise ConfigError(f"format={options.format!r}: give {' or '.join(FORMATS)}")
    parse_mesh(options.mesh)
    if options.engine in clusters.ENGINES:
        clusters.check(options.engine)
    elif options.engine:
        plugins.find_engine(options.engine)
