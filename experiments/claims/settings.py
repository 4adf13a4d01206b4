"""Tunes the arms behind the board's headlines, and stores what it chose for `all --quick`."""

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from absl import flags as absl_flags

from cnnjax.config import flags, hints, words
from cnnjax.config.knobs import printable
from cnnjax.records import shared
from cnnjax.study.claims import Overrides, Study, name_arms
from cnnjax.study.options import DEFAULTS, Options
from experiments import script
from experiments.claims import ALL, STUDIES, board

if TYPE_CHECKING:
    from cnnjax.sweep.loop import Outcome
    from cnnjax.sweep.observer import Observer

DESCRIPTION = """
python -m experiments.claims.settings [STUDY ...] [--datasets=scans] [--runs=FOLDER]

Tunes the arms behind the headlines of the article's studies, or of those named, and writes what it
chose into experiments/claims/settings.json, beside this command: what stands there of other studies
and on other data stays. What is trained already is not trained again.

Exit status: 0 done, 1 a run broke off, 2 the command line is wrong, 75 interrupted.
"""
COMMAND = "python -m experiments.claims.settings"


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Tunes one study after the other; gives the exit status."""
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_list(
        "datasets", list(board.SETS), "Data sets to tune on.", flag_values=values
    )
    absl_flags.DEFINE_string("runs", str(DEFAULTS.runs), "Folder for records.", flag_values=values)
    script.define_quiet(values)
    flags.define_where(values)
    named = flags.parse(values, argv, DESCRIPTION)
    for kind, names, known in (("study", named, ALL), ("data set", values.datasets, board.SETS)):
        for name in names:
            if name not in known:
                flags.refuse(f"no {kind} {name!r}: {hints.suggest(name, known, ', '.join(known))}")
    from cnnjax.sweep import backend

    backend.configure_jax()
    from cnnjax.records import atomic
    from cnnjax.sweep.runner import Interrupted

    options = Options(shared.open_runs(values.runs), flags.read_where(values))
    about: dict[str, Any] = {
        "command": " ".join([COMMAND, *named, f"--datasets={','.join(values.datasets)}"]),
        "date": datetime.now(UTC).date().isoformat(),
    }
    for name in named or ALL:
        study = board.spread_over(board.keep_headlines(STUDIES[name]), values.datasets)
        if study.tuning is None:
            continue
        words.say(f"{name}:", sys.stderr)
        try:
            with script.observe(stop, values.quiet) as observer:
                outcome, tuned, said = tune(study, options, observer)
        except Interrupted:
            return script.INTERRUPTED
        if outcome.failures:
            words.say(printable(f"{name}: {outcome.failures[0].error}"), sys.stderr)
            return script.FAILED
        about["packages"] = next(iter(outcome.records.values())).provenance["packages"]
        found = merge(board.read_stored(), STUDIES[name], about, tuned.settings, said)
        atomic.write_json(board.SETTINGS, found)
    words.say(f"settings: {board.SETTINGS.name}")
    return script.DONE


def merge(
    stored: Mapping[str, Any], study: Study, about: Mapping[str, Any],
    settings: Mapping[str, Overrides], notes: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """What is stored, and now was chosen for arms of a study; those that it has no more are gone.

    The study is as it is, on no other data sets.
    """
    known = {**stored["settings"].get(study.name, {}), **settings}
    arms = name_arms(board.spread_over(board.keep_headlines(study), board.SETS))
    kept = {arm: dict(known[arm]) for arm in arms if arm in known}
    old = [arm for arm in known if arm in settings or arm not in arms]
    past = tuple(f"{study.name}: {arm}: " for arm in old)
    said = [line for line in stored["notes"] if not line.startswith(past)]
    return {
        "runs": [*(run for run in stored["runs"] if run["command"] != about["command"]), about],
        "notes": [*said, *(f"{study.name}: {line}" for line in notes)],
        "settings": {**stored["settings"], study.name: kept},
    }


def tune(
    study: Study, options: Options, observer: "Observer"
) -> "tuple[Outcome, Study, list[str]]":
    """What was trained, the study in the settings that its tuning chose, and notes on these."""
    from cnnjax import api
    from cnnjax.study import wanted

    checked = api.check_study(study, {}, options)
    datasets = api.load_datasets(checked, options, observer)
    tried = wanted.of_tuning(checked.study, checked.base)
    outcome = api.train_wanted(tried, datasets, options, observer)
    if outcome.failures:
        return outcome, checked.study, []
    records = [*outcome.records.values()]
    return outcome, *wanted.choose(checked.study, checked.base, records)


if __name__ == "__main__":
    script.run(main, "finished lanes are saved")
