"""A run as a notebook shows it: a line of words and its learning curves, as HTML and SVG."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, TypeGuard

WIDTH, HEIGHT, MARGIN = 260, 140, 34  # pixels of a panel
COLORS = {"train": "#3b7dd8", "validation": "#e08a2c"}
PANELS = {"loss": "Loss", "accuracy": "Accuracy (%)"}
Points = list[tuple[float, float]]


def show_run(title: str, scores: str, metrics: Sequence[Mapping[str, Any]]) -> str:
    """HTML of a run: what it is, what it reached, its curves."""
    panels = "".join(draw_panel(name, metrics) for name in PANELS) if len(metrics) > 1 else ""
    named = (f'<span style="color:{color}">{name}</span>' for name, color in COLORS.items())
    legend = f"<br>{' '.join(named)}" if panels else ""
    return f"<div><b>{escape(title)}</b><br>{escape(scores)}<br>{panels}{legend}</div>"


def draw_panel(name: str, metrics: Sequence[Mapping[str, Any]]) -> str:
    """SVG of loss or accuracy over the steps, a line a split."""
    factor = 100 if name == "accuracy" else 1
    curves = {
        split: [
            (line["step"], factor * line[f"{split}_{name}"])
            for line in metrics
            if is_number(line.get(f"{split}_{name}"))
        ]
        for split in COLORS
    }
    points = [point for curve in curves.values() for point in curve]
    if not points:
        return ""
    (left, right), (low, high) = (
        (min(values), max(values)) for values in zip(*points, strict=True)
    )

    def place(point: tuple[float, float]) -> str:
        x = MARGIN + (point[0] - left) / ((right - left) or 1) * (WIDTH - 2 * MARGIN)
        y = HEIGHT - MARGIN - (point[1] - low) / ((high - low) or 1) * (HEIGHT - 2 * MARGIN)
        return f"{x:.1f},{y:.1f}"

    lines = "".join(
        f'<polyline fill="none" stroke="{COLORS[split]}" stroke-width="1.5"'
        f' points="{" ".join(map(place, curve))}"/>'
        for split, curve in curves.items()
    )
    label = f"{PANELS[name]}, from {low:.4g} to {high:.4g} over steps {left} to {right}"
    return (
        f'<svg role="img" aria-label="{label}" width="{WIDTH}" height="{HEIGHT}"'
        f' font-size="10" fill="currentColor">'
        f'<text x="{MARGIN}" y="14">{PANELS[name]}</text>'
        f'<text x="{MARGIN - 4}" y="{MARGIN + 4}" text-anchor="end">{high:.3g}</text>'
        f'<text x="{MARGIN - 4}" y="{HEIGHT - MARGIN}" text-anchor="end">{low:.3g}</text>'
        f'<text x="{MARGIN}" y="{HEIGHT - MARGIN + 16}">{left}</text>'
        f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - MARGIN + 16}" text-anchor="end">{right}</text>'
        f"{lines}</svg>"
    )


def is_number(value: object) -> TypeGuard[float]:
    """Whether a score is there, and finite."""
    return isinstance(value, (int, float)) and math.isfinite(value)
