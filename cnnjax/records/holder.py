"""Who holds a lease: a process, under a name that no other has on any machine."""

import functools
import json
import os
import pathlib
import re
import secrets
import socket
import time
import uuid
from typing import NamedTuple

from cnnjax.records.files import LENGTH

_TEXT = re.compile(r"\w[\w.-]{0,199}", re.ASCII)  # also a safe name of a file
_PROC = pathlib.Path("/proc")


class Holder(NamedTuple):
    """A process as it wrote itself down."""

    name: str  # its own alone, and that of its file
    host: str
    boot: str  # shared by those who see the same processes: of one boot, and of one container
    pid: int
    started: int  # clock ticks from the boot to its start; 0 where the system does not tell
    count: int = 0  # of heartbeats
    since: int = 0  # when it began, in seconds since 1970 by its own clock; for readers alone

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def make_holder() -> Holder:
    """A new name for this process, and where it runs."""
    host, boot = _find_place()
    pid = os.getpid()
    _, started = _read_stat(pid) or ("", 0)
    name, since = f"{host}-{pid}-{secrets.token_hex(8)}", int(time.time())
    return Holder(name, host, boot, pid, started, since=since)


def dump(holder: Holder) -> bytes:
    """What a holder's file has."""
    return f"{json.dumps(holder._asdict())}\n".encode().rjust(LENGTH)


def read(path: pathlib.Path) -> Holder | None:
    """The holder that a file names; None where there is no such file, or it cannot be read."""
    try:
        with path.open("rb") as file:
            return parse(file.read(LENGTH))
    except OSError:
        return None


def parse(content: bytes) -> Holder | None:
    """The holder that a file of this content names; None where it is damaged."""
    try:
        holder = Holder(**json.loads(content))
    except (ValueError, TypeError, RecursionError):
        return None
    numbers = holder.pid, holder.started, holder.count, holder.since
    texts = holder.name, holder.host, holder.boot
    sound = (
        all(type(number) is int for number in numbers)
        and 0 < holder.pid < 2**31
        and all(isinstance(text, str) and _TEXT.fullmatch(text) for text in texts)
    )
    return holder if sound else None


def is_here(holder: Holder) -> bool:
    """Whether this process would see the holder's if it ran."""
    return (holder.host, holder.boot) == _find_place()


def is_gone(holder: Holder) -> bool:
    """Whether the holder's process is known to have ended: it was here, and is no more."""
    if not is_here(holder):
        return False
    try:
        os.kill(holder.pid, 0)  # only asks
    except ProcessLookupError:
        return True
    except OSError:  # it is there, and another user's
        pass
    found = _read_stat(holder.pid)
    if found is None:
        return False
    state, started = found
    return state in "ZX" or 0 < holder.started != started


@functools.cache
def _find_place() -> tuple[str, str]:
    """Host and boot. Containers of one machine share its boot, and number processes anew each."""
    host = re.sub(r"[^\w.-]", "_", socket.gethostname(), flags=re.ASCII)[:64].lstrip(".-")
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        space = re.sub(r"\D", "", os.readlink(_PROC / "self/ns/pid"))
    except OSError:  # no Linux: at least no other machine of the same name
        boot, space = f"{uuid.getnode():x}", "0"
    return host or "unnamed", f"{boot}-{space}"


def _read_stat(pid: int) -> tuple[str, int] | None:
    """State and start of a process; None where the system does not tell."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return fields[0], int(fields[19])
    except (OSError, ValueError, IndexError):
        return None
