"""What a trained network says of images."""

import csv
import io
import pathlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from absl import flags as absl_flags

from cnnjax.config import flags, numeric, words
from cnnjax.config.knobs import printable
from experiments import script

if TYPE_CHECKING:
    from cnnjax.runs.run import Run

DESCRIPTION = """
python -m experiments.predict RUN IMAGE... [--top=3] [--json=FILE] [--csv=FILE]

RUN is the folder of a run that kept its weights: of experiments.train, or runs/records/ID with
--keep. An IMAGE is a file that Pillow reads, a folder (all images below it), or arrays as the data
set stores them (.npz, .npy). Prints the likeliest classes of each, whose probabilities are
calibrated on the validation images of the run.

Exit status: 0 done, 1 a file could not be written, 2 there is no such run or image, 75 interrupted.
"""


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Answers from flags; gives the exit status."""
    values = absl_flags.FlagValues()
    numeric.define_integer(values, "top", 3, "Classes of each image, the likeliest first.", 1)
    absl_flags.DEFINE_boolean(
        "raw", False, "Probabilities as the network has them, not calibrated.", flag_values=values
    )
    absl_flags.DEFINE_boolean(
        "fit", False, "Cut and resize images of another size than the network takes.",
        flag_values=values,
    )  # fmt: skip
    for name in ("json", "csv"):
        absl_flags.DEFINE_string(
            name,
            None,
            f"Write the answers to this file too, as {name.upper()}.",
            flag_values=values,
        )
    script.define_keep_of(values)
    script.define_quiet(values)
    positional = flags.parse(values, argv, DESCRIPTION)
    if len(positional) < 2:
        flags.refuse("name the folder of a run and then images, as in predict runs/one cat.png")
    from cnnjax.sweep import backend

    backend.configure_jax()
    from cnnjax.runs import files
    from cnnjax.runs.load import load_run

    run, say = load_run(positional[0], values.keep), script.open_notes(values.quiet)
    given = files.read_images(positional[1:], run, values.fit, say)
    calibrated = not values.raw and run.temperature is not None
    if not values.raw and not calibrated:
        say("the run has no temperature: probabilities are as the network has them")
    found = run.predict(given.images, calibrated)
    answers = list_answers(given.names, found, run.class_names, values.top)
    if values.json:
        write_json(pathlib.Path(values.json), run, positional[0], calibrated, answers)
    if values.csv:
        write_csv(pathlib.Path(values.csv), answers)
    if not values.quiet:
        print_answers(answers)
    return script.DONE


def list_answers(
    names: Sequence[str], probabilities: Any, classes: Sequence[str], top: int
) -> list[dict[str, Any]]:
    """The likeliest classes of each image, from probabilities [N, classes]."""
    answers = []
    for name, row in zip(names, probabilities, strict=True):
        order = sorted(range(len(classes)), key=lambda place: -row[place])[:top]
        likely = [{"class": classes[place], "probability": float(row[place])} for place in order]
        answers.append({"image": name, "classes": likely})
    return answers


def write_json(
    path: pathlib.Path, run: "Run", folder: str, calibrated: bool, answers: list[dict[str, Any]]
) -> None:
    """Writes all answers, and of what run they are."""
    from cnnjax.records import atomic

    about = {"run": folder, "calibrated": calibrated, "temperature": run.temperature}
    atomic.write_json(path, {**about, "images": answers})


def write_csv(path: pathlib.Path, answers: list[dict[str, Any]]) -> None:
    """Writes a row an image: its name, then a column for each class and each probability."""
    from cnnjax.records import atomic

    top = len(answers[0]["classes"]) if answers else 0
    titles = [f"{name}_{place + 1}" for place in range(top) for name in ("class", "probability")]
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(["image", *titles])
    for answer in answers:
        writer.writerow(
            [answer["image"], *(own[name] for own in answer["classes"] for name in own)]
        )
    atomic.write_bytes(path, content.getvalue().encode())


def print_answers(answers: list[dict[str, Any]]) -> None:
    """A line an image."""
    width = max((len(answer["image"]) for answer in answers), default=0)
    for answer in answers:
        said = "  ".join(
            f"{own['class']} {100 * own['probability']:.1f}%" for own in answer["classes"]
        )
        words.say(printable(f"{answer['image']:<{width}}  {said}"), sys.stdout)


if __name__ == "__main__":
    script.run(main, "nothing was written")
