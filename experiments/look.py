"""What a trained network learned: its kernels, maps and layers, and what its answers rest on."""

import pathlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from absl import flags as absl_flags

from cnnjax.config import flags, numeric, words
from cnnjax.config.knobs import printable
from experiments import script

if TYPE_CHECKING:
    from cnnjax.report.looks import Section
    from cnnjax.runs.look import Subject

DESCRIPTION = """
python -m experiments.look RUN [RUN...] --out=FOLDER [--what=filters,saliency,...]

RUN is the folder of a run that kept its weights: of experiments.train, or RUNS/records/ID with
--keep. FOLDER gets look.html, one page that fetches nothing, and look.json with its numbers. The
page shows the kernels of the first layer, what the layers answer, what answers rest on and whether
that would be so with weights that nobody trained, what a cell of the last map sees, how well
classes are read off each layer, and how alike layers see. Further runs are compared with the
first, layer by layer. Images are test images of the run's own data set.

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

    say = script.open_notes(values.quiet)
    subjects = []
    for folder in positional:
        run = load_run(folder, values.keep)
        subjects.append(look.open_subject(run, where, values.images, values.dataset, say))
    command = flags.quote_command(["python", "-m", "experiments.look", *argv[1:]])
    what = [name for name in WHAT if name in values.what]
    sections, numbers = collect(subjects, what)
    if absent := [name for name in what if name not in numbers]:
        say(f"{positional[0]} has nothing to show of {', '.join(absent)}")
    path = look_page.write(
        pathlib.Path(values.out), positional[0], subjects[0].run.config, sections, numbers, command
    )
    words.say(printable(f"page: {path}"))
    return script.DONE


def collect(
    subjects: Sequence["Subject"], what: Sequence[str]
) -> tuple[list["Section"], dict[str, Any]]:
    """The parts of the page that a network has, and their numbers by name."""
    sections: list[Section] = []
    numbers: dict[str, Any] = {}
    for name in what:
        found, own = PARTS[name](subjects)
        sections += found
        numbers |= {name: own} if found else {}
    return sections, numbers


Part = tuple[list["Section"], dict[str, Any]]


def _filters(subjects: Sequence["Subject"]) -> Part:
    import numpy as np

    from cnnjax.report import looks
    from cnnjax.runs import look

    found = look.look_at_filters(subjects[0])
    if found is None:
        return [], {}
    scores = {
        "first_layer_selectivity": found.selectivity, "first_layer_gabor": found.gabor,
        "first_layer_colour": found.colour,
    }  # fmt: skip
    known = {name: np.asarray(own) for name, own in scores.items() if own is not None}
    plain = {name: own.tolist() for name, own in known.items()}
    return [looks.describe_filters(np.asarray(found.kernels), known)], plain


def _activity(subjects: Sequence["Subject"]) -> Part:
    from cnnjax.report import looks
    from cnnjax.runs import look

    scores = look.measure(subjects[0], "activity")
    active = scores.get("active_units_by_layer", {})
    return [looks.describe_maps(look.look_at_maps(subjects[0]), active)], scores


def _saliency(subjects: Sequence["Subject"]) -> Part:
    from cnnjax.report import looks
    from cnnjax.runs import look

    found = look.look_at_saliency(subjects[0])
    numbers = {**found.scores, "layers": found.layers, "cascade": found.cascade}
    return [looks.describe_saliency(*found)], numbers


def _receptive_field(subjects: Sequence["Subject"]) -> Part:
    from cnnjax.report import looks
    from cnnjax.runs import look

    found = look.look_at_field(subjects[0])
    if found is None:
        return [], {}
    numbers = {"effective_field": found.side, "effective_field_share": found.side / found.most}
    return [looks.describe_field(*found)], numbers


def _probes(subjects: Sequence["Subject"]) -> Part:
    from cnnjax.report import looks
    from cnnjax.runs import look

    scores = look.measure(subjects[0], "probes")
    if not scores:
        return [], {}
    spec, observed = subjects[0].observed.spec, subjects[0].observed
    counts = int(observed.validation.mask.sum()), int(observed.test.mask.sum())
    return [looks.describe_probes(scores, spec.num_classes, counts)], scores


def _similarity(subjects: Sequence["Subject"]) -> Part:
    from cnnjax.report import looks
    from cnnjax.runs import look

    found = [own for own in look.look_at_similarity(subjects) if own.rows]
    numbers = {
        own.names[1]: {"rows": own.rows, "columns": own.columns, "cka": own.values.tolist()}
        for own in found
    }
    return [looks.describe_similarity(*own) for own in found], numbers


PARTS: dict[str, Callable[[Sequence["Subject"]], Part]] = {
    "filters": _filters, "activity": _activity, "saliency": _saliency,
    "receptive_field": _receptive_field, "probes": _probes, "similarity": _similarity,
}  # fmt: skip


if __name__ == "__main__":
    script.run(main, "nothing was written")
