"""What each file of a folder of images is, found out once and remembered."""

import concurrent.futures
import hashlib
import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from cnnjax.data import decode
from cnnjax.data.sources import memory

VERSION = 4  # of what is remembered of a file


class Found(NamedTuple):
    """One file, after it was read once."""

    path: str  # relative to the folder
    label: str  # its class
    split: str  # the folder it lay in; empty where there are none
    digest: str  # of its bytes
    width: int
    height: int
    channels: int
    bits: int  # of a pixel's channel, as the file declares
    peak: int  # greatest value, where bits are more than 8; else 0
    frames: int  # of which the first is read
    error: str  # why it cannot be used; empty where it can


def scan(
    root: pathlib.Path, listed: Sequence[tuple[str, str, str]], cache: pathlib.Path
) -> list[Found]:
    """Every file, read once; those that have not changed since are remembered in `cache`."""
    own = hashlib.sha256(b"%d " % VERSION + os.fsencode(root)).hexdigest()[:24]
    place = cache / "folders" / f"{own}.json"
    known: dict[str, Any] = memory.recall(place) or {}

    def look(entry: tuple[str, str, str]) -> tuple[str, list[Any], Found]:
        path, label, split = entry
        stat = (root / path).stat()
        stamp = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
        there = known.get(path)
        seen = there[1] if there and there[0] == stamp else inspect(root / path)
        return path, [stamp, seen], Found(path, label, split, *seen)

    with concurrent.futures.ThreadPoolExecutor() as pool:  # Pillow decodes without Python's lock
        looked = list(pool.map(look, listed))
    now = {path: entry for path, entry, _ in looked}
    if now != known:
        memory.keep(place, now)
    return [found for _, _, found in looked]


def inspect(path: pathlib.Path) -> list[Any]:
    """Digest, width, height, channels, bits, peak, frames and error of one file."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        return ["", 0, 0, 0, 0, 0, 0, str(error.strerror)]
    digest = hashlib.sha256(raw).hexdigest()
    try:
        image = decode.open_image(raw)
        channels = decode.count_channels(image)
        bits, peak = decode.measure_depth(raw, image)
        if image.mode not in ("L", "RGB"):
            decode.to_mode(image, channels)  # some modes have no way to colours
    except decode.BadImage as error:
        return [digest, 0, 0, 0, 0, 0, 0, " ".join(str(error).split())]
    return [digest, *image.size, channels, bits, peak, decode.count_frames(raw), ""]
