"""The script of --engine=cloud from beginning to end, with a gcloud that plays the cloud."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest

from experiments import ablate, rooms
from experiments.cloud import checkout

CLOUD = rooms.ROOT / "experiments" / "cloud"
FAKE = rooms.ROOT / "tests" / "fake_gcloud.py"
# The work on each VM: two runs of its own; it is interrupted once, and waits for the others.
LAUNCH = """
import os, pathlib, sys, time
home, cloud = os.environ["HOME"], pathlib.Path(os.environ["FAKE_CLOUD"])
bucket, number = cloud / "bucket", pathlib.Path(home, "number").read_text()
assert "--runs=gs://bucket/runs" in sys.argv and "--accelerator" not in " ".join(sys.argv)
many = os.environ["FAKE_HOSTS"] != "1"
assert ("--multihost" in sys.argv) == many and "--grid=learning_rate=0.1, 0.2" in sys.argv
def wait(until):
    while not until():
        if not os.getcwd().startswith(home + "/"):  # this VM was taken away
            os._exit(0)
        time.sleep(0.05)
wait(lambda: "FAKE_STUCK" not in os.environ)
if not (bucket / f"{number}-first").exists():
    (bucket / f"{number}-first").touch()
    sys.exit(75)
if number == "1":
    wait((cloud / "taken").exists)
    wait(lambda: os.getcwd().startswith(home + "/"))
(bucket / f"{number}-second").touch()
wait(lambda: len(list(bucket.glob("*-second"))) == 2)
"""
PROGRESS = """
import os
print(len(os.listdir(os.path.join(os.environ["FAKE_CLOUD"], "bucket"))))
"""
PYTHON3 = """#!/bin/bash
set -e
[ "$1 $2 $3" = "-m venv tools" ]
mkdir -p tools/bin
echo '#!/bin/bash' > tools/bin/pip
cp "$(dirname "$0")/fake-uv" tools/bin/uv
chmod +x tools/bin/pip
"""
UV = f"""#!/bin/bash
set -e
if [ "$1" = venv ]; then
  mkdir -p .venv/bin
  printf '#!/bin/bash\\nexec {sys.executable} -S "$@"\\n' > .venv/bin/python
  chmod +x .venv/bin/python
else
  [ "$*" = "pip install --quiet --python=.venv/bin/python -c versions.txt -e .[tpu,gcs]" ]
fi
"""
GRID = ["ablate", "--grid=learning_rate=0.1, 0.2", "--seeds=2", "--runs=gs://bucket/runs"]


def put(path: pathlib.Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def rented(tmp_path, monkeypatch):
    """A function that writes the script of some flags and starts it with a word."""
    own = tmp_path / "checkout"
    for name in ("launch.py", "experiments/ablate.py"):
        put(own / name, LAUNCH)
    for name in ("experiments/__init__.py", "experiments/cloud/__init__.py", "versions.txt"):
        put(own / name, "")
    put(own / "experiments/cloud/progress.py", PROGRESS)
    shutil.copy(CLOUD / "job.sh", own / "experiments/cloud/job.sh")
    git = ["git", "-C", str(own), "-c", "user.name=x", "-c", "user.email=x@localhost"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run([*git, *command], check=True)
    cloud = tmp_path / "cloud"
    put(cloud / "on-vms" / "python3", PYTHON3)
    put(cloud / "on-vms" / "fake-uv", UV)
    put(cloud / "on-vms" / "sudo", "#!/bin/bash\nexit 1\n")
    put(tmp_path / "bin" / "gcloud", f'#!/bin/bash\nexec {sys.executable} -S {FAKE} "$@"\n')
    monkeypatch.setattr(checkout, "find_revision", lambda: ("HEAD", False))

    def rented(word, *flags, hosts=1, stderr=subprocess.PIPE, **more):
        script = tmp_path / "rent.sh"
        if not script.exists():
            where = ["--engine=cloud", "--zone=us-east5-b", "--project=my-project"]
            assert ablate.main([*GRID, *where, f"--script={script}", *flags], None) == 0
        env = {
            "PATH": f"{tmp_path}/bin:/usr/bin:/bin", "CHECKOUT": str(own), "POLL_SECONDS": "0.2",
            "FAKE_CLOUD": str(cloud), "FAKE_HOSTS": str(hosts), "TMPDIR": str(tmp_path),
            "LOGS": str(tmp_path / "logs"), "GIT_CONFIG_GLOBAL": os.devnull, **more,
        }  # fmt: skip
        return subprocess.Popen(
            [sys.executable, "-c", HEEDING, script, word], env=env, cwd=tmp_path, stderr=stderr,
            text=True,
        )  # fmt: skip

    return rented


# Becomes bash. What the shell ignores where these tests start, its scripts could not trap.
HEEDING = """
import os, signal, sys
for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
    signal.signal(number, signal.SIG_DFL)
os.execvp("bash", ["bash", *sys.argv[1:]])
"""


def finish(process):
    said = process.communicate(timeout=100)[1]
    return process.returncode, said


def check_gone(tmp_path):
    cloud = tmp_path / "cloud"
    refused = cloud / "refused"
    assert not refused.exists(), refused.read_text()
    assert not list((cloud / "machines").iterdir()) and not list((cloud / "vms").iterdir())
    assert not list((cloud / "made").iterdir())


ROUTES = {  # flags, hosts, the call that makes machines, and how often it is made
    "fleet": (["--accelerator=v6e-8", "--spot", "--count=2"], 1, "instances create cnnjax-", 2),
    "legacy fleet": (
        ["--accelerator=v5e-4", "--spot", "--count=2"], 1, "resources create cnnjax-", 3,
    ),
    "legacy slice": (["--accelerator=v4-16"], 2, "resources create cnnjax-", 2),
    "slice": (["--accelerator=v5p-16", "--spot"], 2, "groups managed create cnnjax-", 2),
}  # fmt: skip


@pytest.mark.parametrize("route", ROUTES)
def test_all_is_recorded_though_a_machine_is_taken_away_and_none_is_left(rented, tmp_path, route):
    flags, hosts, create, times = ROUTES[route]
    status, said = finish(rented("all", *flags, hosts=hosts))
    assert status == 0, said
    assert "it is made again" in said and "all is recorded in gs://bucket/runs" in said
    calls = (tmp_path / "cloud" / "calls").read_text().splitlines()
    assert sum(create in call for call in calls) == times
    assert len(list((tmp_path / "cloud" / "bucket").iterdir())) == 4
    if hosts == 1:  # it was interrupted, and went on
        [log] = (tmp_path / "logs").glob("cnnjax-*-0.log")
        assert "interrupted; " in log.read_text()
    check_gone(tmp_path)


FLEET = ROUTES["fleet"][0]


def test_step_by_step_and_each_step_twice(rented, tmp_path):
    (tmp_path / "cloud" / "taken").touch()  # nothing is taken away here
    for word in ("create", "create", "install", "install", "start", "start", "watch"):
        status, said = finish(rented(word, *FLEET))
        assert status == 0, said
    assert "all is recorded" in said
    assert len(list((tmp_path / "cloud" / "machines").iterdir())) == 2
    for word in ("delete", "delete"):
        status, said = finish(rented(word, *FLEET))
        assert status == 0 and "no machine of cnnjax-" in said
    check_gone(tmp_path)


def wait_for_call(process, tmp_path, call="compute ssh"):
    """Until gcloud was called; by default until a machine is asked for something."""
    calls, deadline = tmp_path / "cloud" / "calls", time.monotonic() + 60
    while not calls.exists() or call not in calls.read_text():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_is_stopped_deletes_first(rented, tmp_path, number):
    process = rented("all", *FLEET, FAKE_STUCK="1")
    wait_for_call(process, tmp_path)
    process.send_signal(number)
    status, said = finish(process)
    assert status == (130 if number == signal.SIGINT else 143)
    assert "deleting all machines" in said and "no machine of cnnjax-" in said
    check_gone(tmp_path)


@pytest.mark.parametrize("number", [None, signal.SIGHUP, signal.SIGTERM])
def test_machines_are_deleted_though_nobody_hears_any_more(rented, tmp_path, number):
    process = rented("all", *FLEET, FAKE_STUCK="1")
    wait_for_call(process, tmp_path)
    process.stderr.close()  # as of `| tee` after Ctrl-C; a signal may come before the next word
    if number is not None:
        process.send_signal(number)
    assert process.wait(timeout=60) in (141, 141 if number is None else 143)
    [log] = (tmp_path / "logs").glob("delete.log")
    assert "Deleting cnnjax-" in log.read_text() and "no machine of cnnjax-" in log.read_text()
    check_gone(tmp_path)


def test_machines_are_deleted_where_nothing_can_be_written(rented, tmp_path):
    (tmp_path / "logs").touch()  # is no folder: watch ends by it, once machines are there
    with open("/dev/full", "w") as full:
        process = rented("all", *FLEET, stderr=full)
    assert process.wait(timeout=60) == 1
    assert "instances create" in (tmp_path / "cloud" / "calls").read_text()
    check_gone(tmp_path)


def test_where_no_machine_can_be_had_it_ends(rented, tmp_path):
    status, said = finish(rented("all", *FLEET, FAKE_NO_ROOM="1"))
    assert status == 1 and "EXHAUSTED" in said and "no machine could be made" in said
    check_gone(tmp_path)


def test_a_machine_that_cannot_be_set_up_is_given_up_and_deleted(rented, tmp_path):
    put(tmp_path / "cloud" / "on-vms" / "python3", "#!/bin/bash\nexit 1\n")
    status, said = finish(rented("all", *FLEET))
    assert status == 1 and "given up, see " in said and "not all is recorded" in said
    assert "it is made again" not in said
    check_gone(tmp_path)


def test_a_wrong_word_and_a_missing_zone_are_one_line(rented, tmp_path):
    status, said = finish(rented("destroy", *FLEET))
    assert status == 2 and said.count("\n") == 1 and "create|install|start" in said
    script = tmp_path / "rent.sh"
    script.write_text(script.read_text().replace("ZONE=us-east5-b", "ZONE=${ZONE:?say which}"))
    status, said = finish(rented("all"))
    assert status != 0 and said.count("\n") == 1 and "ZONE: say which" in said


def test_a_watch_that_is_started_again_knows_which_machines_were_up(rented, tmp_path):
    assert finish(rented("create", *FLEET))[0] == 0
    name = min(path.name for path in (tmp_path / "cloud" / "machines").iterdir())
    for call in ("compute ssh", "instances delete"):  # the second one sees it going
        process = rented("watch", FAKE_STUCK="1")
        try:
            wait_for_call(process, tmp_path, f"{call} {name}")
        finally:
            process.terminate()
            _, said = finish(process)
        put(tmp_path / "cloud" / "going" / name, "")
    assert f"{name} is lost: it is made again" in said
    (tmp_path / "cloud" / "going" / name).unlink()
    assert finish(rented("delete"))[0] == 0
    assert not list((tmp_path / "logs").glob("*.seen"))
    check_gone(tmp_path)


def test_what_was_given_is_not_what_the_environment_says(rented, tmp_path):
    other = {"PROJECT": "of-other-work", "ZONE": "us-east5-a"}  # which would be refused
    for word in ("create", "delete"):
        status, said = finish(rented(word, *FLEET, **other))
        assert status == 0, said
    check_gone(tmp_path)


COMMAND = """#!/bin/bash
# Records something new at each start up to the number $NEW, and ends with $STATUS.
echo start >> starts
count=$(wc -l < starts)
if [ "$count" -le "$NEW" ]; then touch "record-$count"; fi
if [ "$count" -gt "$MOST" ]; then exit "$LAST"; fi
exit 75
"""


@pytest.mark.parametrize(
    ("new", "most", "last", "again", "status", "starts"),
    [
        (9, 5, 0, "here", 0, 6),  # five interruptions, each with something new
        (0, 9, 0, "here", 1, 3),  # nothing new three times
        (4, 9, 0, "here", 1, 7),
        (9, 0, 2, "here", 2, 1),
        (1, 9, 0, "elsewhere", 75, 1),
        (0, 9, 0, "elsewhere", 1, 3),
    ],
)
def test_what_was_interrupted_starts_again_while_anything_is_recorded(
    tmp_path, new, most, last, again, status, starts
):
    put(tmp_path / "experiments/cloud/job.sh", (CLOUD / "job.sh").read_text())
    put(tmp_path / "command", COMMAND)
    put(tmp_path / ".venv/bin/python", "#!/bin/bash\nls record-* 2> /dev/null | wc -l\n")
    run = subprocess.run(
        ["bash", "experiments/cloud/job.sh", "attempts", "./command"], cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "RUNS": "gs://bucket/runs", "TMPDIR": str(tmp_path),
             "NEW": str(new), "MOST": str(most), "LAST": str(last), "AGAIN": again},
        capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == status, run.stderr
    assert (tmp_path / "starts").read_text().count("start") == starts
