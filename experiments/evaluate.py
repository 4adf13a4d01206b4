"""How a trained network does on images that it was not made for."""

import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from absl import flags as absl_flags

from cnnjax.config import flags, words
from cnnjax.config.knobs import printable
from experiments import script

if TYPE_CHECKING:
    from cnnjax.runs.evaluate import Evaluation
    from cnnjax.study.recognised import Share

DESCRIPTION = """
python -m experiments.evaluate RUN [--dataset=NAME] [--split=test] [--json=FILE]

RUN is the folder of a run that kept its weights. Scores it on a data set of the same classes, its
own where none is named: another version of it, one that is corrupted, a folder of one's own.
Classes are known by their names, in whatever order; images must be of the size that it takes.

Exit status: 0 done, 1 a file could not be written, 2 there is no such run, or its classes or images
are others, 75 interrupted.
"""
MOST = 10  # rows of a table


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Scores from flags; gives the exit status."""
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_string(
        "dataset", None, "Data set, as for experiments.train.", flag_values=values
    )
    absl_flags.DEFINE_enum(
        "split",
        "test",
        ["test", "validation", "train", "all"],
        "Which of its images.",
        flag_values=values,
    )
    absl_flags.DEFINE_string(
        "json", None, "Write the scores to this file too, as JSON.", flag_values=values
    )
    script.define_keep_of(values)
    script.define_quiet(values)
    flags.define_where(values)
    positional = flags.parse(values, argv, DESCRIPTION)
    if len(positional) != 1:
        flags.refuse("name the folder of one run, as in evaluate runs/one --dataset=folder:photos")
    where = flags.read_where(values)
    from cnnjax.sweep import backend

    backend.configure_jax()
    from cnnjax.runs import evaluate
    from cnnjax.runs.load import load_run

    run, say = load_run(positional[0], values.keep), script.open_notes(values.quiet)
    found = evaluate.evaluate(run, values.dataset, where, values.split, say)
    if values.json:
        from cnnjax.records import atomic

        atomic.write_json(pathlib.Path(values.json), {"run": positional[0], **describe(found)})
    print_scores(found, evaluate.list_confused(found, run.class_names)[:MOST], values.quiet)
    return script.DONE


def describe(found: "Evaluation") -> dict[str, Any]:
    """The scores as plain JSON values."""

    def plain(share: "Share") -> dict[str, Any]:
        return {"accuracy": share.mean, "images": share.count, "interval": list(share.interval)}

    return {
        "dataset": found.dataset, "split": found.split, **plain(found.accuracy),
        "loss": found.loss, "ece": found.ece, "ece_scaled": found.ece_scaled,
        "classes": {name: plain(share) for name, share in found.by_class.items()},
        "confusion": found.confusion.tolist(),
    }  # fmt: skip


def print_scores(found: "Evaluation", confused: list[tuple[str, str, int]], quiet: bool) -> None:
    """Accuracy with its interval, then the classes that are recognised least."""
    say_share(f"accuracy on {found.dataset}, {found.split}", found.accuracy)
    if quiet:
        return
    scaled = "" if found.ece_scaled is None else f", calibrated {100 * found.ece_scaled:.2f}%"
    words.say(f"loss {found.loss:.4f}; calibration error {100 * found.ece:.2f}%{scaled}")
    worst = sorted(found.by_class.items(), key=lambda item: item[1].mean)[:MOST]
    for name, share in worst:
        say_share(f"  {name}", share)
    for true, taken, count in confused:
        words.say(printable(f"  {true} taken for {taken}: {words.count(count, 'image')}"))


def say_share(name: str, share: "Share") -> None:
    """A share of images in a line."""
    low, high = share.interval
    words.say(
        printable(
            f"{name}: {100 * share.mean:.2f}% [{100 * low:.2f}, {100 * high:.2f}] of"
            f" {words.count(share.count, 'image')}"
        )
    )


if __name__ == "__main__":
    script.run(main, "nothing was written")
