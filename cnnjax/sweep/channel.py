"""What the processes of one program tell each other beside their devices: lines of JSON over TCP.

Process 0 leads: it hears all others, and each of these hears it. Every process says each second
that it lives, so that one which ended, is stopped or cut off is known to be lost in seconds; and
watches its own work, so that one which is stuck ends itself. No JAX here.
"""

import contextlib
import faulthandler
import json
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from cnnjax.config import words
from cnnjax.config.errors import HostLost, RunError

BEAT_SECONDS = 1.0
HELLO_SECONDS = 5.0  # from a connection to its first words
SILENT_SECONDS = 10.0  # without a beat: a process is lost
RETRY_SECONDS = 0.1  # between two tries to reach process 0

Said = dict[str, Any]
OnLost = Callable[[str, int | None], None]  # why, and the exit status that was given, if any


class Place(NamedTuple):
    """A process of a program of several."""

    host: str  # where process 0 listens
    port: int
    count: int  # processes
    process: int  # which of them, from 0


class Line:
    """A connection to another process. What it says waits in order; beats are only counted."""

    def __init__(self, connection: socket.socket, name: str):
        self.name, self.heard, self.gone, self.asked = name, time.monotonic(), False, False
        self.ended: int | None = None  # the exit status with which it ends the program
        # A signal's handler may say something too, while its thread is at it.
        self._connection, self._lock = connection, threading.RLock()
        self._waiting: queue.Queue[Said | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError), self._connection.makefile("rb") as lines:
            for line in lines:
                said = json.loads(line)
                self.heard = time.monotonic()
                if said["do"] == "beat":
                    self.asked = self.asked or said["asked"]
                    continue
                if said["do"] == "end":
                    self.ended = said["status"]
                self._waiting.put(said)
        self.gone = True
        self._waiting.put(None)

    def send(self, said: Said) -> None:
        """Says something; nothing to one that is gone, which is noticed otherwise."""
        with contextlib.suppress(OSError), self._lock:
            self._connection.sendall(json.dumps(said).encode() + b"\n")

    def receive(self, seconds: float | None = None) -> Said | None:
        """What was said next, of any age; None from one that is gone. Raises TimeoutError."""
        try:
            return self._waiting.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError(self.name) from None

    def hear(self) -> Said:
        """What was said next. Raises HostLost where it is gone."""
        said = self.receive()
        if said is None:
            raise HostLost(f"{self.name} ended")
        return said

    def close(self) -> None:
        """Says nothing any more."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


class Crew:
    """The processes of one program, as one of them knows them."""

    def __init__(self, place: Place, lines: Mapping[int, Line]):
        self.place, self.lines = place, lines
        self.busy: tuple[str, float] | None = None  # at what, since when on the monotonic clock
        self.over = False

    @property
    def leads(self) -> bool:
        """Whether this is process 0."""
        return self.place.process == 0

    @property
    def asked(self) -> bool:
        """Whether another process was asked to stop."""
        return any(line.asked for line in self.lines.values())

    def tell(self, said: Said) -> None:
        """Says something to all others that this process hears."""
        for line in self.lines.values():
            line.send(said)

    @contextlib.contextmanager
    def at_work(self, name: str) -> Iterator[None]:
        """Within, this process is at work on what is so named; longer than allowed is stuck."""
        before, self.busy = self.busy, (name, time.monotonic())
        try:
            yield
        finally:
            self.busy = before

    def watch(self, stuck_seconds: float, asked: Callable[[], bool], on_lost: OnLost) -> None:
        """From now on tells the others that this process lives, and whether it was `asked` to stop.

        Where another is lost, or this one is stuck and shows where, calls `on_lost` in a thread,
        with an exit status where the other gave one.
        """
        for line in self.lines.values():  # till now nobody said that he lives
            line.heard = time.monotonic()

        def beat() -> None:
            while not self.over:
                self.tell({"do": "beat", "asked": asked()})
                time.sleep(BEAT_SECONDS)

        def look() -> None:
            while not self.over:
                time.sleep(BEAT_SECONDS / 10)
                busy, now = self.busy, time.monotonic()
                if busy and now - busy[1] > stuck_seconds:
                    faulthandler.dump_traceback()
                    on_lost(f"stuck for {stuck_seconds:g} seconds at {busy[0]}", None)
                elif (lost := _find_lost(self.lines.values(), now)) and not self.over:
                    if lost.ended is None or busy:  # else what it says is about to be read
                        on_lost(_describe_lost(lost), lost.ended)

        for own in (beat, look):
            threading.Thread(target=own, daemon=True).start()

    def leave(self) -> None:
        """All is done: that others end is no loss from now on."""
        self.over = True


def _find_lost(lines: Iterable[Line], now: float) -> Line | None:
    silent = (line for line in lines if line.gone or now - line.heard > SILENT_SECONDS)
    return next(silent, None)


def _describe_lost(line: Line) -> str:
    if line.gone:
        return f"{line.name} ended"
    return f"{line.name} was not heard of for {SILENT_SECONDS:g} seconds"


def gather(place: Place, seconds: float) -> Crew:
    """All processes of a program, as soon as each has come.

    Raises RunError where some have not within so many seconds, with their numbers.
    """
    until = time.monotonic() + seconds
    lines = _accept(place, until, seconds) if place.process == 0 else _reach(place, until, seconds)
    return Crew(place, lines)


def _accept(place: Place, until: float, seconds: float) -> dict[int, Line]:
    lines: dict[int, Line] = {}
    try:
        listening = _listen(place.port)
    except OSError as error:
        raise RunError(f"process 0 cannot listen on port {place.port}: {error.strerror}") from None
    with listening:
        listening.settimeout(RETRY_SECONDS)
        while len(lines) < place.count - 1:
            for process in [process for process, line in lines.items() if line.gone]:
                lines.pop(process).close()  # it may come again
            try:
                connection, (host, *_) = listening.accept()
            except TimeoutError:
                if time.monotonic() < until:
                    continue
                missing = _describe_missing(place, lines, seconds)
                for line in lines.values():
                    line.send({"do": "refuse", "why": missing})
                raise RunError(missing) from None
            connection.settimeout(None)
            line, said = Line(connection, host), None
            with contextlib.suppress(TimeoutError):
                said = line.receive(HELLO_SECONDS)
            if reason := _refuse(place, lines, said):
                line.send({"do": "refuse", "why": reason})
                line.close()
                continue
            process = (said or {})["process"]
            line.name = f"process {process} ({host})"
            if before := lines.pop(process, None):
                before.close()
            lines[process] = line
    for line in lines.values():
        line.send({"do": "begin"})
    return dict(sorted(lines.items()))


def _listen(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


def _refuse(place: Place, lines: Mapping[int, Line], said: Said | None) -> str:
    """Why a process that came is none of these; empty where it is one."""
    if said is None or said.get("do") != "come":
        return "it did not say who it is"
    if said["count"] != place.count:
        return f"it is one of {said['count']} processes, and here are {place.count}"
    there = lines.get(said["process"])
    return f"process {said['process']} has come already" if there and not there.gone else ""


def _describe_missing(place: Place, lines: Mapping[int, Line], seconds: float) -> str:
    missing = [str(process) for process in range(1, place.count) if process not in lines]
    return (
        f"{words.count(len(missing), 'process', 'processes')} of {place.count} did not come within"
        f" {seconds:g} seconds: {', '.join(missing)}; start the same command there"
    )


def _reach(place: Place, until: float, seconds: float) -> dict[int, Line]:
    at = f"process 0 at {place.host}:{place.port}"
    while True:
        try:
            connection = socket.create_connection((place.host, place.port), timeout=5)
            break
        except OSError as error:
            if time.monotonic() > until:
                raise RunError(f"{at} did not answer within {seconds:g} seconds: {error}") from None
            time.sleep(RETRY_SECONDS)
    connection.settimeout(None)
    line = Line(connection, at)
    line.send({"do": "come", "process": place.process, "count": place.count})
    said = line.receive()  # as long as it lives process 0 decides who waits
    if said is None or said["do"] != "begin":
        reason = "ended before all had come" if said is None else f"says: {said.get('why')}"
        raise RunError(f"{at} {reason}")
    return {0: line}
