"""Every statement of the article with its verdict: from judgements and checks to plain rows."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cnnjax.config import installed
from cnnjax.study import own
from cnnjax.study.claims import Study
from experiments.checks import Outcome, decide
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


def collect_board(
    board: str, judgements: "Mapping[str, Judgement]", lacking: Collection[str] = ()
) -> list[dict[str, Any]]:
    """The rows of a board from outside, as those of `collect`, in the order of declaration."""
    from cnnjax.report import scoreboard

    rows: list[dict[str, Any]] = []
    for study in own.list_studies(board):
        absent = "not yet run" if study.name in lacking else "failed"
        rows += scoreboard.list_study(study, judgements.get(study.name), absent)
    rows += [_state(statement) for statement in own.STATEMENTS.get(board, {}).values()]
    return sorted(rows, key=lambda row: own.order_of(board, row["id"]))


def _state(statement: own.Statement) -> dict[str, Any]:
    """The row of a statement that no study tries; one that is to be checked is checked here."""
    row: dict[str, Any] = {"id": statement.id, "statement": statement.statement}
    if statement.check is not None:
        holds, finding = statement.check()
        return {**row, "kind": "known answer", **decide(holds, finding)._asdict()}
    verdict = "not yet run" if statement.kind == "experiment" else statement.kind
    return {**row, "kind": statement.kind, "verdict": verdict, "finding": statement.finding}


def list_claims(studies: Sequence[Study]) -> list[dict[str, str]]:
    """What there is to judge, before anything is run: in the article's order, then others."""
    found: dict[str, tuple[str, list[str]]] = {}
    for study in studies:
        for claim in study.claims:
            found.setdefault(claim.id, (claim.statement, []))[1].append(study.name)
    checked = installed.name_commands("checked by python launch.py all")
    listed = [(known.id, known.statement, "known answer", checked)
              for known in KNOWN_ANSWERS]  # fmt: skip
    listed += [(id, statement, "experiment", f"in {', '.join(names)}")
               for id, (statement, names) in found.items()]  # fmt: skip
    listed += [
        (
            other.id,
            other.statement,
            other.kind,
            "not yet run" if other.kind == "experiment" else other.kind,
        )
        for other in article.OTHERS
    ]
    places = {id: place for place, id in enumerate(article.ORDER)}
    listed.sort(key=lambda claim: places.get(claim[0], len(places)))
    return [dict(zip(("id", "claim", "kind", "status"), claim, strict=True)) for claim in listed]


def _known_row(known: KnownAnswer, outcome: Outcome) -> dict[str, Any]:
    return {
        "id": known.id,
        "statement": known.statement,
        "kind": "known answer",
        "verdict": outcome.verdict,
        "finding": outcome.finding,
    }
