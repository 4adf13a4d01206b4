"""What the commands that conduct a study print: plans, statuses, reports, and what broke off."""

import sys
import traceback
from typing import TYPE_CHECKING

from cnnjax.config import flags, plugins, words
from cnnjax.config.config import KNOBS, values_of
from cnnjax.config.knobs import ConfigError, RunError, format_value, printable
from cnnjax.study.options import Options
from experiments import script

if TYPE_CHECKING:  # JAX is imported where it is needed, so that --help is answered at once
    from cnnjax import api
    from cnnjax.study.judge import Judgement
    from cnnjax.sweep.observer import Observer
    from cnnjax.sweep.runner import Failure


def print_prospect(checked: "api.Checked", prospect: "api.Prospect", options: Options) -> None:
    """Prints what a study would run and could show."""
    from cnnjax.report import terminal, text
    from cnnjax.report.console import open_console, print_text

    console, num_seeds, plan = open_console(), options.num_seeds, checked.plan
    terminal.print_plan(checked.study, plan, num_seeds, console, prospect.timing)
    if options.keep != "none":
        size = f"{plan.weight_bytes / 2**20:,.1f} MiB in {words.count(plan.num_lanes, 'file')}"
        words.say(f"weights: {size} would be kept beside the records")
    script.print_choices(prospect.choices)
    for outlook in prospect.outlooks:
        print_text(text.describe_outlook(outlook, num_seeds), console)
    for feed in prospect.feeds:
        words.say(f"data: {feed}")
    words.say(f"devices: {prospect.mesh}")


def print_status(checked: "api.Checked", options: Options, observer: "Observer") -> None:
    """Prints how far a study is."""
    from cnnjax import api
    from cnnjax.study import wanted
    from cnnjax.sweep import status

    datasets = api.load_datasets(checked, options, observer)
    own = wanted.of_study(checked.study, checked.base, options.num_seeds, options.first_seed)
    found = status.look(own, datasets, options, wanted.is_fixed(checked.study))
    for line in status.describe(found):
        words.say(printable(f"{checked.study.name}: {line}"))


def print_report(finished: "api.Finished", options: Options, quiet: bool = False) -> "Judgement":
    """Writes and prints the report, behind that of what chose its arms; gives the judgement.

    Where it is to be quiet, it prints where they are, and on stderr of which arms runs failed.
    """
    from cnnjax import api
    from cnnjax.report import terminal
    from cnnjax.report.console import open_console

    if finished.choice is not None:
        print_report(finished.choice, options, quiet)
    for note in finished.notes:
        script.open_notes(quiet)(note)
    lost = None
    try:
        judgement, path = api.report_study(finished, options)
    except OSError as error:  # a full disk, a folder that is only read: the verdict is due
        judgement, path, lost = api.judge_study(finished, options), None, error
    for line in terminal.list_failed(judgement) if quiet else ():
        words.say(printable(line), sys.stderr)
    if not quiet:
        terminal.print_judgement(judgement, open_console())
        words.say(printable(finished.source))
    if lost is not None:
        script.tell_unwritten(lost)
        return judgement
    words.say(printable(f"report: {path}"))
    if not quiet:
        words.say(printable(f"all reports: {options.runs / 'index.html'}"))
    return judgement


def print_summary(finished: "api.Finished", options: Options) -> None:
    """On stderr how many runs broke off, and what trains them alone."""
    lanes = sum(len(failure.group.lanes) for failure in finished.failures)
    judged = "" if finished.records else "; nothing that is judged does without them"
    words.say(f"{words.count(lanes, 'lane')} broke off and left no record{judged}", sys.stderr)
    words.say(printable(f"what trains them alone: {options.command}"), sys.stderr)


def print_failure(failure: "Failure", whole: bool = False) -> None:
    """A failed group on stderr: its choices in one line, then the error as Python shows it.

    Of what was refused only what it says; of an error in a plug-in its place too, unless the whole
    is asked for.
    """
    values = values_of(failure.group.structure)
    differing = [
        f"--{name}={format_value(values[name])}"
        for name, knob in KNOBS.items()
        if values[name] != knob.default
    ]
    choices = flags.quote_command(differing)
    lanes = words.count(len(failure.group.lanes), "lane")
    words.say(f"failed: {lanes} of {choices}", sys.stderr)
    where = plugins.locate(failure.error)
    if where is None and isinstance(failure.error, (ConfigError, RunError)):
        words.say(f"error: {printable(str(failure.error))}", sys.stderr)
    elif where is None or whole:
        traceback.print_exception(failure.error)
    else:
        words.say(f"error: {printable(where)} (--traceback shows all)", sys.stderr)
