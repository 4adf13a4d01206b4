"""A part of the endurance test in a process of its own, which a fault may end, as XLA aborts."""

import concurrent.futures
import json
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cnnjax.config.flags import quote_command
from cnnjax.config.knobs import printable
from experiments.endure.tally import Tally

Say = Callable[[dict[str, Any]], None]
SAID = 100  # of so many one is told
SILENCE = 1200  # seconds after which a process waits for something that will not come
ROOT = Path(__file__).parents[2]


def serve(work: Callable[[Say], None]) -> int:
    """Does the work; what it says is a line of JSON on what was stdout at the start."""
    stdout = sys.stdout

    def say(fact: dict[str, Any]) -> None:
        print(json.dumps(fact), file=stdout, flush=True)

    work(say)
    say({"done": True})
    return 0


def follow(command: list[str]) -> Iterator[dict[str, Any]]:
    """What a process says; last, where it did not come to its end, the fault that this is."""
    begun: dict[str, Any] = {}
    done = False
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout
        watchdog = start_watchdog(process)
        for line in process.stdout:
            watchdog.cancel()
            watchdog = start_watchdog(process)
            fact = json.loads(line)
            begun = fact if "begun" in fact else begun
            done = done or "done" in fact
            yield fact
        watchdog.cancel()
        said = process.stderr.read() if process.stderr else ""
    if not done:
        lines = " | ".join(said.splitlines()[-3:])
        ended = f"the process ended with status {process.returncode}: {lines}"
        yield {"fault": ended, "argv": begun.get("begun", [])}


def start_watchdog(process: subprocess.Popen) -> threading.Timer:
    """What ends a process that says nothing for long, unless it is cancelled."""
    watchdog = threading.Timer(SILENCE, process.kill)
    watchdog.daemon = True
    watchdog.start()
    return watchdog


def describe(error: BaseException) -> str:
    """An error in a line, with its last place in the project."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(ROOT)]
    own = [frame for frame in own if "site-packages" not in frame.filename]
    *_, last = own or frames
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}: {text}"


def run(part: str, number: int, seed: int, things: str, processes: int = 1) -> Tally:
    """A part in processes side by side, its module given a number and a seed of their own."""
    start, statuses, faults, slowest = time.monotonic(), Counter[str](), [], [0.0]

    def watch(own: int) -> None:
        numbers = (number // processes, seed * processes + own)
        module = f"experiments.endure.{part}"
        for fact in follow([sys.executable, "-m", module, *map(str, numbers)]):
            if "seconds" in fact:
                statuses[str(fact["status"])] += 1
                slowest.append(fact["seconds"])
                if not statuses.total() % SAID:
                    print(f"{part}: {statuses.total()} {things}", file=sys.stderr)
            if "fault" in fact:
                faults.append(printable(f"{fact['fault']}: {quote_command(fact['argv'])}"))

    with concurrent.futures.ThreadPoolExecutor(processes) as pool:
        list(pool.map(watch, range(processes)))
    ends = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
    figures = (
        f"{statuses.total()} {things} ({ends}) in {time.monotonic() - start:.0f} s, the slowest"
        f" {max(slowest):.1f} s, {len(faults)} faults"
    )
    return Tally(part, figures, tuple(faults))
