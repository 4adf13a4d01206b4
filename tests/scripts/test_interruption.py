"""Interrupted, a command keeps what is finished, and the same command goes on."""

import json
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from tests.scripts.test_scripts import ABLATE, TRAIN

ROOT = pathlib.Path(__file__).parents[2]
TINY = ["--widths=4", "--hidden=8", "--train_examples=48", "--batch_size=16", "--steps=6",
        "--pool_every=1"]  # fmt: skip


def start(environment, *arguments):
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)], cwd=ROOT, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(condition, child, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert child.poll() is None and time.monotonic() < deadline, child.communicate()
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.usefixtures("compiled_as_for_users")
def test_an_interrupted_run_goes_on_to_the_same_bits(environment, call, tmp_path):
    flags = [*TINY[:4], "--steps=4000", "--eval_every=100", "--pool_every=1",
             "--checkpoint_every=0"]  # fmt: skip
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert call(*TRAIN, *flags, f"--workdir={whole}").returncode == 0
    child = start(environment, *TRAIN, *flags, f"--workdir={broken}")
    wait_for(lambda: list(broken.glob("checkpoints/step-*200.*")), child)
    child.send_signal(signal.SIGTERM)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 75, errors
    assert "run the same command again to go on" in errors
    assert not (broken / "result.json").exists()
    assert call(*TRAIN, *flags, f"--workdir={broken}").returncode == 0
    for name in ("metrics.jsonl", "config.json"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()
    results = [json.loads((folder / "result.json").read_text()) for folder in (whole, broken)]
    assert results[0]["test_loss"] == results[1]["test_loss"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_sweep_keeps_what_is_finished(environment, call, tmp_path, number):
    command = [*ABLATE, "--grid=pool=max,avg,stride,none", *TINY[:4], "--steps=20000",
               "--pool_every=1", "--seeds=2", f"--runs={tmp_path}"]  # fmt: skip
    child = start(environment, *command)
    wait_for(lambda: list(tmp_path.glob("records/*/record.json")), child)
    child.send_signal(number)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 75, errors
    assert "finished lanes are saved; run the same command again to go on" in errors
    saved = len(list(tmp_path.glob("records/*/record.json")))
    assert 0 < saved < 8 and not list(tmp_path.glob("records/*/.*"))
    plan = call(*command, "--steps=20000", "--plan")
    assert plan.returncode == 0


SCRIPTS = ("launch.py", "train", "ablate", "judge", "records")


@pytest.mark.parametrize(
    ("script", "number"),
    [
        *((script, signal.SIGTERM) for script in SCRIPTS),
        ("launch.py", signal.SIGINT),
        *(pytest.param(own, signal.SIGINT, marks=pytest.mark.slow) for own in SCRIPTS[1:]),
    ],
)
def test_an_interruption_before_a_script_is_imported_is_status_75_too(environment, script, number):
    command = [script] if script == "launch.py" else ["-m", f"experiments.{script}"]
    child = start(environment, "-X", "importtime", *command)
    for line in child.stderr:
        if line.rstrip().endswith(" experiments.early"):
            break
    child.send_signal(number)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 75
    (said,) = [line for line in errors.splitlines() if not line.startswith("import time:")]
    assert "interrupted: nothing was begun; run the same command again" in said


@pytest.mark.parametrize("module", ["jax.version", "flax.core"])
def test_an_interruption_while_starting_is_status_75_too(environment, tmp_path, module):
    command = ["-X", "importtime", *TRAIN, *TINY, f"--workdir={tmp_path / 'w'}"]
    child = start(environment, *command)
    for line in child.stderr:  # -X importtime names each module when it is imported
        if line.rstrip().endswith(f" {module}"):
            break
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 75
    (said,) = [line for line in errors.splitlines() if not line.startswith("import time:")]
    assert "run the same command again to go on" in said
