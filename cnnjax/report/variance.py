"""What a study says of how much its arms vary from seed to seed, as rows of tables."""

from typing import Any

from cnnjax.report import text
from cnnjax.study.claims import name_arm
from cnnjax.study.judge import Judgement
from cnnjax.study.shares import Share, find_shares


def list_shares(judgement: Judgement) -> list[dict[str, Any]]:
    """One row an arm, in plain numbers; none where no arm is the whole."""
    return [
        {
            "arm": name,
            "deviation": own.deviation,
            "deviation_low": own.deviation_interval[0],
            "deviation_high": own.deviation_interval[1],
            "share": own.share,
            "share_low": own.interval[0],
            "share_high": own.interval[1],
        }
        for name, own in find_shares(judgement.study, judgement.arms).items()
    ]


def show_shares(judgement: Judgement) -> dict[str, tuple[str, str]]:
    """By name of arm its deviation and its share, each with its interval, as a table shows them."""
    found = find_shares(judgement.study, judgement.arms)
    return {name: _show(own, judgement.study.metric) for name, own in found.items()}


def _show(own: Share, metric: str) -> tuple[str, str]:
    bounds = text.interval(own.deviation_interval, metric, signed=False)
    low, high = (text.number(100 * bound, 0) for bound in own.interval)
    share = f"{text.number(100 * own.share, 0)}%" if text.is_known(own.share) else "–"
    between = f" [{low}, {high}]" if text.is_known(own.interval[0]) else ""
    return (
        text.measure(own.deviation, metric, difference=True) + f" {bounds}".removesuffix(" –"),
        share + between,
    )


def describe_shares(judgement: Judgement) -> str:
    """What those figures are, and are not; empty where no arm is the whole."""
    whole = judgement.study.whole
    if whole is None:
        return ""
    return (
        "Deviation: the standard deviation over seeds, on these test images. Share: its square over"
        f" that of {name_arm(whole)}. 95% intervals by the jackknife of the log of the variance"
        " (Miller 1968), of shares paired by seed. What varies alone stands beside one setting of"
        " the rest, so that shares need not sum to 100%."
    )
