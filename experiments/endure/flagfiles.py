"""Files of flags that are damaged, endless or something else, for --flagfile."""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from experiments.endure import damage
from experiments.endure.damage import Built, Case

GOOD = b"# a recipe\n--pool=avg\n--steps=40\n--widths=8,8\n"


def list_cases() -> list[Case]:
    """All of them."""
    return [Case("flagfile", name, build) for name, build in [*_contents(), *_places(), *_loops()]]


def _write(raw: bytes, read: bool = False, named: str = "") -> Callable[[Path], Built]:
    def build(folder: Path) -> Built:
        (folder / "flags.txt").write_bytes(raw)
        return Built(os.fspath(folder / "flags.txt"), named, {} if read else None)

    return build


def _contents() -> Iterator[tuple[str, Callable[[Path], Built]]]:
    for what, raw in {
        "nothing": b"",
        "a mark of UTF-8": b"\xef\xbb\xbf" + GOOD,
        "UTF-16": GOOD.decode().encode("utf-16"),
        "ends of lines of Windows": GOOD.replace(b"\n", b"\r\n"),
        "ends of lines of old": GOOD.replace(b"\n", b"\r"),
        "a comment that is no UTF-8": b"# \xff\n" + GOOD,
        "a comment of 64 KiB": b"# " + b"x" * 2**16 + b"\n" + GOOD,
        "a flag many times": GOOD * 999,
    }.items():
        yield f"holds {what}", _write(raw, read=True)
    for what, raw in {
        "noise": b"--" + random.Random(0).randbytes(4096),
        "no UTF-8": b"--pool=\xff\n",
        "an archive": b"PK\3\4" + bytes(60),
        "a zero byte": b"--pool=avg\0\n",
        "a zero byte in a path": b"--dataset=folder:/a\0b\n--flagfile=/a\0b\n",
        "only zeros": bytes(4096),
        "half of UTF-16": GOOD.decode().encode("utf-16")[:-1],
        "UTF-16 without a mark": GOOD.decode().encode("utf-16-le"),
        "UTF-32": GOOD.decode().encode("utf-32"),
        "a line of 64 MiB": b"--pool=" + b"a" * 2**26,
    }.items():
        yield f"holds {what}", _write(raw, named="flags.txt")
    for what, line in {
        "an unknown flag": b"--poool=avg",
        "an unknown flag of markup": b"--<script>=1",
        "an unknown flag of escapes": b"--\x1b[31m",
        "an unknown flag of no name": b"--=1",
        "a value that is not allowed": b"--pool=best",
        "a value that is empty": b"--steps=",
        "a value that is a call": b"--steps=__import__('os').abort()",
        "a value that is beyond": b"--steps=1e999",
        "a value of a million digits": b"--steps=" + b"9" * 10**6,
        "a value that is NaN": b"--learning_rate=nan",
        "a flag without its value": b"--steps",
        "a file of flags of no name": b"--flagfile=",
        "a file of flags at its end": b"--flagfile",
        "a file of flags that is missing": b"--flagfile=none.txt",
        "a plug-in that is missing": b"--plugin=none.py",
        "JSON": b'{"pool": "avg"}\n--}',
    }.items():
        yield f"holds {what}", _write(GOOD + line + b"\n")
    for what, raw in [*damage.cut(GOOD), *damage.flips(GOOD, 12)]:
        yield what, lambda folder, raw=raw: _write(raw)(folder)._replace(truth={}, may_refuse=True)


def _places() -> Iterator[tuple[str, Callable[[Path], Built]]]:
    def put(make: Callable[[Path], Any], named: str = "flags.txt") -> Callable[[Path], Built]:
        def build(folder: Path) -> Built:
            make(folder / "flags.txt")
            return Built(os.fspath(folder / "flags.txt"), named)

        return build

    yield "is missing", put(lambda path: None)
    yield "is a folder", put(Path.mkdir)
    yield "is a link to itself", put(lambda path: path.symlink_to(path.name))
    yield "is without end", put(lambda path: path.symlink_to("/dev/zero"))
    yield "has a name too long", lambda folder: Built("n" * 9999, "n" * 99)
    yield "has a name with a zero byte", lambda folder: Built("a\0b", "a\0b")


def _loops() -> Iterator[tuple[str, Callable[[Path], Built]]]:
    def chain(names: int, times: int, back: bool) -> Callable[[Path], Built]:
        def build(folder: Path) -> Built:
            for number in range(names):
                following = number + 1 if number + 1 < names else 0
                line = f"--flagfile={folder}/{following}.txt\n" if following or back else ""
                (folder / f"{number}.txt").write_text(line * times + "--pool=avg\n")
            return Built(f"{folder}/0.txt", ".txt", None if back or names > 9 else {})

        return build

    yield "reads itself", chain(1, 1, True)
    yield "reads itself by way of another", chain(2, 1, True)
    yield "reads itself by way of a hundred", chain(100, 1, True)
    yield "reads three others in turn", chain(4, 1, False)
    yield "reads one other twice", chain(2, 2, False)
    yield "reads two thousand others in turn", chain(2000, 1, False)
    yield "reads forty others, each twice", chain(40, 2, False)

    def by_links(folder: Path) -> Built:
        (folder / "0.txt").write_text(f"--flagfile={folder}/1.txt\n")
        (folder / "1.txt").symlink_to("0.txt")
        return Built(f"{folder}/0.txt", ".txt")

    yield "reads itself by way of a link", by_links
