"""How a process ends that is one of several of a program on many hosts."""

import os
import sys
import traceback
from typing import NoReturn

from cnnjax.config import words
from cnnjax.config.knobs import printable


def end_others(status: int, error: BaseException | None = None) -> None:
    """Ends the processes of a program on many hosts, where this is the first of them.

    This one too where not all is done, behind what Python would say of an error.
    """
    if multihost := sys.modules.get("cnnjax.sweep.multihost"):
        if error is not None and multihost.is_many():
            traceback.print_exception(error)
        multihost.end(status)


def end_lost(reason: str, status: int | None = None) -> NoReturn:
    """Ends the process, another of whose program is lost, with status 75 or the other's own.

    At once, for JAX would wait for the other; from any thread.
    """
    if status is None:
        reason = f"interrupted: {reason}; run the same command again on all hosts to go on"
    words.say(words.shorten(printable(reason)), sys.stderr)
    sys.stdout.flush()
    os._exit(os.EX_TEMPFAIL if status is None else status)
