"""Leases hold in whatever order launches take their steps, and between real processes."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
from random import Random

import pytest

from cnnjax.config.errors import ConfigError
from cnnjax.records import holder, leases
from cnnjax.records.leases import Leases, claim_folder, open_leases

ROOT = pathlib.Path(__file__).parents[2]
ELSEWHERE = "another-machine"


class Turns:
    """Runs functions in threads, of which one at a time goes on, from one file call to the next."""

    CALLS = ((os, "link"), (os, "listdir"), (os, "unlink"), (os, "rmdir"), (holder, "read"))

    def __init__(self, functions, choose):
        self.own = threading.local()
        self.ready = threading.Semaphore(0)
        self.turns = {name: threading.Semaphore(0) for name in range(len(functions))}
        self.waiting, self.errors = set(), []
        threads = [
            threading.Thread(target=self.run, args=pair, daemon=True)
            for pair in enumerate(functions)
        ]
        with pytest.MonkeyPatch.context() as patch:
            for module, call in self.CALLS:
                patch.setattr(module, call, self.stepwise(getattr(module, call)))
            for thread in threads:
                thread.start()
                self.ready.acquire()
            name = None
            while self.waiting:
                name = choose(sorted(self.waiting), name)
                self.waiting.remove(name)
                self.turns[name].release()
                self.ready.acquire()
        for error in self.errors:
            raise error

    def run(self, name, function):
        self.own.name = name
        try:
            self.step()
            function()
        except BaseException as error:
            self.errors.append(error)
        finally:
            self.ready.release()

    def step(self):
        if (name := getattr(self.own, "name", None)) is not None:
            self.waiting.add(name)
            self.ready.release()
            self.turns[name].acquire()

    def stepwise(self, call):
        def stepwise(*arguments, **keywords):
            self.step()
            return call(*arguments, **keywords)

        return stepwise


@pytest.mark.parametrize("after_a_death", [False, True])
@pytest.mark.parametrize("calm", [0.3, 0.8, 0.95])  # how often a launch goes on after its step
@pytest.mark.parametrize("seed", range(10))
def test_in_whatever_order_launches_take_their_steps_a_key_is_one_s(
    tmp_path, seed, calm, after_a_death
):
    """Three launches claim and release one key again and again, the first after a killed one."""
    dead = Leases(tmp_path / "leases")
    if after_a_death:
        assert dead.claim("a")
    launches = [
        Leases(tmp_path / "leases", is_gone=lambda holder: holder.name == dead.me.name)
        for _ in range(3)
    ]
    holding, won, random = set(), [], Random(seed)

    def work(own):
        for _ in range(3):
            if own.claim("a"):
                assert not holding, "two hold one key"
                holding.add(own)
                won.append(own)
                assert own.still_ours("a")
                holding.remove(own)
                own.release("a")
        own.close()

    def choose(waiting, last):
        return last if last in waiting and random.random() < calm else random.choice(waiting)

    Turns([lambda own=own: work(own) for own in launches], choose)
    assert won and not [path for path in tmp_path.rglob("*") if path.is_file()]


# Real processes

SCRIPT = """
import os, pathlib, sys, time
from cnnjax.records.leases import claim_folder, open_leases
folder = pathlib.Path(sys.argv[1])

def wait_for(line):
    print(line, flush=True)
    assert sys.stdin.readline()

"""


@contextlib.contextmanager
def start(code, *arguments):
    """A process that says a line when it is ready, and goes on when it is sent one."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT + code, *map(str, arguments)], cwd=ROOT,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    )  # fmt: skip
    assert process.stdin and process.stdout
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def hear(process):
    return process.stdout.readline().strip()


def tell(process):
    process.stdin.write("\n")


def kill(process):
    """Ends a process; without waiting for it, so that it stays as one that nobody asked about."""
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


RACE = """
with open_leases(folder) as leases:
    wait_for("ready")
    keys = sys.argv[2].split(",")
    won = set()
    for _ in range(3):
        won |= {key for key in keys if leases.claim(key)}
    wait_for(",".join(sorted(won)))
"""


def race(folder, keys, number):
    """What each of so many processes won, that claim all keys at once."""
    with contextlib.ExitStack() as stack:
        racers = [stack.enter_context(start(RACE, folder, ",".join(keys))) for _ in range(number)]
        assert [hear(racer) for racer in racers] == ["ready"] * number
        for racer in racers:
            tell(racer)
        won = [[key for key in hear(racer).split(",") if key] for racer in racers]
        for racer in racers:
            tell(racer)
        assert [racer.wait() for racer in racers] == [0] * number
    return won


def test_of_processes_that_race_for_many_keys_each_is_won_once(tmp_path):
    keys = [f"key{number}" for number in range(200)]
    won = race(tmp_path / "leases", keys, 4)
    assert sorted(sum(won, [])) == sorted(keys)
    assert not list(tmp_path.iterdir())


HOLD = """
with open_leases(folder, beat_seconds=0.05) as leases:
    assert all(map(leases.claim, sys.argv[2].split(",")))
    wait_for("held")
"""


def test_a_killed_process_is_taken_over_at_once_by_one_of_four(tmp_path):
    keys = [f"key{number}" for number in range(20)]
    with start(HOLD, tmp_path / "leases", ",".join(keys)) as process:
        assert hear(process) == "held"
        kill(process)
        copied = shutil.copytree(tmp_path, tmp_path.with_name("copy"))  # plain files, of any tool
        won = race(tmp_path / "leases", keys, 4)
    assert sorted(sum(won, [])) == sorted(keys)
    assert not list(tmp_path.iterdir()) and copied.exists()


def test_a_stopped_process_is_taken_over_by_its_count_and_finds_out(tmp_path):
    code = """
with open_leases(folder, beat_seconds=0.05) as leases:
    assert leases.claim("a")
    wait_for("held")
    print(leases.still_ours("a"), leases.claim("a"), flush=True)
"""
    with (
        start(code, tmp_path) as process,
        open_leases(tmp_path, stale_seconds=1, beat_seconds=0.05) as own,
    ):
        assert hear(process) == "held"
        began = time.monotonic()
        while time.monotonic() < began + 1.5:
            assert not own.claim("a")  # its count moves
            time.sleep(0.1)
        process.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        while not own.claim("a"):
            time.sleep(0.02)
        assert time.monotonic() > stopped + 0.9
        process.send_signal(signal.SIGCONT)
        tell(process)
        assert hear(process) == "False False" and own.still_ours("a")


# A folder of one's own

OWN = """
with claim_folder(folder):
    wait_for("held")
"""


def test_a_folder_is_one_process_s(tmp_path):
    folder = tmp_path / "run"
    with start(OWN, folder) as process:
        assert hear(process) == "held"
        with pytest.raises(ConfigError) as raised, claim_folder(folder):
            pass
        said = str(raised.value)
        assert said.startswith(f"{folder} is in use by process {process.pid} on ")
        assert "\n" not in said
        tell(process)
        assert process.wait() == 0
    with claim_folder(folder) as still_ours:
        assert still_ours()
    assert not list(folder.iterdir())


def test_the_folder_of_a_killed_process_is_free_at_once(tmp_path):
    with start(OWN, tmp_path) as process:
        assert hear(process) == "held"
        kill(process)
        began = time.monotonic()
        with claim_folder(tmp_path):
            assert time.monotonic() < began + leases.STALE_SECONDS / 3


@pytest.mark.parametrize("alive", [True, False])
def test_of_a_holder_on_another_machine_the_count_tells(tmp_path, monkeypatch, alive):
    with monkeypatch.context() as there:
        there.setattr(holder, "_find_place", lambda: (ELSEWHERE, "boot"))
        other = Leases(tmp_path / "leases")
    assert other.claim("folder")
    heard = []

    def say(text):
        heard.append(text)
        if alive:
            other.beat()

    if alive:
        with pytest.raises(ConfigError, match=f"in use by process .* on {ELSEWHERE}"):
            with claim_folder(tmp_path, say, 0.3):
                pass
    else:
        with claim_folder(tmp_path, say, 0.3):
            assert not other.still_ours("folder")
    assert heard == [
        f"watching for 0.3 seconds whether process {os.getpid()} on {ELSEWHERE} still uses"
        f" {tmp_path}"
    ]
