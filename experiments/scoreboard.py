"""Every statement of the article with its verdict: from judgements and checks to plain rows."""

import collections
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from cnnjax.study.claims import Study
from experiments.claims import article


def collect(
    studies: Sequence[Study],
    judgements: Mapping[str, Any],
    outcomes: Mapping[str, Any],
    lacking: Collection[str] = (),
) -> list[dict[str, Any]]:
    """One row for each piece of evidence on each statement, in the article's order.

    `judgements` are by name of study (one that failed is missing, and one of `lacking` has not been
    run), `outcomes` the known answers' by id. A row has `id`, `statement`, `kind`, `verdict` and
    `finding`; that of a study also `study`, `tried_as` and `heads`, its headline (or its parts) as
    in verdicts.json, and `others`, how often each verdict came out of the rest.
    """
    from experiments.claims.known_answers import KNOWN_ANSWERS

    rows: list[dict[str, Any]] = []
    rows += [_known_row(known, outcomes[known.id]) for known in KNOWN_ANSWERS]
    for study in studies:
        absent = "not yet run" if study.name in lacking else "failed"
        rows += _study_rows(study, judgements.get(study.name), absent)
    for statement in article.OTHERS:
        verdict = "not yet run" if statement.kind == "experiment" else statement.kind
        rows.append({**statement._asdict(), "verdict": verdict})
    order = {id: place for place, id in enumerate(article.ORDER)}
    return sorted(rows, key=lambda row: order[row["id"]])


def list_claims(studies: Sequence[Study]) -> list[dict[str, str]]:
    """What there is to judge, in the article's order, before anything is run."""
    from experiments.claims.known_answers import KNOWN_ANSWERS

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


def _known_row(known: Any, outcome: Any) -> dict[str, Any]:
    return {
        "id": known.id,
        "statement": known.statement,
        "kind": "known answer",
        "verdict": outcome.verdict,
        "finding": outcome.finding,
    }


def _study_rows(study: Study, judgement: Any, absent: str) -> list[dict[str, Any]]:
    from cnnjax.study import judge  # imports JAX, and `--list` needs none of it

    rows = []
    for claim in study.claims:
        row: dict[str, Any] = {
            "id": claim.id, "statement": claim.statement, "kind": "experiment",
            "study": study.name, "tried_as": claim.tried_as, "finding": "",
        }  # fmt: skip
        if judgement is None:
            rows.append({**row, "verdict": absent})
            continue
        own = [v for v in judgement.verdicts if v["claim"] == claim.id]
        heads = [v for v in own if v["role"] != "secondary"]
        others = collections.Counter(v["verdict"] for v in own if v["role"] == "secondary")
        verdict = judge.verdict_of(claim, own)
        rows.append({**row, "verdict": verdict, "heads": heads, "others": dict(others)})
    return rows
