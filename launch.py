"""The front door: trains a study's arms over many seeds, judges its claims, writes a report."""

if __name__ == "__main__":  # before all else, which takes a while
    from experiments import early as early

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from absl import flags as absl_flags

from cnnjax.config import flags, words
from cnnjax.config.knobs import printable
from cnnjax.records.archive import NoRecords
from cnnjax.study import own
from cnnjax.study.arms import make_base, make_configs
from cnnjax.study.options import Options
from experiments import conduct, hosts, listing, script
from experiments.cloud import write

if TYPE_CHECKING:
    from cnnjax.study.judge import Judgement

DESCRIPTION = """
python launch.py [STUDY ...] [--name=value ...]

Tries claims about convolutional networks by experiment: trains every arm of a study over many
seeds, judges the claims by paired statistics, and writes a report. Without STUDY, the default
study on the embedded digits; with `all`, every study. What is already trained is not trained
again. `--list=studies` names the studies, `--list` all that there is.

Exit status: 0 done, also where runs diverged or learned nothing, which is said; 1 a run broke off
(or with --judge_only, one of several studies lacks records), 2 the command line is wrong, 75
interrupted (run the same command again to go on).
"""


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Conducts the studies named, one after the other; gives the exit status."""
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_string(
        "board", None, "With all: the board of a --plugin in place of the article's.",
        flag_values=values,
    )  # fmt: skip
    listing.define_flags(values)
    conduct.define_flags(values)
    names = conduct.parse(values, argv, DESCRIPTION)
    epochs, given = flags.read_epochs(values, argv), flags.given_config(values)
    asked = conduct.read_flags(values, argv)

    from experiments import claims
    from experiments.claims.board import QUICK_SEEDS, settle

    if values.list:
        listing.print_list(values.list, values.json)
        return script.DONE
    if values.json:
        flags.refuse("--json goes with --list")
    studies, board = claims.find_studies(), values.board or ""
    everything = names == ["all"]
    if everything:
        names = list_board(board) if board else list(claims.ALL)
        options = asked.options._replace(scoreboard=own.folder_of(board))
        asked = asked._replace(options=options)
    elif board:
        flags.refuse("--board goes with all: python launch.py all --board=NAME")
    check_names(names, list(studies))
    if not (names or everything):
        names = [claims.DEFAULT]
    if epochs is not None:
        studies = {name: one._replace(epochs=epochs.number) for name, one in studies.items()}
    sets = conduct.read_datasets(values)
    if everything and not board:
        chosen = [] if values["dataset"].present else sets or None
        studies |= {name: settle(studies[name], chosen, values.quick) for name in names}
        if values.quick:
            asked = asked._replace(options=asked.options._replace(num_seeds=QUICK_SEEDS))
        sets = []
    studies |= {
        name: conduct.widen(studies[name], sets, values.until, asked.options) for name in names
    }
    for name in names:  # a flag that one of them refuses is refused before any runs
        make_configs(studies[name], make_base(studies[name], given))
    if asked.cloud is not None:
        return write.write(asked.cloud)
    hosts.join(asked.hosts, asked.options.where, stop, asked.quiet)
    status, judgements, lacking = script.DONE, {}, []
    for name in names:
        study = studies[name]
        try:
            ended, judgements[name] = conduct.conduct(study, given, asked, stop)
        except NoRecords as error:
            if len(names) < 2:
                raise
            words.say(printable(f"not judged: {error}"), sys.stderr)
            ended = script.FAILED
            lacking.append(name)
        status = max(status, ended)
        if status == script.INTERRUPTED:
            return status
    if everything and not (asked.plan_only or asked.status_only):
        write_scoreboard(judgements, lacking, asked.options, board)
    return status


def list_board(board: str) -> list[str]:
    """The studies on a board from outside. Ends the program where there is no such board."""
    if board not in own.ORDERS:
        known = ", ".join(own.ORDERS) or "none is declared: give the --plugin that has it"
        flags.refuse(f"--board={board} is not known: {known}")
    return [study.name for study in own.list_studies(board)]


def check_names(names: Sequence[str], known: Sequence[str]) -> None:
    """Refuses a study that there is not, one named twice, and `all` beside others."""
    for name in names:
        if name not in (*known, "all"):
            flags.refuse(flags.describe_unknown("study", name, [*known, "all"]))
        if names.count(name) > 1:
            flags.refuse(f"{name} is named {names.count(name)} times: name each study once")
    others = [name for name in names if name != "all"]
    if len(others) < len(names):
        beside = ", ".join(others)
        flags.refuse(f"all is every study, and stands alone, without {beside}: did you mean all?")


def write_scoreboard(
    judgements: "Mapping[str, Judgement | None]", lacking: Sequence[str], options: Options,
    board: str,
) -> None:  # fmt: skip
    """Checks the known answers and writes the one page on every statement of the article.

    Of a board from outside, those of that.
    """
    from cnnjax.report import scoreboard as report
    from experiments import claims, scoreboard
    from experiments.claims import known_answers

    done = {name: judgement for name, judgement in judgements.items() if judgement is not None}
    studies = [claims.STUDIES[name] for name in claims.ALL]
    if board:
        rows = scoreboard.collect_board(board, done, lacking)
    else:
        rows = scoreboard.collect(studies, done, known_answers.run_checks(), lacking)
    try:
        path = report.write_scoreboard(
            rows, list(done.values()), options.runs, options.command, board
        )
    except OSError as error:
        script.tell_unwritten(error)
        return
    words.say(printable(f"scoreboard: {path}"))


if __name__ == "__main__":
    script.run(main, "finished lanes are saved")
