"""Imported first by what starts as a script: from now on an interruption ends it with status 75.

`script.run` takes over once all that a script needs is imported, which takes a third of a second.
"""

import os
import signal


def _end(number: int, frame: object) -> None:
    os.write(2, b"interrupted: nothing was begun; run the same command again to go on\n")
    os._exit(75)


for _number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(_number, _end)
