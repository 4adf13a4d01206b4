"""One run, checkpointed and resumed to the same bits."""

import json
import pathlib
from collections.abc import Sequence
from typing import Any

from absl import flags as absl_flags

from cnnjax.config import flags
from cnnjax.config.config import Config, make_config, structure_of, to_json
from cnnjax.config.datasets import Where
from cnnjax.config.knobs import ConfigError, printable
from cnnjax.records.atomic import write_json
from cnnjax.records.provenance import program_version
from experiments import conduct, script

DESCRIPTION = """
python -m experiments.train [--name=value ...] --workdir=FOLDER

Trains one network and scores it on the test split. FOLDER gets config.json, provenance.json,
metrics.jsonl (one JSON object an evaluation), checkpoints/ and result.json. The same command
goes on where an interrupted run stopped, to the same bits; a finished run is only reported.

Exit status: 0 done, 1 the run failed, 2 the command line is wrong, 75 interrupted (run the same
command again to go on).
"""


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Trains from flags; gives the exit status."""
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_string(
        "workdir", None, "Folder of this run; required but with --plan.", flag_values=values
    )
    absl_flags.DEFINE_integer(
        "checkpoint_every", 0, "Steps between checkpoints; 0 for at every evaluation.",
        lower_bound=0, flag_values=values,
    )  # fmt: skip
    absl_flags.DEFINE_boolean(
        "plan", False, "Print what the network costs, layer by layer, and stop.", flag_values=values
    )
    flags.define_where(values)
    flags.define_config(values, Config())
    positional = flags.parse(values, argv, DESCRIPTION)
    if positional:
        flags.refuse(f"unexpected {positional[0]!r}: every choice is a flag, such as --pool=avg")
    config = make_config(flags.given_config(values))
    if values.plan:
        return print_cost(config, flags.read_where(values), flags.find_sources(values, argv))
    if not values.workdir:
        flags.refuse(
            "--workdir is missing: name the folder of this run, such as --workdir=runs/one"
        )
    workdir = pathlib.Path(values.workdir)
    return train(config, workdir, flags.read_where(values), values.checkpoint_every, stop)


def print_cost(config: Config, where: Where, sources: dict[str, set[str]]) -> int:
    """Prints what the network costs, layer by layer, and what is in force; trains nothing."""
    from rich.console import Console

    from cnnjax.sweep import backend

    backend.configure_jax()
    from cnnjax.config import explain
    from cnnjax.data import load
    from cnnjax.networks import cost
    from cnnjax.report import terminal
    from cnnjax.sweep import placement

    info = load.load_info(config, where)
    terminal.print_cost(config, cost.measure(config, *info), Console())
    for line in explain.describe_choices(explain.explain(config, sources)):
        print(line)
    conduct.print_network_notes([config], [info])
    print(f"data: {load.describe_feed(config, where, placement.data_budget())}")
    return script.DONE


def train(
    config: Config,
    workdir: pathlib.Path,
    where: Where,
    checkpoint_every: int,
    stop: script.Stop,
) -> int:
    """Trains or goes on training in `workdir`; gives the exit status.

    Raises ConfigError where the run cannot be, or the folder holds another.
    """
    import time

    from cnnjax.sweep import backend

    backend.configure_jax()
    from cnnjax.data import load, transform
    from cnnjax.measures import outcome
    from cnnjax.networks import cost
    from cnnjax.sweep import checkpoints, group, placement
    from cnnjax.sweep.engines import local

    info = load.load_info(config, where)
    measured = cost.measure(config, *info)
    conduct.print_network_notes([config], [info])
    dataset = load.load_dataset(config, where, placement.data_budget())
    transform.check(config, dataset)
    conduct.print_notes(dataset)
    provenance = local.make_provenance(config, dataset, program_version())
    claim_workdir(workdir, config, provenance)
    if (workdir / "result.json").exists():
        print_result(workdir)
        return script.DONE

    begin = time.perf_counter()
    structure = structure_of(config)
    mesh = placement.make_group_mesh(structure, 1, dataset)
    data = group.place_data(structure, dataset, mesh)
    numbers = placement.stack_numbers([config], mesh, data.spec)
    every = checkpoint_every or config.eval_every
    lengths = group.segment_lengths(structure, checkpoint_every=every)
    executables = group.compile_group(structure, numbers, data, mesh, lengths)
    compile_seconds = time.perf_counter() - begin

    states = executables.init(numbers)
    manager = checkpoints.open_manager(workdir)
    restored = checkpoints.restore(manager, states)
    start, states = restored or (0, states)
    metrics = checkpoints.load_metrics(workdir / "metrics.jsonl", start)
    checkpoints.write_metrics(workdir / "metrics.jsonl", metrics)
    step, seconds, stopped = start, 0.0, False
    with (
        script.progress_bar(1, (config.steps - start) * config.batch_size) as bar,
        stop.listen() as should_stop,
    ):
        for segment in group.train_group(executables, structure, numbers, data, states, every):
            if segment.validation is not None:
                metrics.append(group.describe_segment(segment, lane=0))
                checkpoints.write_metrics(workdir / "metrics.jsonl", metrics)
            states, seconds = segment.states, seconds + segment.seconds
            stopped = should_stop() and segment.step < config.steps
            if stopped or segment.step == config.steps or (every and segment.step % every == 0):
                checkpoints.save(manager, segment.step, states)
            bar.on_examples((segment.step - step) * config.batch_size)
            bar.on_waiting(segment.waiting / segment.seconds)
            step = segment.step
            if stopped:
                break
    manager.close()
    if stopped:
        return script.INTERRUPTED
    begun = group.measure_start(executables, numbers, data)
    found = group.examine(executables, states, data)
    scores = group.finish_lane(metrics, begun, found, data, lane=0)
    scores = outcome.hide(scores) if scores["diverged"] else scores
    trained = (config.steps - start) * config.batch_size
    write_json(
        workdir / "result.json",
        {
            **scores,
            "num_parameters": measured.parameters,
            "macs": measured.macs,
            "steps": config.steps,
            "examples_per_second": trained / seconds if trained else None,
            "compile_seconds": compile_seconds,
            "provenance": provenance,
        },
    )
    print_result(workdir)
    return script.DONE


def claim_workdir(workdir: pathlib.Path, config: Config, provenance: dict[str, Any]) -> None:
    """Writes config.json and provenance.json, or checks that they are this run's.

    Raises ConfigError where the folder holds a run of another config, data set or program.
    """
    from cnnjax.config import datasets
    from cnnjax.records import origin

    if not (workdir / "config.json").exists():
        write_json(workdir / "provenance.json", provenance)
        write_json(workdir / "config.json", to_json(config))
        return
    there = json.loads((workdir / "config.json").read_text(encoding="utf-8"))
    here = to_json(config)
    for name, value in here.items():
        moved = name == "dataset" and datasets.without_path(there[name]) == datasets.without_path(
            value
        )
        if there.get(name) != value and not moved:  # the origin tells other data
            raise ConfigError(
                f"{workdir} holds a run with --{name}={there.get(name)}, not {value}: give another"
                " --workdir, or the flags of that run"
            )
    earlier = json.loads((workdir / "provenance.json").read_text(encoding="utf-8"))
    different = origin.compare([origin.read(earlier), origin.read(provenance)])
    if different:
        raise ConfigError(
            f"{workdir} holds a run of other code or data ({'; '.join(different)}):"
            " going on would not give its bits, so give another --workdir"
        )


def print_result(workdir: pathlib.Path) -> None:
    """What a finished run reached, in two lines."""
    result = json.loads((workdir / "result.json").read_text(encoding="utf-8"))
    if result["diverged_at"] is not None:
        print(f"the run diverged: its loss is no number from step {result['diverged_at']} on")
    else:
        print(
            f"test accuracy {100 * result['test_accuracy']:.2f}% on"
            f" {result['num_test_examples']:,} images, {result['num_parameters']:,} parameters"
        )
        if result["failed"]:
            print("the run failed: its training loss is no better than a constant prediction's")
    print(printable(f"result: {workdir / 'result.json'}"))


if __name__ == "__main__":
    script.run(main, "the run is saved up to its last checkpoint")
