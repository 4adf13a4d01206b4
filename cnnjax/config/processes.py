"""What binds a process to the one that started it."""

import contextlib
import ctypes

PR_SET_PDEATHSIG = 1  # of prctl(2)


def end_with_parent(number: int) -> None:
    """Has the system send a signal to this process when what started it ends. Linux alone can."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
