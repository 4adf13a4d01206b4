"""Python imports this first in what tests start: it asks nobody off the loopback."""

import os
import sys

NEARBY = ("127.0.0.1", "::1", "localhost", None, "")


def hear(event, arguments):
    """Ends the process where it looks up or connects to another machine."""
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        asked = arguments[1][0]
    elif event == "socket.getaddrinfo":
        asked = arguments[0]
    else:
        return
    asked = asked.decode() if isinstance(asked, bytes) else asked
    if asked not in NEARBY or "CLOSED" in os.environ:
        os.write(2, f"{' '.join(sys.argv)} asked for {arguments}\n".encode())
        os._exit(99)


sys.addaudithook(hear)
