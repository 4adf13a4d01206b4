"""The code is formatted and free of what ruff finds; files stay rooms with one job."""

import pathlib
import socket
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]])
def test_ruff(command):
    run = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout


def test_files_are_short():
    long = {
        str(path.relative_to(ROOT)): lines
        for pattern in ("cnnjax/**/*.py", "experiments/**/*.py", "tests/**/*.py", "*.py")
        for path in ROOT.glob(pattern)
        if (lines := len(path.read_text().splitlines())) > 300
    }
    assert not long


def test_the_network_is_out_of_reach():
    with pytest.raises(pytest.fail.Exception, match="not on the loopback"):
        socket.create_connection(("192.0.2.1", 80), 1)  # an address for documentation
