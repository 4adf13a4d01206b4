"""A Slurm for tests: sbatch, srun, squeue, scancel, each by the name that it is called.

Its queue is the folder $FAKE_SLURM: jobs/ID has the process group of a job at work, scripts/N what
sbatch was given. A job begins at once, on the only node. With the file `refuse` there sbatch does.
"""

import os
import pathlib
import re
import signal
import subprocess
import sys

QUEUE = pathlib.Path(os.environ["FAKE_SLURM"])
JOBS, SCRIPTS = QUEUE / "jobs", QUEUE / "scripts"


def sbatch(script):
    if (QUEUE / "refuse").exists():
        sys.exit("sbatch: error: invalid partition specified: nowhere\nsbatch: error: Batch job")
    if len([*SCRIPTS.iterdir()]) >= int(os.environ.get("FAKE_LIMIT", "1000")):
        sys.exit("sbatch: error: QOSMaxSubmitJobPerUserLimit")
    number = len([*SCRIPTS.iterdir()]) + 1
    text = pathlib.Path(script).read_text()
    (SCRIPTS / str(number)).write_text(text)
    array = re.search(r"--array=0-(\d+)", text)
    places = range(int(array[1]) + 1) if array else [None]
    for place in places:
        variables = {"SLURM_JOB_ID": str(number), "SLURM_PROCID": "0", "SLURM_NTASKS": "1"}
        id = f"{number}_N/A"
        if place is not None:
            id = f"{number}_{place}"
            variables |= {"SLURM_ARRAY_JOB_ID": str(number), "SLURM_ARRAY_TASK_ID": str(place)}
        process = subprocess.Popen(
            ["bash", script], env={**os.environ, **variables}, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        (JOBS / id.replace("/", "-")).write_text(str(process.pid))
    print(f"Submitted batch job {number}")


def srun(*arguments):
    while arguments[0].startswith("--"):
        arguments = arguments[2 if arguments[0] in ("--output", "--error") else 1 :]
    os.execvp(arguments[0], arguments)


def squeue(*_):
    for path in JOBS.iterdir():
        try:
            os.killpg(int(path.read_text()), 0)
        except ProcessLookupError:
            path.unlink(missing_ok=True)
        else:
            print(path.name.replace("-", "/"))


def scancel(*ids):
    for id in ids:
        for path in (JOBS / id, JOBS / f"{id}_N-A"):
            if path.exists():
                os.killpg(int(path.read_text()), signal.SIGTERM)


if __name__ == "__main__":
    globals()[pathlib.Path(sys.argv[0]).name](*sys.argv[1:])
