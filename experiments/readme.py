"""Puts the scoreboard's result into a Markdown file, between two markers."""

import collections
import json
import pathlib
from collections.abc import Sequence

from absl import flags as absl_flags

from cnnjax.config import flags
from cnnjax.config.knobs import ConfigError
from cnnjax.records.atomic import write_text
from experiments import script

DESCRIPTION = """
python -m experiments.readme [--runs=runs] [--readme=docs/scoreboard.md]

Replaces what stands between <!-- scoreboard --> and <!-- /scoreboard --> by the table of
RUNS/scoreboard, which `python launch.py all` wrote.
"""
BEGIN, END = "<!-- scoreboard -->", "<!-- /scoreboard -->"


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Rewrites the block; gives the exit status."""
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_string("runs", "runs", "Folder of the scoreboard.", flag_values=values)
    absl_flags.DEFINE_string("readme", "docs/scoreboard.md", "Markdown file.", flag_values=values)
    flags.parse(values, argv, DESCRIPTION)
    folder, readme = pathlib.Path(values.runs) / "scoreboard", pathlib.Path(values.readme)
    if not (folder / "scoreboard.json").exists():
        raise ConfigError(f"{folder} has no scoreboard: run python launch.py all first")
    before, begin, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ConfigError(f"{readme} has no lines {BEGIN} and {END}: add them")
    write_text(readme, before + BEGIN + "\n" + render(folder) + END + after)
    return script.DONE


def render(folder: pathlib.Path) -> str:
    """The block: the command with what it ran on, and the table."""
    from cnnjax.report import scoreboard

    board = json.loads((folder / "scoreboard.json").read_text(encoding="utf-8"))
    facts = board["facts"]
    line = (
        f"`{board['command']}`, {facts['seeds']} seeds, {facts['dates'][:10]}, Python"
        f" {facts['python']}, {facts['packages']}: {count_verdicts(board['rows'])}."
    )
    odds = scoreboard.describe_odds(scoreboard.Odds(**board["odds"]))
    return f"{line} {odds}\n\n{(folder / 'scoreboard.md').read_text(encoding='utf-8')}"


def count_verdicts(rows: Sequence[dict[str, str]]) -> str:
    """How many rows have each verdict, the most frequent first."""
    counts = collections.Counter(row["verdict"] for row in rows)
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())


if __name__ == "__main__":
    script.run(main, "nothing was written")
