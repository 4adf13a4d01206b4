"""The page of a single run: what it reached, its learning curves and its rate as a picture."""

import contextlib
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib import figure, ticker
from matplotlib.axes import Axes

from cnnjax.config import datasets, knobs, words
from cnnjax.config.config import KNOBS, Config, settings_of
from cnnjax.records import predictions
from cnnjax.records.atomic import write_text
from cnnjax.report import folders, scope, text
from cnnjax.report.drawing import (
    LINE_COLORS,
    SMALL,
    STYLE,
    VERDICT_COLORS,
    WIDTH,
    Drawing,
    add_legend,
    render_svg,
)
from cnnjax.report.errors import find_errors
from cnnjax.report.thumbnails import Look, look_nowhere, make_thumbnails
from cnnjax.study import metrics

SHOWN = ("test_accuracy", "test_balanced_accuracy", "test_loss", "test_ece", "test_brier",
         "validation_accuracy")  # fmt: skip
FEW = 40  # evaluations, each of which a curve marks
STEEP = 100  # ratio of losses from which their axis is logarithmic
Rates = tuple[Sequence[int], Sequence[float]]  # steps, and the learning rate at each


def write_page(
    workdir: pathlib.Path, config: Config, rates: Rates, command: str, look: Look = look_nowhere
) -> pathlib.Path:
    """Writes the page of a finished run into its folder and gives its path.

    It is made of the run's metrics.jsonl, result.json and predictions.npz; `command` is what made
    the run, and `look` gives the test images that it mistook, by number alone without.
    """
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    result = json.loads((workdir / "result.json").read_text(encoding="utf-8"))
    svg = render_svg(draw_run(lines, rates, result.get("diverged_at")))
    with contextlib.suppress(FileNotFoundError, ValueError):  # deleted, or no more than scores
        result["answers"] = predictions.load(workdir, result["provenance"])
    path = workdir / folders.PAGE
    html = render_page(workdir.absolute().name, config, lines, result, svg, command, look)
    write_text(path, folders.seal_page(html))
    return path


def render_page(
    name: str, config: Config, lines: Sequence[dict[str, Any]], result: dict[str, Any], svg: str,
    command: str, look: Look = look_nowhere,
) -> str:  # fmt: skip
    """The whole page as one string, with nothing to fetch."""
    provenance = result["provenance"]
    facts = {key: value for key, value in provenance.items() if isinstance(value, str | int)}
    if names := provenance.get("class_names"):
        facts["classes"] = scope.list_classes(names)
    facts["packages"] = ", ".join(f"{own} {at}" for own, at in provenance["packages"].items())
    settings, answers = settings_of(config), result.pop("answers", None)
    errors = answers and find_errors(answers, names or ())
    places = [own.place for own in errors.mistakes] if errors else []
    environment = folders.make_templates()
    environment.filters |= {"value": knobs.format_value, "number": text.number}
    return environment.get_template("run.html").render(
        name=name,
        config=config,
        headline=describe_result(result),
        failed=bool(result["failed"]),
        scores={
            metrics.find(own).label: text.measure(result[own], own)
            for own in SHOWN
            if result.get(own) is not None
        },
        result=result,
        errors=errors,
        pictures=make_thumbnails(look, config, answers.label, places) if answers else {},
        lines=[{key: _number(line.get(key)) for key in COLUMNS} for line in lines],
        columns=COLUMNS,
        drawing=svg,
        own={knob: settings[knob] for knob in KNOBS if knob in settings},
        others=[knob for knob in KNOBS if knob not in settings],
        source=datasets.describe(config.dataset),
        facts={key.replace("_", " "): value for key, value in facts.items()},
        command=command,
    )


COLUMNS = {
    "step": "step", "train_loss": "training loss", "validation_loss": "validation loss",
    "train_accuracy": "training accuracy", "validation_accuracy": "validation accuracy",
}  # fmt: skip


def describe_result(result: dict[str, Any]) -> str:
    """What a run reached, in a sentence."""
    if result.get("diverged_at") is not None:
        return f"The run diverged: its loss is no number from step {result['diverged_at']:,} on."
    if result["failed"]:
        return "The run failed: its training loss is no better than a constant prediction's."
    accuracy = text.measure(result["test_accuracy"], "test_accuracy")
    images = words.count(result["num_test_examples"], "test image is", "test images are")
    return f"{accuracy} of {images} recognised."


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def draw_run(lines: Sequence[dict[str, Any]], rates: Rates, diverged_at: int | None) -> Drawing:
    """Accuracy, loss and learning rate over the steps, one above the other.

    Curves end where a run diverged: what it answered from there on is no score.
    """
    with matplotlib.rc_context(STYLE):
        drawing = figure.Figure(figsize=(WIDTH, 6.2), layout="constrained")
        grid = drawing.subplots(3, 1, sharex=True, squeeze=False, height_ratios=(3, 3, 2))
        accuracy, loss, rate = grid[:, 0]
        sound = [line for line in lines if line["step"] < (diverged_at or np.inf)]
        _draw_curves(accuracy, sound, "accuracy", 100)
        accuracy.set_ylabel("Accuracy (%)", fontsize=SMALL)
        if not sound:
            accuracy.set_ylim(0, 100)
        _draw_curves(loss, sound, "loss", 1)
        constant = [line["constant_loss"] for line in lines]
        loss.plot([line["step"] for line in lines], constant, color=LINE_COLORS[-1], lw=1, ls=":",
                  label="best constant prediction")  # fmt: skip
        loss.set_ylabel("Loss (nats)", fontsize=SMALL)
        _scale_loss(loss, sound)
        rate.plot(*rates, color=LINE_COLORS[2], lw=1.5)
        rate.set_ylabel("Learning rate", fontsize=SMALL)
        rate.set_xlabel("Training step", fontsize=SMALL)
        rate.set_ylim(bottom=0)
        rate.set_xlim(0, rates[0][-1])
        rate.xaxis.set_major_locator(ticker.MaxNLocator(5, integer=True))
        for axes in grid.flat:
            axes.grid(alpha=0.2, lw=0.6)
            if diverged_at is not None:
                axes.axvline(diverged_at, color=VERDICT_COLORS["refuted"], lw=1.2, ls="--",
                             label=f"diverged at step {diverged_at:,}")  # fmt: skip
        add_legend(drawing, grid)
    return Drawing(drawing, describe_curves(lines, diverged_at))


def _draw_curves(axes: Axes, lines: Sequence[dict[str, Any]], name: str, factor: float) -> None:
    """Training and validation, a point an evaluation."""
    steps = [line["step"] for line in lines]
    marker = "." if len(steps) <= FEW else ""
    for split, color in zip(("train", "validation"), LINE_COLORS, strict=False):
        values = [factor * _number(line.get(f"{split}_{name}")) for line in lines]
        label = {"train": "training", "validation": "validation"}[split]
        if steps:
            axes.plot(steps, values, color=color, lw=1.5, marker=marker, clip_on=False, label=label)


def _scale_loss(axes: Axes, lines: Sequence[dict[str, Any]]) -> None:
    """A logarithmic axis where losses differ by orders of magnitude."""
    names = ("train_loss", "validation_loss")
    found = [_number(line.get(name)) for line in lines for name in names]
    positive = [value for value in found if value > 0]
    if positive and max(positive) > STEEP * min(positive):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")  # not as a formula
        axes.yaxis.set_minor_formatter("")
    else:
        axes.set_ylim(bottom=0)


def describe_curves(lines: Sequence[dict[str, Any]], diverged_at: int | None) -> str:
    """What the picture shows, in words."""
    last = lines[-1]
    ends = ", ".join(
        f"{label} {text.number(_number(last.get(key)), 3)}"
        for key, label in COLUMNS.items()
        if key != "step"
    )
    said = f"Accuracy, loss and learning rate over the steps; after step {last['step']:,}: {ends}."
    return said if diverged_at is None else f"{said} The run diverged at step {diverged_at:,}."
