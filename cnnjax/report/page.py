"""A study's directory: report.html, verdicts.json, records.csv and figures/."""

import csv
import importlib.resources
import io
import pathlib
from typing import Any

import jinja2

from cnnjax import knobs, store
from cnnjax.config import KNOBS
from cnnjax.judge import Arm, Judgement
from cnnjax.report import figures, text


def write_report(judgement: Judgement, runs: pathlib.Path, command: str) -> pathlib.Path:
    """Writes everything under `runs/<study>/` and gives the path of the page."""
    directory = runs / judgement.study.name
    drawings = {
        "differences": figures.draw_differences(judgement.verdicts),
        "curves": figures.draw_curves(judgement),
    }
    for name, svg in drawings.items():
        store.write_text(directory / "figures" / f"{name}.svg", svg)
    store.write_json(directory / "verdicts.json", list(judgement.verdicts))
    store.write_text(directory / "records.csv", render_records(judgement))
    page = directory / "report.html"
    store.write_text(page, render_page(judgement, drawings, command))
    return page


def render_records(judgement: Judgement) -> str:
    """One line a record: arm, seed, the varied knobs, scores and cost."""
    rows = [
        {
            "arm": arm.name,
            "seed": record.config.seed,
            **{knob: knobs.format_value(value) for knob, value in arm.overrides.items()},
            **record.scores,
            **{name: arm.cost[name] for name in ("parameters", "macs", "receptive_field")},
            "record": record.id,
        }
        for arm in judgement.arms
        for record in arm.records
    ]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def render_page(judgement: Judgement, drawings: dict[str, str], command: str) -> str:
    """The whole page as one string, with nothing to fetch."""
    source = importlib.resources.files("cnnjax.report").joinpath("page.html").read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {
        "percent": text.percent,
        "points": text.points,
        "interval": text.interval,
        "probability": text.probability,
        "optional": text.optional,
        "shape": text.shape,
        "brief": text.brief,
        "describe": text.describe_verdict,
        "value": knobs.format_value,
    }
    claims = [
        {
            "id": claim.id,
            "statement": claim.statement,
            "tried_as": claim.tried_as,
            "verdicts": [row for row in judgement.verdicts if row["claim"] == claim.id],
        }
        for claim in judgement.study.claims
    ]
    return environment.from_string(source).render(
        study=judgement.study,
        config=judgement.config,
        knobs=[k for k in KNOBS if k not in (*judgement.study.grid, "seed")],
        claims=claims,
        arms=judgement.arms,
        confounds={arm.name: confounds(arm, judgement.arms[0]) for arm in judgement.arms},
        num_test=judgement.arms[0].records[0].scores["num_test_examples"],
        provenances=summarise_provenance(judgement),
        drawings=drawings,
        command=command,
        meaning=text.MEANING,
    )


def confounds(arm: Arm, reference: Arm) -> set[str]:
    """The costs in which an arm differs from the first arm of the table."""
    names = ("parameters", "macs", "receptive_field", "map_shape")
    return {name for name in names if arm.cost[name] != reference.cost[name]}


def summarise_provenance(judgement: Judgement) -> list[tuple[str, str]]:
    """Where the records come from: each fact once, with every value it took."""
    records = [record for arm in judgement.arms for record in arm.records]
    facts: dict[str, dict[str, None]] = {}
    for record in records:
        for name, value in _flatten(record.provenance):
            facts.setdefault(name, {})[value] = None
    dates = sorted(facts.pop("date"))
    facts["date"] = dict.fromkeys((dates[0], dates[-1]))
    return [(name.replace("_", " "), ", ".join(values)) for name, values in facts.items()]


def _flatten(provenance: dict[str, Any]) -> list[tuple[str, str]]:
    plain = [
        (k, str(v)) for k, v in provenance.items() if not isinstance(v, dict) and k != "origin"
    ]
    versions = ", ".join(f"{name} {version}" for name, version in provenance["packages"].items())
    return [*plain, ("packages", versions)]
