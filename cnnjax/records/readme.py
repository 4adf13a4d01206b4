"""What a folder of runs says of itself to whoever opens it."""

import pathlib

from cnnjax.config import installed
from cnnjax.records import atomic

NAME = "README.txt"
TEXT = """\
Runs of cnnjax

index.html            all reports; open it in a browser
STUDY/                the report of a study as it ran last: report.html, the verdicts as JSON, CSV
                      and LaTeX, the scores of each run in records.csv, figures
STUDY/earlier-HASH/   an earlier one of other flags or seeds
ablate-KNOBS-HASH/    the report of a grid of one's own
scoreboard/           every statement, by python launch.py all
records/ID/           one finished run: record.json has its settings, scores, learning curve and
                      cost, and by what code and where it was made; where --keep=final asked for
                      it, final.safetensors its weights
checkpoints/          runs in training, where --checkpoint_every asked for it

    python -m experiments.records --list --runs=FOLDER

lists the runs of such a folder in one table.

ID is a hash of all that can change the numbers of a run: settings, data, code, libraries, machine.
A run that has a record is not trained again. Records may be copied here from elsewhere, and any
may be deleted: what is missing is trained again when it is asked for. Reports are made of records
alone; the command that a report names makes it again, with --judge_only without training.
"""


def explain(runs: pathlib.Path) -> None:
    """Writes the text into a folder of runs, unless something of that name is there."""
    if not (runs / NAME).exists():
        atomic.write_text(runs / NAME, installed.name_commands(TEXT))
