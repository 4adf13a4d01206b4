"""No network: what --offline forbids a process. Imports nothing but Python's own."""

import sys

SAID = "--offline forbids it"
# What Python's sockets tell an audit hook before they ask anyone (docs.python.org, audit events).
ASKING = ("getaddrinfo", "gethostbyname", "gethostbyaddr", "getnameinfo")
SENDING = ("connect", "sendto", "sendmsg")


def close_network() -> None:
    """From now on each connection of this process raises ConnectionRefusedError, for good.

    Sockets that are files of this machine, as its processes use among themselves, stay open; the
    loopback does not, since a proxy may listen there.
    """
    if not is_closed():
        _closed.append(_refuse)
        sys.addaudithook(_refuse)


def is_closed() -> bool:
    """Whether no connection is allowed."""
    return bool(_closed)


_closed: list[object] = []  # a hook cannot be taken away, and one is enough


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    module, _, name = event.partition(".")
    if module != "socket":
        return
    if name in ASKING or name in SENDING and isinstance(arguments[1], tuple):
        raise ConnectionRefusedError(SAID)
