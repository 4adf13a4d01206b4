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
                      cost, and by what code and where it was made; predictions.npz what it
                      answered for each test image; where --keep asked for them, its
                      weights, final.safetensors or best.safetensors
records/index.json    what all records say in short, so that they are listed fast; made again
records/plugins/      the text of each plug-in that a run used, by its hash
leases/               which launch trains which run; gone with the last of them
checkpoints/ID/       a run in training, so that it can go on; gone when it is finished

    python -m experiments.records --list --runs=FOLDER

lists the runs of such a folder in one table.

ID is a hash of all that can change the numbers of a run: settings, data, code, libraries, machine.
A run that has a record.json is not trained again. Records may be copied here from elsewhere, and
any folder of one may be deleted: the run is trained again when it is asked for. Where record.json
stays, a predictions.npz that was deleted is not made again; deleted weights are, where --keep asks
for them. Verdicts are made of record.json alone; where predictions.npz is there too, a report shows
where its arms err. The command that a report names makes it again, with --judge_only without
training.
"""


def explain(runs: pathlib.Path) -> None:
    """Writes the text into a folder of runs, unless something of that name is there."""
    if not (runs / NAME).exists():
        atomic.write_text(runs / NAME, installed.name_commands(TEXT))
