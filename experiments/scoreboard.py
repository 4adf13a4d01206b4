"""Every statement of the article with its verdict: from judgements and checks to plain rows."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cnnjax.study.claims import Study
from experiments.checks import Outcome
from experiments.claims import article
from experiments.claims.known_answers import KNOWN_ANSWERS, KnownAnswer

if TYPE_CHECKING:
    from cnnjax.study.judge import Judgement


def collect(
    studies: Sequence[Study],
    judgements: "Mapping[str, Judgement]",
    outcomes: Mapping[str, Outcome],
    lacking: Collection[str] = (),
) -> list[dict[str, Any]]:
    """One row for each piece of evidence on each statement, in the article's order.

    `judgements` are by name of study (one that failed is missing, and one of `lacking` has not been
    run), `outcomes` the known answers' by id. A row has `id`, `statement`, `kind`, `verdict` and
    `finding`; that of a study also what `report.scoreboard.list_study` gives it.
    """
    from cnnjax.report import scoreboard  # draws figures, and `--list` needs none of it

    rows: list[dict[str, Any]] = []
    rows += [_known_row(known, outcomes[known.id]) for known in KNOWN_ANSWERS]
    for study in studies:
        absent = "not yet run" if study.name in lacking else "failed"
        rows += scoreboard.list_study(study, judgements.get(study.name), absent)
    for statement in article.OTHERS:
        verdict = "not yet run" if statement.kind == "experiment" else statement.kind
        rows.append({**statement._asdict(), "verdict": verdict})
    order = {id: place for place, id in enumerate(article.ORDER)}
    return sorted(rows, key=lambda row: order[row["id"]])


def list_claims(studies: Sequence[Study]) -> list[dict[str, str]]:
    """What there is to judge, in the article's order, before anything is run."""
    found: dict[str, tuple[str, list[str]]] = {}
    for study in studies:
        for claim in study.claims:
            found.setdefault(claim.id, (claim.statement, []))[1].append(study.name)
    listed = [(known.id, known.statement, "known answer", "checked by launch.py all")
              for known in KNOWN_ANSWERS]  # fmt: skip
    listed += [(id, statement, "experiment", f"in {', '.join(names)}")
               for id, (statement, names) in found.items()]  # fmt: skip
    listed += [
        (own.id, own.statement, own.kind, "not yet run" if own.kind == "experiment" else own.kind)
        for own in article.OTHERS
    ]
    listed.sort(key=lambda claim: article.ORDER.index(claim[0]))
    return [dict(zip(("id", "claim", "kind", "status"), claim, strict=True)) for claim in listed]


def _known_row(known: KnownAnswer, outcome: Outcome) -> dict[str, Any]:
    return {
        "id": known.id,
        "statement": known.statement,
        "kind": "known answer",
        "verdict": outcome.verdict,
        "finding": outcome.finding,
    }
