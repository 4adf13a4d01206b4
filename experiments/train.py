"""One run, checkpointed and resumed to the same bits."""

import html
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from absl import flags as absl_flags

from cnnjax.config import flags, words
from cnnjax.config.config import Config, make_config, structure_of
from cnnjax.config.datasets import Where
from cnnjax.config.epochs import Epochs, fill_steps
from cnnjax.config.knobs import printable
from cnnjax.config.mesh import AUTO
from cnnjax.records import atomic, shared
from experiments import hosts, rented, script

DESCRIPTION = """
python -m experiments.train [--name=value ...] --workdir=FOLDER

Trains one network and scores it on the test split. FOLDER gets config.json, provenance.json,
metrics.jsonl (one JSON object an evaluation) and the same as metrics.csv, speed.csv (images a
second), checkpoints/, result.json, final.safetensors with the weights (cnnjax.load_run opens them)
and report.html with its learning curves. The same command goes on where an interrupted run stopped,
to the same bits; a finished run is only reported.

Exit status: 0 done, also where the run diverged or learned nothing, which is said and is in
result.json; 1 the run broke off, 2 the command line is wrong, 75 interrupted (run the same command
again to go on).
"""


class Saving(NamedTuple):
    """What a run leaves, and where."""

    workdir: pathlib.Path
    when: script.Saved
    keep: str  # what of the weights
    restart: bool  # whether a run that is there is set aside
    mix: tuple[str, ...] = ()  # on what else it may have begun
    mesh: str = AUTO  # on which devices
    tensorboard: bool = False  # whether with event files
    profile: pathlib.Path | None = None  # where a trace of it goes


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Trains from flags; gives the exit status."""
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_string(
        "workdir", None, "Folder of this run; required but with --plan.", flag_values=values
    )
    script.define_saving(values)
    absl_flags.DEFINE_boolean(
        "plan", False, "Print what the network costs, layer by layer, and stop.", flag_values=values
    )
    rented.define_flags(values)
    absl_flags.DEFINE_boolean(
        "restart", False, "Train afresh: a run that is there is kept as FOLDER.earlier-1, -2, ...",
        flag_values=values,
    )  # fmt: skip
    absl_flags.DEFINE_boolean(
        "tensorboard", False,
        "Write event files of the learning curve into FOLDER/tensorboard, for TensorBoard.",
        flag_values=values,
    )  # fmt: skip
    absl_flags.DEFINE_string(
        "profile", None,
        "Folder for a trace of one segment of training, for XProf and Perfetto.",
        flag_values=values,
    )  # fmt: skip
    script.define_mix(
        values,
        "Go on with a run that began on another CPU, or on another device, though its bits are then"
        " those of neither; none for refusing.",
    )
    script.define_mesh(values)
    hosts.define_flags(values)
    script.define_keep(values, "final", "in its folder")
    script.define_quiet(values)
    flags.define_where(values)
    flags.define_config(values, Config())
    positional = flags.parse(values, argv, DESCRIPTION)
    if positional:
        flags.refuse(f"unexpected {positional[0]!r}: every choice is a flag, such as --pool=avg")
    asked = rented.read_flags(values)
    where, epochs = flags.read_where(values), flags.read_epochs(values, argv)
    given = flags.given_config(values)
    config = make_config(given if epochs is None else fill_steps(epochs, given))
    if not (values.plan or values.workdir):
        flags.refuse(
            "--workdir is missing: name the folder of this run, such as --workdir=runs/one"
        )
    if values.workdir and shared.is_url(values.workdir):
        flags.refuse("--workdir is a folder of this machine; sweeps share a store: --runs=URL")
    profile = values.profile and atomic.open_folder(values.profile, "profile")
    if values.tensorboard:
        from cnnjax.runs import curves

        curves.import_tensorboard()
    hosts.join(hosts.read_flags(values), where, stop, values.quiet)
    if epochs is not None:
        say = script.open_notes(values.quiet)
        config = count_steps(given, epochs, where, not values.plan, say)
    if values.plan:
        sources = flags.find_sources(values, argv)
        return print_cost(config, where, sources, values.mesh, asked, values.quiet)
    workdir = pathlib.Path(values.workdir)
    if values.time_limit is not None:
        stop.limit(values.time_limit)
    command = flags.quote_command(["python", "-m", "experiments.train", *argv[1:]])
    when = script.read_saving(values)
    mix = script.read_mix(values)
    saving = Saving(
        workdir, when, values.keep, values.restart, mix, values.mesh, values.tensorboard, profile
    )
    return train(config, saving, where, command, stop, values.quiet)


def count_steps(
    given: Mapping[str, Any], epochs: Epochs, where: Where, prepare: bool,
    say: Callable[[str], None],
) -> Config:  # fmt: skip
    """The config of as many steps as its epochs are by its training images."""
    from cnnjax.sweep import backend

    backend.configure_jax()
    from cnnjax import api
    from cnnjax.sweep.observer import Observer

    return api.make_timed(given, epochs, where, prepare, Observer(on_note=say))


def print_cost(
    config: Config, where: Where, sources: Mapping[str, set[str]], mesh: str,
    asked: rented.Rented | None = None, quiet: bool = False,
) -> int:  # fmt: skip
    """Prints what the network costs, layer by layer, and what is in force; trains nothing.

    Where a slice is `asked` for, also what it would take of that. Gives the exit status.
    """
    from cnnjax.sweep import backend

    backend.configure_jax()
    from cnnjax import api
    from cnnjax.config import explain
    from cnnjax.report import console, terminal
    from cnnjax.study.timing import Group

    described = api.describe_run(config, where, mesh, asked is None)
    terminal.print_cost(config, described.cost, console.open_console())
    script.print_choices(explain.explain(config, sources))
    for note in described.notes:
        script.print_note(note)
    words.say(f"data: {described.feed}")
    words.say(f"devices: {described.mesh}")
    if asked is None:
        return script.DONE
    group = Group(structure_of(config), described.cost.macs, 1, config.last_step)
    return rented.print_forecast([group], where, asked, quiet)


def train(
    config: Config, saving: Saving, where: Where, command: str, stop: script.Stop,
    quiet: bool = False,
) -> int:  # fmt: skip
    """Trains or goes on training; gives the exit status."""
    from cnnjax.sweep import backend

    backend.configure_jax()
    from cnnjax import api
    from cnnjax.sweep import tracing
    from cnnjax.sweep.runner import Interrupted

    try:
        with script.observe(stop, quiet) as observer:
            workdir, when, keep, restart, mix, mesh, tensorboard, profile = saving
            if restart and (aside := api.set_run_aside(workdir)):
                observer.on_note(f"the run that was there is in {aside}")
            traces = tracing.list_traces(profile) if profile else []
            if profile:
                observer = observer._replace(take=tracing.make_tracer(profile))
            result = api.train_run(
                config, workdir, where, when.checkpoint_every, observer, keep,
                when.checkpoint_minutes, mix, mesh, tensorboard,
            )  # fmt: skip
    except Interrupted:
        return script.INTERRUPTED
    if quiet:
        if failed := describe_failure(result):
            words.say(failed, sys.stderr)
    else:
        print_result(result)
    page = workdir / "report.html"
    if not is_current(page):
        try:
            api.report_run(config, workdir, command, where)
        except OSError as error:
            script.tell_unwritten(error)
            return script.DONE
    words.say(printable(f"result: {workdir / 'result.json'}"))
    words.say(printable(f"report: {page}"))
    for path in tracing.list_traces(profile) if profile else []:
        if path not in traces:
            words.say(printable(f"trace: {path}"))
    return script.DONE


def is_current(page: pathlib.Path) -> bool:
    """Whether there is a page of the run's own beside its result, whole, and no older one."""
    from cnnjax.report import folders

    if not page.is_file():
        return False
    made, needed = (path.stat().st_mtime_ns for path in (page, page.with_name("result.json")))
    own = f"cnnjax run <code>{html.escape(page.parent.absolute().name)}</code>"
    text = page.read_text(encoding="utf-8", errors="replace")
    return made >= needed and own in text and folders.is_sealed(text)


def print_result(result: Mapping[str, Any]) -> None:
    """What a finished run reached."""
    if result["diverged_at"] is not None:
        words.say(describe_failure(result))
        return
    images, parameters = (
        words.count(result[f"num_{name}s"], name.replace("test_example", "image"))
        for name in ("test_example", "parameter")
    )
    words.say(f"test accuracy {100 * result['test_accuracy']:.2f}% on {images}, {parameters}")
    if result["failed"]:
        words.say(describe_failure(result))


def describe_failure(result: Mapping[str, Any]) -> str:
    """Why a finished run counts as failed; empty where it does not."""
    if result["diverged_at"] is not None:
        return f"the run diverged: its loss is no number from step {result['diverged_at']} on"
    if result["failed"]:
        return "the run failed: its training loss is no better than a constant prediction's"
    return ""


if __name__ == "__main__":
    script.run(main, "the run is saved up to its last checkpoint, if it reached one")
