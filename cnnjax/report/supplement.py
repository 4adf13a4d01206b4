"""A report in Markdown, for the supplement of a paper: what its page says, figures as links."""

import re
from collections.abc import Collection, Iterable

from cnnjax.config import datasets
from cnnjax.config.words import printable
from cnnjax.report import listings, methods, reach, scope, searched, tables
from cnnjax.study.claims import name_arm
from cnnjax.study.judge import Judgement

CAPTIONS = {
    "forest": "What each claim rests on, by data set, with its interval",
    "differences": "Mean differences with their intervals, and a short line for each seed",
    "published": "Our runs beside the published figures",
    "robustness": "Accuracy on corrupted test images",
    "curves": "Accuracy on the validation split while training",
}


def render(judgement: Judgement, drawings: Collection[str], command: str) -> str:
    """The whole text; `drawings` names the files in figures/, `command` made the report."""
    study = judgement.study
    parts = [f"# {_say(study.question)}", f"cnnjax study {_say(study.name)}"]
    parts += [_say(f"{line}.") for line in judgement.lacking]
    for claim in listings.list_claims(judgement):
        parts += [f"## {_say(claim['id'])}", f"> {_say(claim['statement'])}"]
        parts += [f"Tried as: {_say(claim['tried_as'])}"] if claim["tried_as"] else []
        over = f" {_say(claim['across'])}." if claim["across"] else ""
        parts += [f"**{claim['verdict'].capitalize()}.**{over}"] if claim["verdict"] else []
        for row in claim["judged"]:
            lines = [listings.describe_row(row, judgement)]
            if row["predicted"] != "none":
                lines.append(f"Predicted before the first run: {row['predicted']}.")
            parts += [_say(line) for line in lines]
            parts += [_itemise(row["warnings"])] if row["warnings"] else []
    failed = [f"{arm.name or 'all'}: {own}" for arm in judgement.arms
              if (own := scope.describe_collapse(arm))]  # fmt: skip
    parts += [
        "## Comparisons", tables.write_markdown(listings.show_verdicts(judgement)),
        "## Arms", tables.write_markdown(listings.list_arms(judgement)), _itemise(failed),
        *(f"![{CAPTIONS[name]}](figures/{name}.svg)" for name in CAPTIONS if name in drawings),
        "## Power reached, and what would change a verdict",
    ]  # fmt: skip
    parts += [
        f"**{_say(row['comparison'])}** ({row['verdict']}). {_say(row['power'])}"
        f" {_say(row['change'])}"
        for row in reach.list_reach(judgement)
    ]
    parts += [_say(reach.ADVICE), "## Methods"]
    parts += [f"**{name}.** {_say(own)}" for name, own in methods.describe(judgement).items()]
    if study.settings:
        chosen = [f"{name}: {name_arm(own)}" for name, own in study.settings.items()]
        parts += ["## What tuning chose", _itemise(chosen)]
    for own in searched.list_sections(judgement):
        parts += [f"## The search for {_say(own.arm)}", *map(_say, own.sentences)]
        for rows, about in ((own.best, own.about_best), (own.knobs, own.about_knobs)):
            parts += [tables.write_markdown(rows), _say(about)] if rows else []
        pictures = (
            ("budget", "The best by budget"),
            ("slices", "Each trial by one knob at a time"),
        )
        parts += [
            f"![{caption}](figures/{name}-{own.place}.svg)"
            for name, caption in pictures
            if f"{name}-{own.place}" in drawings
        ]
        parts += ["Every trial: [trials.csv](trials.csv)."]
    if judgement.agreements:
        found = map(scope.describe_agreement, judgement.agreements)
        source = f"Source: {judgement.agreements[0].source}."
        parts += ["## Published figures", _itemise(found), _say(source)]
    for name in scope.group_by_dataset(judgement):
        about = datasets.describe(name)
        licence = about["licence"] or "not stated"
        parts += [_say(f"Data: {name}, from {about['source']}; licence: {licence}.")]
        parts += [_fence(about["citation"])] if about["citation"] else []
    parts += ["## Command", _fence(command)]
    return "\n\n".join(part.rstrip("\n") for part in parts if part) + "\n\n"


def _say(text: str) -> str:
    return tables.escape_markdown(text)


def _itemise(lines: Iterable[str]) -> str:
    return "\n".join(f"- {_say(line)}" for line in lines)


def _fence(code: str) -> str:
    """A block of code, between fences longer than any run of backticks in it."""
    longest = max(map(len, re.findall("`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    lines = map(printable, code.split("\n"))
    return "\n".join([fence, *lines, fence])
