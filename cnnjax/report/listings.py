"""What a report lists: claims with their sentences, comparisons, arms and records, a row each."""

from typing import Any

from cnnjax.config import knobs
from cnnjax.config.config import KNOBS
from cnnjax.report import scope, text
from cnnjax.study import metrics
from cnnjax.study.arms import ask_epochs
from cnnjax.study.claims import varied_knobs
from cnnjax.study.judge import Judgement, describe_across, verdict_of


def list_claims(judgement: Judgement) -> list[dict[str, Any]]:
    """What a page shows of each claim, with its rows of verdicts.json.

    `judged` are the rows that stand for the claim: all where none is its headline.
    """
    found = []
    for claim in judgement.study.claims:
        rows = [row for row in judgement.verdicts if row["claim"] == claim.id]
        found.append(
            {
                "id": claim.id,
                "statement": claim.statement,
                "tried_as": claim.tried_as,
                "parts": claim.parts,
                "role": "" if claim.parts == 1 else "parts" if claim.parts else "none",
                "verdicts": rows,
                "judged": [row for row in rows if row["role"] != "secondary"] or rows,
                "verdict": verdict_of(claim, rows) if claim.parts else "",
                "across": describe_across(claim, rows),
            }
        )
    return found


def name_comparison(row: dict[str, Any], judgement: Judgement) -> str:
    """What a comparison tried, behind the name of its data set where there are several."""
    return scope.name_dataset(row, judgement.study.datasets) + text.describe_claim(row)


def describe_row(row: dict[str, Any], judgement: Judgement) -> str:
    """The sentence on a comparison of a study, for what it holds and at which look it stands."""
    return (
        scope.name_dataset(row, judgement.study.datasets)
        + text.describe_verdict(row, scope.describe_scope(row, judgement))
        + f" {scope.describe_looks(row, judgement)}".rstrip()
    )


def list_records(judgement: Judgement) -> list[dict[str, Any]]:
    """One row a record: arm, seed, the varied knobs, scores and cost.

    All rows have the same columns, also where arms have unlike scores; a failed run's are empty.
    """
    asked = ask_epochs(judgement.study)
    varied = [knob for knob in varied_knobs(judgement.study) if knob in KNOBS]
    varied += ["steps"] if asked and "steps" not in varied else []
    rows = [
        {
            "arm": arm.name,
            "seed": record.seed,
            **{knob: knobs.format_value(getattr(arm.config, knob)) for knob in varied},
            **{
                name: score
                for name, score in record.scores.items()
                if not isinstance(score, (str, dict, list))
            },
            **{name: arm.cost[name] for name in ("parameters", "macs", "receptive_field")},
            "record": record.id,
        }
        for arm in judgement.arms
        for record in arm.records
    ]
    return _fill(rows)


PAIRS = {"interval": ("low", "high"), "interval_seeds": ("low", "high"), "num_failed": ("a", "b")}


def list_verdicts(judgement: Judgement) -> list[dict[str, Any]]:
    """One row a comparison, in plain numbers: the keys of verdicts.json, a column a bound."""
    rows = []
    for verdict in judgement.verdicts:
        row: dict[str, Any] = {}
        for name, value in verdict.items():
            if name in PAIRS:
                row |= {f"{name}_{end}": v for end, v in zip(PAIRS[name], value, strict=True)}
            elif name == "warnings":
                row[name] = "; ".join(value)
            elif not isinstance(value, (list, dict)):
                row[name] = value
        rows.append(row)
    return _fill(rows)


def _fill(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows that all have the columns of any."""
    columns = dict.fromkeys(name for row in rows for name in row)
    return [{name: row.get(name) for name in columns} for row in rows]


def show_verdicts(judgement: Judgement) -> list[dict[str, Any]]:
    """One row a comparison, as a printed table shows it."""
    return [
        {
            "comparison": name_comparison(row, judgement),
            "verdict": row["verdict"],
            "difference [interval]": text.describe_effect(row),
            "p adj.": text.probability(row["p_adjusted"]),
        }
        for row in judgement.verdicts
    ]


def list_arms(judgement: Judgement) -> list[dict[str, Any]]:
    """One row an arm, as a printed table shows it; those that collapsed come first."""
    metric = judgement.study.metric
    return [
        {
            "arm": arm.name or "all",
            metrics.find(metric).label: text.measure(arm.mean, metric),
            "95% interval": text.interval(arm.interval, metric, signed=False),
            "failed": f"{arm.num_failed} of {len(arm.records)}",
            "parameters": f"{arm.cost['parameters']:,}",
            "MACs": f"{arm.cost['macs']:,}",
        }
        for arm in scope.order_arms(judgement.arms)
    ]
