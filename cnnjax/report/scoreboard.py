"""The scoreboard's directory: one page on every statement, and the same as tables."""

import math
import pathlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib

from cnnjax.config.words import count
from cnnjax.records.atomic import write_json, write_text
from cnnjax.report import figures, folders, page, scope, tables, text
from cnnjax.report.drawing import STYLE, Drawing
from cnnjax.study import decision, metrics, rule, statistics
from cnnjax.study.claims import Study
from cnnjax.study.judge import Judgement, describe_across, verdict_of
from cnnjax.study.own import folder_of

TITLE = "What an introduction to convolutional networks says, tried and judged"
EMPTY = {"heads": [], "others": {}, "tried_as": "", "study": "", "over": ""}
CLASSES = {"cited": "cited", "not testable here": "untestable", "not yet run": "waiting"}


def write_scoreboard(
    rows: Sequence[dict[str, Any]], judgements: Sequence[Judgement], runs: pathlib.Path,
    command: str, board: str = "",
) -> pathlib.Path:  # fmt: skip
    """Writes everything under `runs/scoreboard/` and gives the path of the page.

    That of another `board` than the article's lies under `runs/board-NAME/`.
    A row has `id`, `statement`, `kind`, `verdict`, `finding`, and that of a study also `study`,
    `tried_as`, `heads` (its headline, or its parts: rows of verdicts.json) and `others` (how often
    each verdict came out of the rest).
    """
    directory = runs / folder_of(board)
    facts, odds = summarise(judgements), weigh(rows)
    shown = [list_row(row, odds) for row in rows]
    rendered = draw(rows)
    counts = Counter(row["verdict"] for row in rows)

    def write(folder: pathlib.Path) -> None:
        content = {"command": command, "facts": facts, "odds": odds._asdict(), "rows": list(rows)}
        write_json(folder / "scoreboard.json", content)
        for suffix, write_table in (
            ("csv", tables.write_csv), ("tex", tables.write_latex), ("md", tables.write_markdown)
        ):  # fmt: skip
            write_text(folder / f"scoreboard.{suffix}", write_table(shown))
        drawings = page.write_figures(folder, rendered)
        html = page.make_environment().get_template("scoreboard.html").render(
            board=board,
            title=f"The statements of board {board}, tried and judged" if board else TITLE,
            rows=[{**EMPTY, **row} for row in rows],
            odds=odds,
            counts=counts.most_common(),
            seeds=facts.get("seeds", "no"),
            facts=facts,
            drawings=drawings,
            command=command,
            classes=CLASSES,
            meaning=rule.MEANING,
            describe_odds=describe_odds,
        )  # fmt: skip
        write_text(folder / folders.PAGE, html)

    about = {
        "hash": folders.hash_of([page.describe_report(own, "")["hash"] for own in judgements]),
        "question": f"Every statement of {f'board {board}' if board else 'the article'}, tried"
        " and judged",
        "command": command,
        "data": facts.get("data sets", ""),
        "date": facts.get("dates", "").split(" ")[-1],
        "others": dict(counts.most_common()),
    }
    folders.replace(directory, about, write)
    return directory / folders.PAGE


def list_study(
    study: Study, judgement: Judgement | None, absent: str = "failed"
) -> list[dict[str, Any]]:
    """The rows of a study's claims, each with its evidence; `absent` is the verdict where None.

    `heads` are its headline, or its parts, as in verdicts.json, and `others` how often each verdict
    came out of the rest.
    """
    rows = []
    for claim in study.claims:
        row: dict[str, Any] = {
            "id": claim.id, "statement": claim.statement, "kind": "experiment",
            "study": study.name, "tried_as": claim.tried_as, "finding": "",
        }  # fmt: skip
        if judgement is None or all(claim.id != own.id for own in judgement.study.claims):
            rows.append({**row, "verdict": absent})
            continue
        own = [v for v in judgement.verdicts if v["claim"] == claim.id]
        heads = [v for v in own if v["role"] != "secondary"]
        others = Counter(v["verdict"] for v in own if v["role"] == "secondary")
        verdict = verdict_of(claim, own)
        over = describe_across(claim, own)
        rows.append(
            {**row, "verdict": verdict, "heads": heads, "others": dict(others), "over": over}
        )
    return rows


def draw(rows: Sequence[dict[str, Any]]) -> dict[str, Drawing]:
    """The headline comparisons whose scores are shares, on one axis."""
    shares = [
        {
            **head,
            "metric": "test_accuracy",
            "a": f"{head['claim']}: {scope.name_dataset(head, row.get('over'))}{head['a']}",
        }
        for row in rows
        for head in row.get("heads", ())
        if metrics.find(head["metric"]).share
    ]
    if not shares:
        return {}
    with matplotlib.rc_context(STYLE):
        return {"effects": figures.draw_differences(shares)}


class Odds(NamedTuple):
    """How far the board's verdicts could be chance."""

    num_judged: int  # claims that a headline decides, or parts do
    expected_false: float  # of them, by chance, if nothing were true
    survivors: tuple[str, ...]  # studies whose difference survives Holm over the board
    bound_by_images: tuple[str, ...]  # studies that only more test images could decide


def weigh(rows: Sequence[dict[str, Any]]) -> Odds:
    """The odds of a board. A claim of several parts has the largest p of its parts."""
    own = [row for row in rows if row.get("heads")]
    p_values = [max(head["p_adjusted"] for head in row["heads"]) for row in own]
    known = [1.0 if math.isnan(p) else p for p in p_values]
    holm = statistics.holm(known) if known else []
    apart = {"ahead", "behind"}  # a difference: equivalence has no p
    return Odds(
        num_judged=len(own),
        expected_false=statistics.ALPHA * len(own),
        survivors=tuple(
            f"{row['id']} {row['study']}"
            for row, p in zip(own, holm, strict=True)
            if p < statistics.ALPHA and all(head["finding"] in apart for head in row["heads"])
        ),
        bound_by_images=tuple(
            f"{row['id']} {row['study']}"
            for row in own
            if any(decision.BOUND in head["warnings"] for head in row["heads"])
        ),
    )


def list_row(row: dict[str, Any], odds: Odds) -> dict[str, Any]:
    """A row as shown in tables: what was tried, and the article's words where it says more."""
    heads, article = row.get("heads", []), row["statement"]
    tried = row.get("tried_as")
    predicted = dict.fromkeys(head["predicted"] for head in heads if head["predicted"] != "none")
    over = row.get("over", "")

    def effect(head: dict[str, Any]) -> str:
        return scope.name_dataset(head, over) + text.describe_effect(head)

    mark = "*" if f"{row['id']} {row.get('study')}" in odds.survivors else ""
    return {
        "statement": f"{row['id']}: {tried} (The article: {article})" if tried
        else f"{row['id']}: {article}",
        "verdict": row["verdict"] + mark + (f" ({over})" if over else ""),
        "effect [95% interval]": "; ".join(map(effect, heads)) or "–",
        "predicted": "; ".join(predicted) or "–",
        "evidence": f"study {row['study']}" if heads else row["finding"] or "–",
    }  # fmt: skip


def describe_odds(odds: Odds) -> str:
    """Two sentences on how far the verdicts could be chance."""
    bound, few = len(odds.bound_by_images), len(odds.survivors)
    judged = f"{count(odds.num_judged, 'claim')} {'is' if odds.num_judged == 1 else 'are'}"
    survive = f"{count(few, 'difference')}, marked *, {'survives' if few == 1 else 'survive'}"
    return (
        f"{judged} judged by data; if nothing were true, about {odds.expected_false:.1f} of them"
        f" would be decided by chance. {survive} Holm's correction over the whole board."
        + (f" {bound} could only be decided by more test images." if bound else "")
    )


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
