"""Tunes the arms behind the board's headlines, and stores what it chose for `all --quick`."""

import pathlib
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from absl import flags as absl_flags

from cnnjax.config import flags, words
from cnnjax.config.knobs import printable
from cnnjax.study.claims import Study
from cnnjax.study.options import DEFAULTS, Options
from experiments import script

if TYPE_CHECKING:
    from cnnjax.sweep.loop import Outcome
    from cnnjax.sweep.observer import Observer

DESCRIPTION = """
python -m experiments.claims.settings [--runs=FOLDER]

Tunes the arms behind the headlines of the article's studies, on the data sets of the quick board,
and writes what it chose into experiments/claims/settings.json, beside this command. What is trained
already is not trained again.

Exit status: 0 done, 1 a run broke off, 2 the command line is wrong, 75 interrupted.
"""
COMMAND = "python -m experiments.claims.settings"


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Tunes one study after the other; gives the exit status."""
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_string("runs", str(DEFAULTS.runs), "Folder for records.", flag_values=values)
    script.define_quiet(values)
    flags.define_where(values)
    if positional := flags.parse(values, argv, DESCRIPTION):
        flags.refuse(f"unexpected {positional[0]!r}: all studies are tuned")
    from cnnjax.sweep import backend

    backend.configure_jax()
    from cnnjax.records import atomic
    from cnnjax.sweep.runner import Interrupted
    from experiments import claims
    from experiments.claims import board

    options = Options(pathlib.Path(values.runs), flags.read_where(values))
    about: dict[str, Any] = {"command": COMMAND, "date": datetime.now(UTC).date().isoformat()}
    settings, notes = {}, []
    for name in claims.ALL:
        study = board.spread_over(board.keep_headlines(claims.STUDIES[name]), board.QUICK_SETS)
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
        settings[name] = {arm: dict(own) for arm, own in tuned.settings.items()}
        notes += [f"{name}: {line}" for line in said]
    atomic.write_json(board.SETTINGS, {**about, "notes": notes, "settings": settings})
    words.say(f"settings: {board.SETTINGS.name}")
    return script.DONE


def tune(
    study: Study, options: Options, observer: "Observer"
) -> "tuple[Outcome, Study, list[str]]":
    """What was trained, the study in the settings that its tuning chose, and notes on these."""
    from cnnjax import api
    from cnnjax.study import wanted
    from cnnjax.study.arms import make_tuning_lanes

    checked = api.check_study(study, {}, options)
    datasets = api.load_datasets(checked, options, observer)
    lanes = make_tuning_lanes(checked.study, checked.base)
    outcome = api.train_wanted(wanted.fixed(lanes), datasets, options, observer)
    if outcome.failures:
        return outcome, checked.study, []
    records = [*outcome.records.values()]
    return outcome, *wanted.choose(checked.study, checked.base, records)


if __name__ == "__main__":
    script.run(main, "finished lanes are saved")
