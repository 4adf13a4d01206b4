"""Folders of damaged images and odd names, for folder:PATH."""

import io
import json
import os
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from experiments.endure import damage
from experiments.endure.damage import Built, Case, Split

FORMATS = {"png": {}, "jpg": {"quality": 95}, "gif": {}, "bmp": {}, "webp": {"lossless": True},
           "tif": {"compression": "tiff_lzw"}}  # fmt: skip
ONE = "train/0/0.{}"  # the file that is damaged


def list_cases() -> list[Case]:
    """All of them."""
    made = [*_images(), *_bombs(), *_layouts(), *_memories()]
    return [Case("folder", name, build) for name, build in made]


def pack(image: np.ndarray, form: str = "png") -> bytes:
    """The file of an image [height, width, 1] or [height, width, 3]."""
    file = io.BytesIO()
    own = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    own.save(file, {"jpg": "jpeg", "tif": "tiff"}.get(form, form), **FORMATS[form])
    return file.getvalue()


def unpack(raw: bytes) -> np.ndarray:
    """The image of a file [height, width, 3], as Pillow has it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(Image.open(io.BytesIO(raw)).convert("RGB"))


def name_files(form: str = "png", names: Any = str) -> dict[str, bytes]:
    """The data set as images, `names` being of its classes."""
    return {
        f"{split}/{names(label)}/{index}.{form}": pack(image, form)
        for split, (images, labels) in damage.draw().items()
        for index, (image, label) in enumerate(zip(images, labels.tolist(), strict=True))
    }


def read_back(files: Mapping[str, bytes]) -> dict[str, Split]:
    """What there is to read in such files."""
    found: dict[str, Split] = {}
    for split in damage.COUNTS:
        own = {path: raw for path, raw in files.items() if path.startswith(f"{split}/")}
        found[split] = (
            np.stack([unpack(raw) for raw in own.values()]),
            np.array([int(path.split("/")[1]) for path in own]),
        )
    return found


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes files by their relative paths."""
    for name, raw in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)


def _write(files: Mapping[str, bytes], named: str, **about: Any) -> Callable[[Path], Built]:
    def build(folder: Path) -> Built:
        write(folder, files)
        return Built(f"folder:{folder}", named, **about)

    return build


def _images() -> Iterator[tuple[str, Callable[[Path], Built]]]:
    """One file of each format damaged: where it has no checksum, pixels are what it says."""
    for form in FORMATS:
        one, good = ONE.format(form), name_files(form)
        truth = read_back(good)
        for what, raw in [*damage.flips(good[one], 16), *damage.blank(good[one], 4)]:
            build = _write({**good, one: raw}, "", truth=truth, may_refuse=True)
            yield f"{form}, {what}", build if form == "png" else _read_as_is({**good, one: raw})
        for what, raw in damage.cut(good[one]):
            behind = len(raw) > 0.98 * len(good[one])  # all pixels may be there
            about = {"truth": truth, "may_refuse": True} if behind else {}
            yield f"{form} {what}", _write({**good, one: raw}, one, **about)
        for what, raw in damage.foreign(b"\x93NUMPY\1\0"):
            yield f"{form} that {what}", _write({**good, one: raw}, one)
    good = name_files()
    for what, raw in {"JPEG": pack(damage.draw()["train"][0][0], "jpg")}.items():
        changed = {**good, ONE.format("png"): raw}
        yield f"png that is {what}", _write(changed, "", truth=read_back(changed))


def _read_as_is(files: Mapping[str, bytes]) -> Callable[[Path], Built]:
    """Files that are read as Pillow reads them, if it does."""

    def build(folder: Path) -> Built:
        try:
            truth = read_back(files)
        except Exception:  # of as many types as there are formats
            truth = None
        return _write(files, "", truth=truth, may_refuse=True)(folder)

    return build


def make_png(width: int, height: int, content: bytes, kind: int = 0) -> bytes:
    """A .png file that declares such a size, of deflated rows."""
    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", content), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(raw)) + name + raw + struct.pack(">I", zlib.crc32(name + raw))
        for name, raw in parts
    )


def _bombs() -> Iterator[tuple[str, Callable[[Path], Built]]]:
    """Files of a few bytes that declare huge images."""
    good, some = name_files(), zlib.compress(bytes(1000))
    bitmap = pack(damage.draw()["train"][0][0], "bmp")
    text = b"k\0\0" + zlib.compress(bytes(2**28), 1)
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + text))
    plain = good[ONE.format("png")]
    for form, what, raw in (
        ("png", "2^31 by 2^31", make_png(2**31 - 1, 2**31 - 1, some)),
        ("png", "50,000 by 50,000", make_png(50_000, 50_000, some)),
        ("png", "2^31 by 1", make_png(2**31 - 1, 1, some)),
        ("png", "no width", make_png(0, 8, some)),
        ("png", "9,000 by 9,000 that are not there", make_png(9000, 9000, some)),
        ("png", "256 MiB of text", plain[:33] + chunk + plain[33:]),
        ("bmp", "2^30 by 2^30", bitmap[:18] + struct.pack("<ii", 2**30, 2**30) + bitmap[26:]),
        ("gif", "65,535 by 65,535", b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\2"),
        ("tif", "2^31 tags", b"II*\0\x08\0\0\0\xff\xff" + bytes(600)),
        ("tif", "tags that lead to themselves", b"II*\0\x08\0\0\0\0\0\x08\0\0\0"),
    ):
        one = f"train/0/bomb.{form}"
        yield f"{form} that declares {what}", _write({**good, one: raw}, one)


def _layouts() -> Iterator[tuple[str, Callable[[Path], Built]]]:
    """Names, links and folders that are not as they should be."""
    good, truth = name_files(), damage.draw()
    one = ONE.format("png")
    rest = {name: raw for name, raw in good.items() if name != one}
    for what, name in {
        "odd bytes": os.fsdecode(b"\xff\xfe"), "ends of lines": "a\nb\rc",
        "escapes": "\x1b[31m\x07", "markup": "<script>alert(1)</script>", "quotes": "'\"; rm -rf .",
        "a reserved name": "CON", "the other direction": "\u202egnp", "a long name": "n" * 240,
        "a mark of a drive": "C:", "a space": " ", "a dash": "--steps=3", "dots": "...",
    }.items():  # fmt: skip
        if name[0] != ".":  # such a one is hidden
            files = {**rest, f"train/0/{name}.png": good[one]}
            yield f"an image whose name has {what}", _write(files, "", truth=truth)
            bad = {**good, f"train/0/{name}.png": good[one][:40]}
            shown = os.fsencode(f"train/0/{name}.png").decode("utf-8", "replace")
            yield f"a cut image whose name has {what}", _write(bad, shown)
            odd = {"0": name, "1": "é1", "2": "é2"}
            order = np.argsort(np.argsort([os.fsencode(name).decode("utf-8", "replace"),
                                           "é1", "é2"]))  # fmt: skip
            named = {split: (own, order[labels]) for split, (own, labels) in truth.items()}
            classes = name_files(names=lambda label, odd=odd: odd[str(label)])
            yield f"a class whose name has {what}", _write(classes, "", truth=named)

    def put(make: Callable[[Path], Any], files: Mapping[str, bytes] = good, path: str = "",
            **about: Any) -> Callable[[Path], Built]:  # fmt: skip
        def build(folder: Path) -> Built:
            write(folder / "own", files)
            make(folder / "own" / (path or "train/0/more.png"))
            return Built(f"folder:{folder / 'own'}", "", **{"truth": truth, **about})

        return build

    noted: dict[str, Any] = {"noted": "links that lead nowhere, or no files"}
    yield "a link to itself", put(lambda path: path.symlink_to(path.name), **noted)
    yield "a link to nothing", put(lambda path: path.symlink_to("none"), **noted)
    yield "a pipe", put(os.mkfifo, **noted)
    yield "a device without end", put(lambda path: path.symlink_to("/dev/zero"), **noted)
    yield "a folder with an image's name", put(Path.mkdir)
    for what, target in (("its own class", "."), ("all", "../..")):

        def link(path: Path, target: str = target) -> None:
            path.symlink_to(target)

        yield f"a link to the folder of {what}", put(link, path="train/0/again")

    def outside(path: Path) -> None:
        (path.parents[3] / "far.png").write_bytes(good[one])
        path.symlink_to("../../../far.png")

    yield "a link to an image elsewhere", put(outside, rest)
    yield "a hidden image", _write({**good, "train/0/.more.png": b""}, "", truth=truth)
    yield "a class without images", _write({**good, "train/9/a.txt": b""}, "", truth=truth)
    yield "a class that is tested alone", _write({**good, "test/9/a.png": good[one]}, "9")
    only = {name: raw for name, raw in good.items() if "/0/" in name}
    yield "one class", _write(only, "one class")
    yield "an empty folder", _write({}, "")
    yield "a file for a folder", lambda folder: Built(f"folder:{__file__}", "folders.py")
    yield "no folder at all", lambda folder: Built(f"folder:{folder}/none", "none")
    yield "a name too long", lambda folder: Built(f"folder:{folder}/{'n' * 999}", "nnn")
    yield "a name with a zero byte", lambda folder: Built(f"folder:{folder}/a\0b", "a\0b")
    wide = np.zeros((4, 9, 1), np.uint8)
    yield "images of two sizes", _write({**good, "train/0/a.png": pack(wide)}, "image_size")
    deep = 60
    nested = {f"train/0/{'d/' * deep}a.png": good[one]}
    yield "a folder sixty folders down", _write({**rest, **nested}, "", truth=truth)


def _memories() -> Iterator[tuple[str, Callable[[Path], Built]]]:
    """What was remembered of a folder, damaged: it is looked through again."""
    good, truth = name_files(), damage.draw()

    def spoil(change: Callable[[bytes], bytes]) -> Callable[[Path], Built]:
        def build(folder: Path) -> Built:
            from cnnjax.data.sources import folder as reader
            from cnnjax.data.sources import official

            own = folder / "own"
            write(own, good)
            cache = official.cache_dir()
            before = set(cache.glob("folders/*.json"))
            reader.open_source(os.fspath(own), cache)
            (memory,) = set(cache.glob("folders/*.json")) - before
            memory.write_bytes(change(memory.read_bytes()))
            return Built(f"folder:{own}", "", truth)

        return build

    raw = json.dumps({"train/0/0.png": [[1, 2], ["d", 8, 8, 1, 8, 0, 1, ""]]}).encode()
    for share in damage.CUTS:
        yield f"memory cut to {share:.0%}", spoil(lambda old, s=share: old[: int(s * len(old))])
    for what, new in {
        "null": b"null", "a list": b"[1]", "a number": b"7", "text": b'"a"', "noise": b"\xff\xfe",
        "an entry of nothing": b'{"train/0/0.png": null}', "another": raw, "zeros": bytes(999),
        "a deep list": b"[" * 10**5, "an endless number": b"1" * 10**5,
    }.items():  # fmt: skip
        yield f"memory that is {what}", spoil(lambda old, new=new: new)
    for index in range(16):

        def change(old: bytes, index: int = index) -> bytes:
            return list(damage.flips(old, 16))[index][1]

        yield f"memory, a bit flipped in part {index}", spoil(change)

    def answer(old: bytes) -> bytes:
        return old.replace(b'", 8, 8, 1, 8, 0, 1, ""', b'", 8, 8, 3, 8, 0, 1, ""')

    yield "memory that was changed by hand", spoil(answer)

    def replace(make: Callable[[Path], Any]) -> Callable[[Path], Built]:
        def build(folder: Path) -> Built:
            built = spoil(lambda old: old)(folder)
            from cnnjax.data.sources import official

            memory = max(official.cache_dir().glob("folders/*.json"), key=os.path.getmtime)
            memory.unlink()
            make(memory)
            return built

        return build

    yield "memory that is a folder", replace(Path.mkdir)
    yield "memory that is a link to itself", replace(lambda path: path.symlink_to(path.name))
