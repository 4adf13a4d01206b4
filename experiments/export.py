"""A finished run as a file that needs no cnnjax."""

import pathlib
from collections.abc import Sequence
from typing import Any

from absl import flags as absl_flags

from cnnjax.config import flags, words
from cnnjax.config.knobs import printable
from cnnjax.records import shared
from experiments import script

DESCRIPTION = """
python -m experiments.export RUN --out=FOLDER [--name=value ...]

Writes the network of a finished run (the folder of experiments.train, or RUNS/records/ID with
--keep=final) so that it answers without cnnjax: images as the data set stores them, any number at
once, to probabilities. FOLDER gets model.stablehlo, which JAX opens on CPUs, GPUs and TPUs, or with
--format=onnx model.onnx for ONNX Runtime; the weights; about.json with what it takes, its classes,
and how it was checked; README.txt with how to open it. A fresh process opens the file and must
answer as the run does before FOLDER is there. JAX opens such a file for 6 months of its releases.

Exit status: 0 done; 1 the file does not answer as the run does, or could not be written; 2 the
command line is wrong, or the run cannot be exported so; 75 interrupted.
"""
FORMATS = ("stablehlo", "onnx")
EXAMPLE = "such as runs/one, which experiments.train wrote"


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Exports a run; gives the exit status."""
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_string(
        "out", None, "Folder to write, new or empty; required.", flag_values=values
    )
    absl_flags.DEFINE_enum(
        "format", "stablehlo", FORMATS, "For JAX, or for ONNX Runtime (the extra onnx).",
        flag_values=values,
    )  # fmt: skip
    script.define_keep_of(values)
    script.define_quiet(values)
    positional = flags.parse(values, argv, DESCRIPTION)
    if len(positional) != 1:
        wrong = f"one run at a time, not {' '.join(positional)}" if positional else "no run"
        flags.refuse(f"{wrong}: name the folder of a finished run, {EXAMPLE}")
    if not values.out:
        flags.refuse("--out is missing: name a new folder, such as --out=exported")
    for path in (positional[0], values.out):
        if shared.is_url(path):
            flags.refuse(f"{path} is in a store: name a folder of this machine")
        if "\0" in path:
            flags.refuse(f"{path} cannot be: no path has a zero byte")
    out = pathlib.Path(values.out)
    return export(pathlib.Path(positional[0]), out, values.format, values.keep, stop, values.quiet)


def export(
    folder: pathlib.Path, out: pathlib.Path, format: str, keep: str | None, stop: script.Stop,
    quiet: bool = False,
) -> int:  # fmt: skip
    """Exports the run of a folder, and says what was written; gives the exit status."""
    from cnnjax.sweep import backend

    backend.configure_jax()
    from cnnjax.records import weights
    from cnnjax.runs.export import Stopped, export_run
    from cnnjax.runs.load import load_run

    there = (own for own, name in weights.NAMES.items() if (folder / name).exists())
    kept: Any = keep or next(there, "final")
    try:
        with stop.listen() as should_stop:  # what is half written must not stay
            run = load_run(folder, kept)
            done = export_run(run, out, format, kept, should_stop)
    except Stopped:
        return script.INTERRUPTED
    for name in done.files[: 1 if quiet else None]:
        size = (done.folder / name).stat().st_size / 2**10
        words.say(printable(f"{done.folder / name}: {size:,.1f} KiB"))
    if not quiet:
        words.say(
            "opened in a fresh process: probabilities differ from the run's by"
            f" {done.difference:.1e} at most"
        )
    return script.DONE


if __name__ == "__main__":
    script.run(main, "nothing was written")
