"""A run's network in a folder that needs no cnnjax: written, opened elsewhere, and compared.

The folder holds the network from images as stored to probabilities (model.stablehlo or model.onnx),
the weights (final.safetensors), what it takes and how it was checked (about.json), and how to open
it (README.txt). It is written whole or not at all, and only once a fresh process that knows nothing
of cnnjax has opened the file and answered as `Run.predict` does.
"""

import contextlib
import datetime
import hashlib
import importlib.metadata
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from cnnjax.config import words
from cnnjax.config.config import Config, to_json
from cnnjax.config.knobs import ConfigError, RunError
from cnnjax.records import atomic, weights
from cnnjax.runs import opened, portable
from cnnjax.runs.run import Run, describe, require_new
from cnnjax.sweep import backend, final
from cnnjax.sweep.final import Input

COUNTS = (1, 7)  # images that are shown at once: the file has no batch size of its own
EXACT = 1e-5  # of probabilities, between two programs of the same arithmetic in float32
ROUNDED = 2**-5  # where products are rounded to bfloat16, or as the platform likes
LEFT_SECONDS = 3600  # after which what a killed process left is nobody's
POLL_SECONDS = 0.1
ABOUT, README = "about.json", "README.txt"
WIDTH = 100  # of lines of README.txt
WINDOW = {
    "stablehlo": "JAX promises to open it with releases of jaxlib up to 6 months newer, and up to"
    " 3 weeks older, than the one that wrote it. Export it anew from the run, or from the weights,"
    " for later ones.",
    "onnx": "ONNX Runtime opens what earlier releases opened; this is of opset"
    f" {portable.OPSET}, which it has since 1.24.",
}


class Stopped(Exception):
    """The caller asked to stop; nothing is written."""


class Exported(NamedTuple):
    """What was written."""

    folder: pathlib.Path
    files: tuple[str, ...]  # their names, the network first
    difference: float  # the largest, of a probability, between the file and `Run.predict`


def export_run(
    run: Run, folder: pathlib.Path, format: str = "stablehlo", keep: str = "final",
    should_stop: Callable[[], bool] = lambda: False,
) -> Exported:  # fmt: skip
    """Writes a run's network to a new folder; `keep` names the file of its weights.

    Raises ConfigError where the folder holds something, weights were not kept, or the network
    cannot be written in that form; RunError where the file does not open, or does not answer as
    the run does; Stopped soon after the caller asked to stop.
    """
    form, own = portable.find_form(format), run.network
    with backend.own_settings(), _replace(folder) as new:
        content = portable.convert(run.config, own, format)
        if should_stop():
            raise Stopped
        atomic.write_bytes(new / form.file, content)
        final.save(new, run.config, own, keep)
        images = make_images(own.input)
        difference, allowed = compare(run, images, new / form.file, should_stop)
        files = (form.file, weights.NAMES[keep], ABOUT, README)
        about = describe_export(run, format) | {
            "checked": {
                "in": "a fresh process, without cnnjax, on a CPU",
                "with": {name: importlib.metadata.version(name) for name in form.opens},
                "images": list(COUNTS),
                "against": f"Run.predict on {jax.default_backend()}",
                "largest_difference": difference,
                "allowed": allowed,
            },
            "sha256": {name: _hash(new / name) for name in files[:2]},
        }
        atomic.write_text(new / README, explain(run, about))
        atomic.write_json(new / ABOUT, about)
    return Exported(folder, files, difference)


def make_images(taken: Input) -> np.ndarray:
    """Noise in the range of the training images, of the type of images as stored.

    Of falling contrast: a network that is sure of noise would hide small differences.
    """
    low, high = taken.pixels.low, taken.pixels.high
    drawn = np.random.default_rng(0).uniform(low, high, (max(COUNTS), *taken.image_shape))
    contrast = np.linspace(1, 0.1, max(COUNTS)).reshape(-1, 1, 1, 1)
    middle = (low + high) / 2
    return (middle + contrast * (drawn - middle)).astype(portable.stored_dtype(taken))


def compare(
    run: Run, images: np.ndarray, file: pathlib.Path, should_stop: Callable[[], bool]
) -> tuple[float, float]:
    """The largest difference of a probability between a file and the run, and what is allowed.

    Raises RunError where it is more, or the file does not open, and Stopped.
    """
    expected = np.concatenate([run.predict(images[:count]) for count in COUNTS])
    found = answer_elsewhere(file, images, should_stop)
    if found.shape != expected.shape or not np.isfinite(found).all():
        raise RunError(f"{file.name} gives {list(found.shape)} and not probabilities for images")
    difference, allowed = float(np.abs(found - expected).max()), find_allowed(run.config)
    if difference > allowed:
        raise RunError(
            f"{file.name} does not answer as the run does: probabilities differ by up to"
            f" {difference:.2g}, and {allowed:.2g} is allowed; nothing is written"
        )
    return difference, allowed


def find_allowed(config: Config) -> float:
    """How far a probability of the file may be off; the file is opened on a CPU."""
    alike = jax.default_backend() == "cpu" or config.precision == "highest"
    return EXACT if alike and config.dtype == "float32" else ROUNDED


def answer_elsewhere(
    file: pathlib.Path, images: np.ndarray, should_stop: Callable[[], bool]
) -> np.ndarray:
    """What a file answers in a fresh process on a CPU: probabilities [sum of COUNTS, classes]."""
    environment = {name: own for name, own in os.environ.items() if not name.startswith("JAX_")}
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryFile() as said:
        shown, answers = (os.path.join(place, f"{name}.npy") for name in ("images", "answers"))
        np.save(shown, images)
        command = [sys.executable, "-P", opened.__file__, str(file), shown, answers]
        with subprocess.Popen(
            [*command, *map(str, COUNTS)], env={**environment, "JAX_PLATFORMS": "cpu"},
            stdin=subprocess.DEVNULL, stdout=said, stderr=said,
        ) as child:  # fmt: skip
            try:
                while child.poll() is None and not should_stop():
                    time.sleep(POLL_SECONDS)
            finally:
                child.kill()
        if should_stop():
            raise Stopped
        if child.returncode:
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines()
            reason = lines[-1] if lines else f"status {child.returncode}"
            reason = words.shorten(reason.replace(f"{file.parent}{os.sep}", ""))
            raise RunError(
                f"{file.name} does not open in a fresh process, and nothing is written: {reason}"
            )
        return np.load(answers)


def describe_export(run: Run, format: str) -> dict[str, Any]:
    """What about.json says but for the check: what the file takes and gives, and whence it is."""
    own, form = run.network, portable.FORMS[format]
    taken, packages = own.input, {"cnnjax", "jax", "jaxlib", "flax", "numpy", *form.needs}
    portability = {"opset": portable.OPSET} if format == "onnx" else {
        "platforms": list(portable.PLATFORMS)
    }  # fmt: skip
    return {
        "format": format,
        "file": form.file,
        **portability,
        "input": {
            "name": portable.INPUT,
            "shape": ["n", *taken.image_shape],
            "axes": "images, height, width, channels",
            "dtype": str(portable.stored_dtype(taken)),
            "low": taken.pixels.low,
            "high": taken.pixels.high,
            "range": "low and high are of the training images, as the data set stores them",
        },
        "output": {
            "name": portable.OUTPUT, "shape": ["n", taken.num_classes], "dtype": "float32",
        },
        "class_names": list(run.class_names),
        "config": to_json(run.config),
        "step": own.step,
        "versions": {name: importlib.metadata.version(name) for name in sorted(packages)},
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "opens_until": WINDOW[format],
    }  # fmt: skip


def explain(run: Run, about: dict[str, Any]) -> str:
    """README.txt: what lies here, and how it is opened."""
    taken, checked = about["input"], about["checked"]
    packages = ", ".join(f"{name} {version}" for name, version in checked["with"].items())
    counts = " and ".join(map(str, COUNTS))
    shape, classes = ", ".join(map(str, taken["shape"])), about["output"]["shape"][1]
    return "\n\n".join(
        (
            textwrap.fill(f"{about['file']} is a trained network: {describe(run.config)}.", WIDTH),
            textwrap.indent(portable.FORMS[about["format"]].read, "    ").rstrip(),
            textwrap.fill(
                f"images are [{shape}] (n images, height, width, channels) of {taken['dtype']} as"
                f" the data set stores them, from {taken['low']:g} to {taken['high']:g} in"
                " training: they are standardised and resized within. probabilities are"
                f" [n, {classes}] of float32, in the order of class_names in about.json.",
                WIDTH,
            ),
            textwrap.fill(
                f"Checked with {packages}: on {counts} images at once probabilities differ from"
                f" those of the run by at most {checked['largest_difference']:.2g}."
                f" {about['opens_until']}",
                WIDTH,
            ),
            textwrap.fill(
                "The weights lie beside it as safetensors, named as in the network; about.json says"
                " what the run was, and has checksums.",
                WIDTH,
            ),
            "",
        )
    ).removesuffix("\n")


@contextlib.contextmanager
def _replace(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """A folder beside another, whose place it takes where the block ends well."""
    require_new(folder)
    if not folder.name.strip("."):
        raise ConfigError(f"{folder} would be replaced: name a new folder")
    place = folder.resolve()  # a link to an empty folder stays a link
    atomic.require_writable(place.parent)
    _clear_leftovers(place)
    new = pathlib.Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}."))
    try:
        yield new
        new.chmod(0o755)  # mkdtemp's own mode hides the folder from colleagues
        atomic.sync_tree(new)
        require_new(folder)  # still
        new.rename(place)
        atomic.sync_folder(place.parent)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def _clear_leftovers(place: pathlib.Path) -> None:
    """Removes what was left by one who was killed while he wrote, an hour ago."""
    form = re.compile(re.escape(f".{place.name}.") + r"\w{8}")
    for path in place.parent.iterdir():
        with contextlib.suppress(OSError):
            if form.fullmatch(path.name) and time.time() - path.stat().st_mtime > LEFT_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _hash(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
