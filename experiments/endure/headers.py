"""Archives and arrays that declare what they do not hold, or hold what they should not."""

import io
import pickle
import struct
import warnings
import zipfile
from collections.abc import Iterator

from experiments.endure import damage
from experiments.endure.containers import Build, archive, name_arrays, save, write, write_folder
from experiments.endure.damage import PETA


def list_builds() -> Iterator[tuple[str, Build]]:
    """All of them, with their names."""
    yield from _headers()
    yield from _entries()


def declare(header: str, content: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    """A .npy file with this header, whatever is in it."""
    text = header.encode("latin1") + b"\n"
    size = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + size + text + content


def _headers() -> Iterator[tuple[str, Build]]:
    """Arrays whose header asks for what is not there, in an archive and alone."""
    word = "{{'descr': {}, 'fortran_order': False, 'shape': {}, }}"
    pixels = name_arrays()["x_train"].tobytes()
    made = {
        "10 PB of pixels": declare(word.format("'|u1'", (PETA, 8, 8)), pixels),
        "10 PB of text": declare(word.format(f"'<U{2**29}'", (2**22,)), pixels),
        "100 GB of pixels": declare(word.format("'<f8'", (2**28, 7, 7)), pixels),
        "2 GB of pixels": declare(word.format("'<f8'", (2**22, 8, 8)), pixels),
        "a size beyond 64 bits": declare(word.format("'|u1'", (2**40, 2**40)), pixels),
        "a negative size": declare(word.format("'|u1'", (-24, 8, 8)), pixels),
        "two negative sizes": declare(word.format("'|u1'", (-24, -8, 8)), pixels),
        "a size that is no number": declare(word.format("'|u1'", "(24, None)"), pixels),
        "a size that is true": declare(word.format("'|u1'", "(True, True)"), pixels),
        "eighty axes": declare(word.format("'|u1'", (1,) * 80), pixels),
        "less than there is": declare(word.format("'|u1'", (23, 8, 8, 1)), pixels),
        "more than there is": declare(word.format("'|u1'", (25, 8, 8, 1)), pixels),
        "a type that there is not": declare(word.format("'|u3'", (24, 8, 8)), pixels),
        "a type of nothing": declare(word.format("'|V0'", (24, 8, 8)), pixels),
        "objects": declare(word.format("'|O'", (24,)), pickle.dumps(print)),
        "a call": declare(word.format("'|u1'", "__import__('os').abort()"), pixels),
        "brackets without end": declare(word.format("'|u1'", "(" * 9000), pixels),
        "a long header": declare(word.format("'|u1'", (24, 8, 8)) + " " * 60000, pixels),
        "a header of 4 GB": b"\x93NUMPY\2\0" + b"\xff" * 4 + pixels,
        "a version that there is not": declare(word.format("'|u1'", (24,)), pixels, (9, 0)),
        "another key": declare("{'descr': '|u1', 'shape': (24, 8, 8)}", pixels),
        "no header": b"\x93NUMPY\1\0",
    }
    rest = {name: save(array) for name, array in name_arrays().items()}
    for what, raw in made.items():
        both = {f"{name}.npy": content for name, content in {**rest, "x_train": raw}.items()}
        yield f".npz, a header of {what}", write(archive(both))
        if what != "a long header":
            yield f".npy, a header of {what}", write_folder(both)


def _entries() -> Iterator[tuple[str, Build]]:
    """Archives whose entries lie elsewhere, or are not what their directory says."""
    truth, good = damage.draw(), {f"{n}.npy": save(a) for n, a in name_arrays().items()}
    for what, before in {
        "above the folder": "../", "far above the folder": "../" * 9, "from the root": "/",
        "in a drive": "C:\\", "in a folder": "a/b/",
    }.items():  # fmt: skip
        moved = {before + name: raw for name, raw in good.items()}
        yield f"entries {what}", write(archive(moved), truth=truth, may_refuse=True)
    raw = archive(good)
    place = raw.index(b"PK\1\2")  # of the first entry of the directory
    for what, offset, value in (
        ("encrypted", 8, struct.pack("<H", 1)),
        ("of an unknown method", 10, struct.pack("<H", 97)),
        ("of a CRC that is not its own", 16, bytes(4)),
        ("of 4 GB by the directory", 24, struct.pack("<I", 2**32 - 2)),
        ("of no bytes by the directory", 24, bytes(4)),
        ("that begin elsewhere", 42, struct.pack("<I", len(raw) - 40)),
    ):
        at = place + offset
        yield f"entries {what}", write(raw[:at] + value + raw[at + len(value) :])
    vast = declare(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({2**31}, 8, 8), }}")
    bomb = archive({**good, "x_train.npy": vast + bytes(2**26)})
    yield "64 MiB of zeros where 128 GiB are declared", write(bomb)
    for what, offset in (("name", 29), ("extra field", 31), ("comment", 33)):
        yield (
            f"entries whose second has a long {what}, which hides the others",
            write(damage.flip(raw, raw.index(b"PK\1\2", place + 1) + offset, 2)),
        )
    text = archive({**good, "x_train.npy": bytes(2**26)})
    yield "64 MiB of zeros that are no array", write(text)
    twice = io.BytesIO(raw)
    with zipfile.ZipFile(twice, "a") as packed, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        packed.writestr("x_train.npy", good["x_test.npy"])
    yield "two entries of one name", write(twice.getvalue())
