"""What a trained network learned: its kernels, maps and layers, and what its answers rest on."""

import pathlib
from collections.abc import Sequence

from absl import flags as absl_flags

from cnnjax.config import flags, numeric, words
from cnnjax.config.knobs import printable
from experiments import script

DESCRIPTION = """
python -m experiments.look RUN [RUN...] --out=FOLDER [--what=filters,saliency,...]

RUN is the folder of a run that kept its weights: of experiments.train, or RUNS/records/ID with
--keep. FOLDER gets look.html, one page that fetches nothing, and look.json with its numbers. The
page shows the kernels of the first layer, what the layers answer, what answers rest on and whether
that would be so with weights that nobody trained, what a cell of the last map sees, how well
classes are read off each layer, and how alike layers see. Further runs are compared with the
first, layer by layer. Images are test images of the run's own data set, or of --dataset.

Exit status: 0 done, 1 a file could not be written, 2 there is no such run, or it was trained on
other images, 75 interrupted.
"""
WHAT = ("filters", "activity", "saliency", "receptive_field", "probes", "similarity")
EXAMPLE = "as in look runs/one --out=looked"


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Looks into runs from flags; gives the exit status."""
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_string("out", None, "Folder to write; required.", flag_values=values)
    absl_flags.DEFINE_list(
        "what", list(WHAT), f"Which of {', '.join(WHAT)}; all by default.", flag_values=values
    )
    numeric.define_integer(values, "images", 6, "Test images that are shown.", 1, 32)
    absl_flags.DEFINE_string(
        "dataset", None, "Another data set of the same classes, as for experiments.evaluate.",
        flag_values=values,
    )  # fmt: skip
    script.define_keep_of(values)
    script.define_quiet(values)
    flags.define_where(values)
    positional = flags.parse(values, argv, DESCRIPTION)
    if not positional:
        flags.refuse(f"name the folder of a finished run, {EXAMPLE}")
    if not values.out:
        flags.refuse(f"--out is missing: name a folder, {EXAMPLE}")
    for name in values.what or [""]:
        if name not in WHAT:
            flags.refuse(f"--what={name} is not allowed: give {', '.join(WHAT)}")
    where = flags.read_where(values)
    from cnnjax.sweep import backend

    backend.configure_jax()
    from cnnjax.report import look_page
    from cnnjax.runs import look
    from cnnjax.runs.load import load_run
    from experiments import looked

    say = script.open_notes(values.quiet)
    subjects = []
    for folder in positional:
        run = load_run(folder, values.keep)
        subjects.append(look.open_subject(run, where, values.images, values.dataset, say))
    command = flags.quote_command(["python", "-m", "experiments.look", *argv[1:]])
    what = [name for name in WHAT if name in values.what]
    sections, numbers = looked.collect(subjects, what)
    if absent := [name for name in what if name not in numbers]:
        say(f"{positional[0]} has nothing to show of {', '.join(absent)}")
    path = look_page.write(
        pathlib.Path(values.out), positional[0], subjects[0].run.config, sections, numbers, command
    )
    words.say(printable(f"page: {path}"))
    return script.DONE


if __name__ == "__main__":
    script.run(main, "nothing was written")
