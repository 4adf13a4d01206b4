"""What was found out once of files, in the user's cache: a damaged memory is none."""

import contextlib
import hashlib
import json
import pathlib
from typing import Any

from cnnjax.records import atomic


def recall(path: pathlib.Path) -> Any | None:
    """What was kept there; None where there is nothing, or not all that was kept."""
    try:
        checksum, _, kept = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    return json.loads(kept) if checksum == _checksum(kept) else None


def keep(path: pathlib.Path, value: Any) -> None:
    """Keeps what JSON can say; where that fails, as on a full disk, it is found out again."""
    kept = json.dumps(value).encode()
    with contextlib.suppress(OSError):
        atomic.write_bytes(path, _checksum(kept) + b"\n" + kept)


def _checksum(kept: bytes) -> bytes:
    return hashlib.sha256(kept).hexdigest().encode()
