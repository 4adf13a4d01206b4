"""The scoreboard's directory: one page on every statement, and the same as tables."""

import pathlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import matplotlib

from cnnjax import metrics, store
from cnnjax.judge import Judgement
from cnnjax.report import figures, folders, page, tables, text

CLASSES = {"cited": "cited", "not testable here": "untestable", "not yet run": "waiting"}


def write_scoreboard(
    rows: Sequence[dict[str, Any]], judgements: Sequence[Judgement], runs: pathlib.Path,
    command: str,
) -> pathlib.Path:  # fmt: skip
    """Writes everything under `runs/scoreboard/` and gives the path of the page.

    A row has `id`, `statement`, `kind`, `verdict`, `finding`, and that of a study also `study`,
    `tried_as`, `headline` (a row of verdicts.json) and `others` (verdicts of all the rest).
    """
    directory = runs / "scoreboard"
    facts = summarise(judgements)
    shown = [list_row(row) for row in rows]
    heads = [row["headline"] for row in rows if row.get("headline")]
    rendered = draw(heads)
    counts = Counter(row["verdict"] for row in rows)

    def write(folder: pathlib.Path) -> None:
        content = {"command": command, "facts": facts, "rows": list(rows)}
        store.write_json(folder / "scoreboard.json", content)
        for suffix, write_table in (
            ("csv", tables.write_csv), ("tex", tables.write_latex), ("md", tables.write_markdown)
        ):  # fmt: skip
            store.write_text(folder / f"scoreboard.{suffix}", write_table(shown))
        drawings = page.write_figures(folder, rendered)
        html = page.make_environment().get_template("scoreboard.html").render(
            rows=[{"headline": None, "others": {}, "tried_as": "", "study": "", **row}
                  for row in rows],
            counts=counts.most_common(),
            seeds=facts.get("seeds", "no"),
            facts=facts,
            drawings=drawings,
            command=command,
            classes=CLASSES,
            meaning=text.MEANING,
            find_metric=metrics.find,
            relations=page.RELATIONS,
        )  # fmt: skip
        store.write_text(folder / folders.PAGE, html)

    about = {
        "hash": folders.hash_of([page.describe_report(own, "")["hash"] for own in judgements]),
        "question": "Every statement of the article, tried and judged",
        "command": command,
        "data": facts.get("data sets", ""),
        "date": facts.get("dates", "").split(" ")[-1],
        "others": dict(counts.most_common()),
    }
    folders.replace(directory, about, write)
    return directory / folders.PAGE


def draw(heads: Sequence[dict[str, Any]]) -> dict[str, figures.Drawing]:
    """The headline comparisons whose scores are shares, on one axis."""
    shares = [
        {**row, "metric": "test_accuracy", "a": f"{row['claim']}: {row['a']}"}
        for row in heads
        if metrics.find(row["metric"]).share
    ]
    if not shares:
        return {}
    with matplotlib.rc_context(figures.STYLE):
        return {"effects": figures.draw_differences(shares)}


def list_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row as shown in tables."""
    head = row.get("headline")
    return {
        "statement": f"{row['id']}: {row['statement']}",
        "verdict": row["verdict"],
        "effect [95% interval]": text.describe_effect(head) if head else "–",
        "predicted": head["predicted"] if head and head["predicted"] != "none" else "–",
        "evidence": f"study {row['study']}" if head else row["finding"] or "–",
    }


def summarise(judgements: Sequence[Judgement]) -> dict[str, str]:
    """What the studies have in common: seeds, data sets, dates, versions."""
    if not judgements:
        return {}
    counts = dict.fromkeys(str(len(own.arms[0].records)) for own in judgements)
    data = dict.fromkeys(arm.config.dataset for own in judgements for arm in own.arms)
    found: dict[str, dict[str, None]] = {}
    for own in judgements:
        for name, value in page.summarise_provenance(own):
            found.setdefault(name, {})[value] = None
    dates = sorted(part for value in found["date"] for part in value.split(", "))
    names = ("device", "python", "code revision", "packages")
    return {
        "seeds": ", ".join(counts),
        "data sets": ", ".join(data),
        "dates": f"{dates[0]} to {dates[-1]}",
        **{name: ", ".join(found[name]) for name in names if name in found},
    }
