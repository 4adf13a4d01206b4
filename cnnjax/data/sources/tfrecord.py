"""TFRecord files read without TensorFlow.

A record is its length (8 bytes, little-endian), a checksum of that (4), the bytes, and a checksum
of those (4). Checksums are not compared; a file that ends too early is noticed.
"""

import bisect
import itertools
import os
import struct
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnjax.config.knobs import RunError

HEAD = struct.Struct("<QI")
FOOT = 4  # bytes of checksum behind a record


def find_records(path: str) -> np.ndarray:
    """Where each record of a file begins and how long it is [n, 2], in bytes.

    Raises RunError where the file is cut short.
    """
    size, offset, found = os.path.getsize(path), 0, []
    with open(path, "rb") as file:
        while offset < size:
            head = file.read(HEAD.size)
            length = HEAD.unpack(head)[0] if len(head) == HEAD.size else size
            if offset + HEAD.size + length + FOOT > size:
                raise RunError(f"{path} is cut short: copy it again from where it was prepared")
            found.append((offset + HEAD.size, length))
            offset += HEAD.size + length + FOOT
            file.seek(offset)
    return np.array(found, np.int64).reshape(-1, 2)


class TFRecords(Sequence):
    """The records that some of TFDS's file instructions (file, skip, take) name, by position."""

    def __init__(self, instructions: Sequence[Any]):
        self.paths = [os.fspath(part.filename) for part in instructions]
        self.places = [
            find_records(path)[part.skip : part.skip + part.take]
            for path, part in zip(self.paths, instructions, strict=True)
        ]
        self.ends = list(itertools.accumulate(map(len, self.places)))
        self.local = threading.local()  # open files, of each thread its own

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "local"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, local=threading.local())

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    def __getitem__(self, index: Any) -> Any:
        """The bytes of one record."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        part = bisect.bisect_right(self.ends, index)
        offset, length = self.places[part][index - (self.ends[part - 1] if part else 0)]
        files = vars(self.local).setdefault("files", {})
        if part not in files:
            files[part] = open(self.paths[part], "rb")  # noqa: SIM115  kept open for the next record
        files[part].seek(offset)
        return files[part].read(length)
