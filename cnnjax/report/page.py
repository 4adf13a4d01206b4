"""A study's directory: report.html, verdicts.json, tables and figures/."""

import pathlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
import numpy as np

from cnnjax.config import datasets, knobs
from cnnjax.config.config import KNOBS
from cnnjax.records import origin
from cnnjax.records.atomic import write_bytes, write_json, write_text
from cnnjax.records.plugins import keep_loaded
from cnnjax.report import (
    classes,
    figures,
    folders,
    listings,
    methods,
    mistaken,
    reach,
    scope,
    searched,
    supplement,
    tables,
    text,
    variance,
)
from cnnjax.report.drawing import Drawing, render_pdf, render_svg
from cnnjax.report.thumbnails import look_nowhere
from cnnjax.study import metrics, rule
from cnnjax.study.claims import name_arm
from cnnjax.study.judge import Judgement, verdict_of
from cnnjax.study.options import FORMATS
from cnnjax.study.summary import Arm

RELATIONS = {">": "said to be above", "<": "said to be below", "=": "said to equal",
             "!=": "against"}  # fmt: skip


def write_report(
    judgement: Judgement, runs: pathlib.Path, command: str, scoreboard: str = "",
    form: str = FORMATS[0], errors: Sequence[mistaken.Section] | None = None, made_of: str = "",
) -> pathlib.Path:  # fmt: skip
    """Writes everything under `runs/<study>/`, whole or not at all, and gives the page's path.

    The page links to that of all statements in the folder `scoreboard` beside it, where one is
    named. A report that was made with other flags before moves below (`folders.replace`). The form
    `md` writes the same in Markdown beside the page. `errors` say where the arms err, with images;
    without them there are none. `made_of` is the key by which `standing` knows it again.
    """
    directory = runs / judgement.study.name
    rendered = figures.draw_all(judgement)
    if errors is None:
        errors = mistaken.collect(judgement, runs, look_nowhere)

    def write(folder: pathlib.Path) -> None:
        drawings = write_figures(folder, rendered)
        write_json(folder / "verdicts.json", list(judgement.verdicts))
        write_text(folder / "records.csv", tables.write_csv(listings.list_records(judgement)))
        write_text(folder / "verdicts.csv", tables.write_csv(listings.list_verdicts(judgement)))
        write_text(folder / "verdicts.tex", tables.write_latex(listings.show_verdicts(judgement)))
        write_text(folder / "arms.tex", tables.write_latex(listings.list_arms(judgement)))
        if trials := searched.list_trials(judgement):
            write_text(folder / "trials.csv", tables.write_csv(trials))
        if shares := variance.list_shares(judgement):
            write_text(folder / "variance.csv", tables.write_csv(shares))
        html = render_page(judgement, drawings, command, scoreboard, form, errors)
        write_text(folder / folders.PAGE, html)
        if form == "md":
            told = supplement.render(judgement, drawings, command)
            write_text(folder / folders.SUPPLEMENT, folders.seal_page(told))

    about = {
        **describe_report(judgement, command),
        "plugins": keep_loaded(runs / "records"),
        "made_of": made_of,
    }
    folders.replace(directory, about, write)
    return directory / folders.PAGE


def describe_report(judgement: Judgement, command: str) -> dict[str, Any]:
    """What the index of all reports shows of this one, and the hash of its flags."""
    claims, others = [], Counter()
    for claim in judgement.study.claims:
        own = [row for row in judgement.verdicts if row["claim"] == claim.id]
        if claim.parts:
            claims.append({"id": claim.id, "verdict": verdict_of(claim, own)})
        others.update(row["verdict"] for row in own[claim.parts :])
    names = ", ".join(dict.fromkeys(arm.config.dataset for arm in judgement.arms))
    return {
        "hash": folders.hash_study(judgement.study, judgement.config, scope.list_seeds(judgement)),
        "question": judgement.study.question,
        "command": command,
        "data": f"{names}, {scope.describe_seeds(judgement.arms)}",
        "date": dict(summarise_provenance(judgement))["date"].split(", ")[-1],
        "claims": claims,
        "others": dict(others.most_common()),
    }


def write_figures(directory: pathlib.Path, drawings: dict[str, Drawing]) -> dict[str, str]:
    """Writes each figure as SVG and PDF; gives the SVG texts."""
    rendered = {name: render_svg(drawing) for name, drawing in drawings.items()}
    for name, svg in rendered.items():
        write_text(directory / "figures" / f"{name}.svg", svg)
        write_bytes(directory / "figures" / f"{name}.pdf", render_pdf(drawings[name]))
    return rendered


def make_environment() -> jinja2.Environment:
    """Templates of this folder, with the filters that show numbers."""
    environment = folders.make_templates()
    environment.filters |= {
        "score": text.score, "unit": text.unit, "interval": text.interval, "number": text.number,
        "probability": text.probability, "shape": text.shape, "field": text.field,
        "brief": text.brief, "measure": text.measure, "difference": text.describe_difference,
        "bounds": text.describe_bounds,
        "claim": text.describe_claim, "effect": text.describe_effect, "level": text.level,
        "value": knobs.format_value, "arm": name_arm, "dataset": scope.name_dataset,
        "agreement": scope.describe_agreement,
    }  # fmt: skip
    return environment


def render_page(
    judgement: Judgement, drawings: Mapping[str, str], command: str, scoreboard: str,
    form: str = FORMATS[0], errors: Sequence[mistaken.Section] = (),
) -> str:  # fmt: skip
    """The whole page as one string, with nothing to fetch."""
    arms = judgement.arms
    several = judgement.study.datasets  # each of which has its own first arm
    apart = scope.group_by_dataset(judgement).values() if several else [arms]
    own_datasets = list(dict.fromkeys(arm.config.dataset for arm in arms))
    drawn = {**dict.fromkeys(("forest", "robustness", "published", "curves"), ""), **drawings}
    return make_environment().get_template("page.html").render(
        study=judgement.study,
        config=arms[0].config,
        images=scope.list_images(judgement),
        draws={
            name: scope.describe_draws(own)
            for name, own in scope.group_by_dataset(judgement).items()
        },
        sentences={id(row): listings.describe_row(row, judgement) for row in judgement.verdicts},
        key=id,
        knobs=[k for k in KNOBS if k != "seed" and len({getattr(a.config, k) for a in arms}) == 1],
        claims=listings.list_claims(judgement),
        arms=scope.order_arms(arms),
        seeds=scope.describe_seeds(arms),
        collapsed={arm.name: scope.describe_collapse(arm) for arm in arms},
        silent=scope.list_silent(judgement),
        shares=variance.show_shares(judgement),
        said_of_shares=variance.describe_shares(judgement),
        searches=searched.list_sections(judgement),
        agreements=judgement.agreements,
        accuracies={arm.name: mean_accuracy(arm) for arm in arms},
        confounds={arm.name: confounds(arm, own[0]) for own in apart for arm in own},
        provenances=summarise_provenance(judgement),
        mixed=judgement.mixed,
        lacking=judgement.lacking,
        sources={name: datasets.describe(name) for name in own_datasets},
        classes=list_classes(judgement),
        errors=errors,
        drawings=drawn,
        methods=methods.describe(judgement),
        reached=reach.list_reach(judgement),
        advice=reach.ADVICE,
        supplement=folders.SUPPLEMENT if form == "md" else "",
        command=command,
        scoreboard=scoreboard,
        meaning=rule.MEANING,
        find_metric=metrics.find,
        relations=RELATIONS,
    )  # fmt: skip


def list_classes(judgement: Judgement) -> dict[str, classes.Table]:
    """By data set, the classes that are recognised least; none where the test is not read."""
    if judgement.study.metric == "validation_accuracy":
        return {}
    tables = {
        name: classes.list_classes(arms) for name, arms in scope.group_by_dataset(judgement).items()
    }
    return {name: table for name, table in tables.items() if table}


def mean_accuracy(arm: Arm) -> float:
    """Test accuracy over the seeds that did not fail, where it is not the study's own metric."""
    read = metrics.find("test_accuracy").read
    found = [score for score in map(read, arm.records) if np.isfinite(score)]
    return float(np.mean(found)) if found else float("nan")


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


APART = ("origin", "class_names", "started", "seconds")  # told otherwise, or of one run alone


def _flatten(provenance: dict[str, Any]) -> list[tuple[str, str]]:
    plain = [
        (k, str(v)) for k, v in provenance.items()
        if not isinstance(v, dict) and k not in APART
    ]  # fmt: skip
    if names := provenance.get("class_names"):
        plain.append(("classes", scope.list_classes(names)))
    versions = ", ".join(f"{name} {version}" for name, version in provenance["packages"].items())
    found = origin.read(provenance)
    own = [(k, str(found[k])) for k in ("cpu", "cpu_threads") if found.get(k)]
    own += [(k, _list(found[k])) for k in ("settings", "flags", "plugins") if found.get(k)]
    return [*plain, *own, ("packages", versions)]


def _list(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())
