"""What a notebook calls: one function a question, values for answers.

It imports all rooms up to `api`. Choices are named as on the command line: the knobs, and data_dir,
manual_dir and skip_bad_files. Nothing is printed; an `Observer` hears what goes on.
"""

import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from html import escape
from typing import Any, Literal

import numpy as np

from cnnjax import api
from cnnjax.config import epochs
from cnnjax.config.config import find_knob, make_config
from cnnjax.config.datasets import Where
from cnnjax.config.epochs import Epochs
from cnnjax.config.knobs import ConfigError, RunError
from cnnjax.config.mesh import AUTO
from cnnjax.records import atomic, shared
from cnnjax.records.export import flatten
from cnnjax.records.record import Record
from cnnjax.records.store import load_records
from cnnjax.report import folders, listings, tables, text
from cnnjax.runs import run as single
from cnnjax.runs.load import load_run as load_run
from cnnjax.runs.run import Run
from cnnjax.runs.train import train_run
from cnnjax.study import checking, claims, grids
from cnnjax.study.arms import list_seeds, make_base
from cnnjax.study.claims import Study
from cnnjax.study.judge import Judgement
from cnnjax.study.options import Options
from cnnjax.study.sequential import widen
from cnnjax.sweep import backend, tracing
from cnnjax.sweep.observer import QUIET, Observer

Keep = Literal["final", "best", "none"]
Until = Literal["seeds", "decided"]
EXAMPLE = "{'pool': ['max', 'avg']}"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Results:
    """What a study found."""

    records: list[Record]  # one a run, in order of arms and seeds
    verdicts: list[dict[str, Any]]  # one a comparison, with the keys of verdicts.json
    path: pathlib.Path  # of the report
    judgement: Judgement  # what the report shows
    notes: tuple[str, ...] = ()  # what a reader should know

    def __repr__(self) -> str:
        lines = [text.describe_verdict(row) for row in self.verdicts]
        return "\n".join([f"Results({len(self.records)} records, {self.path})", *lines])

    def _repr_html_(self) -> str:
        """The verdicts and their picture, as a notebook shows them."""
        figure = self.path.parent / "figures" / "differences.svg"
        drawn = figure.read_text(encoding="utf-8") if figure.exists() else ""
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        where = f"<p>report: {escape(str(self.path))}</p>"
        return tables.write_html(listings.show_verdicts(self.judgement)) + drawn + notes + where


def train(
    *, workdir: str | pathlib.Path | None = None, observer: Observer = QUIET, mesh: str = AUTO,
    tensorboard: bool = False, profile: str | pathlib.Path | None = None, **choices: Any,
) -> Run:  # fmt: skip
    """Trains one network, and scores it on the test split.

    Files are written with a `workdir` alone: then the same call goes on where an interrupted run
    stopped, and reads one that is finished. With `tensorboard` it also has event files; a trace of
    one segment of training goes into the folder `profile`. Raises ConfigError where the run cannot
    be.
    """
    if tensorboard and workdir is None:
        raise ConfigError("tensorboard=True writes into the folder of a run: give a workdir")
    if profile is not None:
        folder = atomic.open_folder(profile, "profile")
        observer = observer._replace(take=tracing.make_tracer(folder))
    where, long, given = _split(choices)
    with backend.own_settings():
        if long is None:
            config = make_config(given)
        else:
            config = api.make_timed(given, Epochs(long), where, observer=observer)
        if workdir is None:
            return single.train(config, where, observer, mesh)
        folder = pathlib.Path(workdir)
        train_run(config, folder, where, observer=observer, mesh=mesh, tensorboard=tensorboard)
        return load_run(folder)


def sweep(
    grid: Mapping[str, Sequence[Any]], seeds: int = 10, *, metric: str = "test_accuracy",
    baseline: Mapping[str, Any] | None = None, choose: Literal["validation"] | None = None,
    first_seed: int = 0, runs: str | pathlib.Path = "runs", observer: Observer = QUIET,
    keep: Keep = "none", datasets: Sequence[str] = (), until: Until = "seeds", mesh: str = AUTO,
    **choices: Any,
) -> Results:  # fmt: skip
    """Trains every combination of a grid such as {"pool": ["max", "avg"]} over many seeds.

    Each value of a knob is compared with its first one, averaged over the other knobs, paired by
    seed; with a `baseline`, one combination, all others with it. To `choose` by validation accuracy
    compares by that, and then the best with the baseline on as many fresh seeds. On several
    `datasets` there is a verdict on each, and one over all. With `until` "decided" it looks at 5,
    10, ... up to `seeds` until each headline is. Records and report lie in `runs`, as those of
    `python -m experiments.ablate` do. Raises ConfigError where the grid cannot be, RunError where
    runs broke off.
    """
    values = _read_grid(grid)
    check_grid(values)
    seeds, first_seed = _read_seeds(seeds, first_seed, choices)
    if choose not in (None, "validation"):
        raise ConfigError(f"choose={choose!r} is not allowed: give 'validation', or leave it out")
    grids.check_metric(metric, choose is not None)
    of = None if baseline is None else _find_baseline(values, baseline)
    study = grids.make_study(values, metric, of, choose is not None)
    _, long, given = _split(choices)
    study = widen(study._replace(epochs=long), datasets, until, seeds)
    tried = list_seeds(study, seeds, first_seed)
    key = folders.hash_study(study, make_base(study, given), tried)
    named = {"metric": metric, "baseline": baseline, "choose": choose, "first_seed": first_seed,
             "datasets": [*datasets] or None, "until": until, "mesh": mesh}  # fmt: skip
    usual = (None, 0, "test_accuracy", "seeds", AUTO)
    said = {name: own for name, own in named.items() if own not in usual}
    command = _describe_call("sweep", dict(grid), seeds, {**said, **choices})
    options = Options(
        shared.open_runs(os.fspath(runs)), num_seeds=seeds, command=command,
        first_seed=first_seed, keep=keep, mesh=mesh,
    )  # fmt: skip
    name = "-".join(("ablate", folders.join_names(values), key))
    return _conduct(study._replace(name=name), options, observer, choices)


def check_grid(grid: Mapping[str, tuple[Any, ...]]) -> None:
    """Raises ConfigError unless there are knobs, each with two values or more, none twice."""
    if not grid:
        raise ConfigError("the grid is empty: name a knob and its values")
    if "seed" in grid:
        raise ConfigError("the grid's seed: every arm already runs the same seeds; say how many")
    for name, values in grid.items():
        if len(values) < 2 or any(values.count(own) > 1 for own in values):
            raise ConfigError(f"the grid's {name} needs at least two values, all different")


def conduct(
    study: Study, seeds: int = 20, *, first_seed: int = 0, runs: str | pathlib.Path = "runs",
    observer: Observer = QUIET, keep: Keep = "none", datasets: Sequence[str] = (),
    until: Until = "seeds", mesh: str = AUTO, **choices: Any,
) -> Results:  # fmt: skip
    """Trains what a study has no records of yet, judges its claims and writes its report.

    With `until` of "decided" it looks at 5, 10, ... up to `seeds` until each headline is decided.
    With `keep` of "final" or "best" those weights of each run lie beside its record, and `load_run`
    opens them. Raises ConfigError where the study cannot be, RunError where runs broke off.
    """
    if not isinstance(study, Study):
        raise ConfigError(f"conduct({study!r}): give a cnnjax.Study; sweep takes a grid")
    checking.check_study(study)
    checking.check_names(study)
    seeds, first_seed = _read_seeds(seeds, first_seed, choices)
    study = widen(study, datasets, until, seeds)
    said = {"datasets": [*datasets], **choices} if datasets else choices
    said = {"until": until, **said} if until != "seeds" else said
    said = {"mesh": mesh, **said} if mesh != AUTO else said
    command = _describe_call("conduct", study.name, seeds, said)
    options = Options(
        shared.open_runs(os.fspath(runs)), num_seeds=seeds, command=command,
        first_seed=first_seed, keep=keep, mesh=mesh,
    )  # fmt: skip
    return _conduct(study, options, observer, choices)


def records(path: str | pathlib.Path = "runs") -> Any:
    """Every record in a folder of runs, a row each: its knobs, scores and cost.

    A pandas DataFrame where pandas is installed, else a list of dicts. Raises ConfigError where
    there is no such folder.
    """
    folder = pathlib.Path(path)
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder of runs")
    rows = [flatten(record) for record in load_records(folder)]
    try:
        import pandas  # pyright: ignore[reportMissingImports]
    except ImportError:
        return rows
    return pandas.DataFrame(rows)


def _conduct(
    study: Study, options: Options, observer: Observer, choices: Mapping[str, Any]
) -> Results:
    where, long, given = _split(choices)
    study, options = study._replace(epochs=long or study.epochs), options._replace(where=where)
    with backend.own_settings():
        checked = api.check_study(study, given, options, observer=observer)
        for note in (*checked.warnings, *checked.notes):
            observer.on_note(note)
        finished = api.run_study(checked, options, observer)
        if finished.choice is not None:
            api.report_study(finished.choice, options)
        report = api.report_study(finished, options) if finished.records else None
        if report is None or finished.failures:
            group, error = finished.failures[0]
            said = f"{len(group.lanes)} lanes of {single.describe(group.structure)} broke off"
            rest = f"; report of the rest: {report.path}" if report else ""
            raise RunError(f"{said}: {error}{rest}") from error
    notes = (*checked.warnings, *checked.notes, *finished.notes)
    judgement, path = report
    return Results(finished.records, list(judgement.verdicts), path, judgement, notes)


def _split(choices: Mapping[str, Any]) -> tuple[Where, Fraction | None, dict[str, Any]]:
    """Where data lie, the epochs if they are given, and the knobs."""
    where = {name: value for name, value in choices.items() if name in Where._fields}
    given = {name: _read(name, value) for name, value in choices.items() if name not in where}
    if epochs.NAME in given and "steps" in given:
        raise ConfigError("epochs and steps both say how long a run is: give one of the two")
    return Where(**where), given.pop(epochs.NAME, None), given


def _read_grid(grid: object) -> dict[str, tuple[Any, ...]]:
    """Raises ConfigError unless it has the values of each knob in a row."""
    if not isinstance(grid, Mapping):
        raise ConfigError(f"the grid {grid!r}: give the values of each knob, as in {EXAMPLE}")
    for name, own in grid.items():
        if isinstance(own, str) or not hasattr(own, "__iter__"):
            raise ConfigError(f"the grid's {name}: give a list of values, as in {EXAMPLE}")
    return {name: tuple(_read(name, value) for value in own) for name, own in grid.items()}


def _find_baseline(grid: grids.Grid, baseline: object) -> Mapping[str, Any]:
    """The combination that has these values, named as in the report."""
    if not isinstance(baseline, Mapping):
        raise ConfigError(f"baseline={baseline!r}: give a dict, such as {{'pool': 'max'}}")
    of = {name: _read(name, own) for name, own in baseline.items()}
    arm = grids.find_combination(grid, of)
    if arm is None:
        raise ConfigError(f"the baseline {claims.name_arm(of)} is no combination of the grid")
    return arm


def _read_seeds(seeds: object, first_seed: object, choices: Mapping[str, Any]) -> tuple[int, int]:
    """How many seeds, and the first. Raises ConfigError on one seed given as a knob, too."""
    if "seed" in choices:
        raise ConfigError("seed: every arm runs the same seeds; give how many, or first_seed")
    return _read_count("seeds", seeds, 1), _read_count("first_seed", first_seed, 0)


def _read_count(name: str, value: object, least: int) -> int:
    number = _make_whole(_make_plain(value))
    if isinstance(number, bool) or not isinstance(number, int) or number < least:
        raise ConfigError(f"{name}={value!r} is not allowed: give an integer >= {least}")
    return number


def _read(name: str, value: object) -> Any:
    """The value of a knob as its flag takes it: epochs exactly, 1e3 steps as 1000.

    Raises ConfigError on an unknown knob.
    """
    if name == epochs.NAME:
        return epochs.parse(str(value))
    knob, plain = find_knob(name), _make_plain(value)
    if int not in (knob.type, knob.item if knob.type is tuple else None):
        return plain
    return tuple(map(_make_whole, plain)) if isinstance(plain, tuple) else _make_whole(plain)


def _make_plain(value: object) -> Any:
    """A value of Python: a list or an array is as good as a tuple, float32(0.01) is 0.01."""
    if hasattr(value, "__array__"):
        array = np.asarray(value)
        value = array[()] if array.ndim == 0 else list(array)
    if isinstance(value, (list, tuple)):
        return tuple(map(_make_plain, value))
    if isinstance(value, np.floating):
        return float(str(value))  # the shortest number that rounds to it
    return value.item() if isinstance(value, np.generic) else value


def _make_whole(value: object) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _describe_call(name: str, first: object, seeds: int, choices: Mapping[str, Any]) -> str:
    named = {"seeds": seeds, **choices}
    return f"cnnjax.{name}({', '.join([repr(first), *(f'{k}={v!r}' for k, v in named.items())])})"
