"""A person's own images: one subfolder a class, with or without train, val and test above them."""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from PIL import Image

from cnnjax import disk
from cnnjax.data import decode, source
from cnnjax.data.source import Example, Source
from cnnjax.knobs import ConfigError, RunError

SPLITS = {  # what a folder of each split may be called
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
SHOWN = 10  # names in a message


class Found(NamedTuple):
    """One file, after it was read once."""

    path: str  # relative to the folder
    label: str  # its class
    split: str  # the folder it lay in; empty where there are none
    digest: str  # of its bytes
    width: int
    height: int
    channels: int
    error: str  # why it cannot be used; empty where it can


def open_source(path: str, cache: pathlib.Path, skip_bad_files: bool) -> Source:
    """The images below a folder; every file is read and decoded once, and remembered in `cache`.

    Raises ConfigError where there are no classes or no images, or they do not fit together;
    RunError, with their names, where files cannot be read and are not to be skipped.
    """
    root = pathlib.Path(path).expanduser().resolve()
    if not root.is_dir():
        raise ConfigError(f"--dataset=folder:{path} is not a folder")
    found = scan(root, list_files(root), cache)
    bad = [file for file in found if file.error]
    if bad:
        shown = "; ".join(f"{file.path} ({file.error})" for file in bad[:SHOWN])
        more = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        if not skip_bad_files:
            raise RunError(
                f"{len(bad)} of {len(found)} files in {root} are no images that can be used:"
                f" {shown}{more}. Remove them, or give --skip_bad_files"
            )
        print(f"warning: skipped {len(bad)} files: {shown}{more}", file=sys.stderr)
    found = [file for file in found if not file.error]
    if not found:
        raise ConfigError(f"--dataset=folder:{path} holds no images: it needs a subfolder a class")
    return make_source(f"folder:{path}", root, found)


def make_source(name: str, root: pathlib.Path, found: Sequence[Found]) -> Source:
    """The data set of files that can be read. Raises ConfigError where they do not fit together."""
    named = {file.split for file in found}
    own = [file for file in found if file.split in ("train", "")]
    classes = sorted({file.label for file in own})
    strange = sorted({file.label for file in found} - set(classes))
    if not own or strange:
        what = f"class {strange[0]} is not among those of train" if own else "there is no train"
        raise ConfigError(f"--dataset={name} cannot be learned: {what}")
    if len(classes) < 2:
        raise ConfigError(f"--dataset={name} has one class, {classes[0]}: nothing to learn")
    places = assign_splits(found, named)
    number = {label: index for index, label in enumerate(classes)}

    def read(file: Found) -> Example:
        return Example((root / file.path).read_bytes(), number[file.label])

    sizes = {(file.height, file.width) for file in found}
    contents = sorted((split, f.label, f.digest) for split, own in places.items() for f in own)
    digest = hashlib.sha256(json.dumps(contents).encode()).hexdigest()
    return Source(
        name=name,
        num_classes=len(classes),
        channels=max(file.channels for file in found),
        size=sizes.pop() if len(sizes) == 1 else None,
        splits={split: source.Mapped(files, read) for split, files in places.items()},
        find_hash=lambda: digest,
        notes=find_duplicates(places),
    )


def assign_splits(found: Sequence[Found], named: set[str]) -> dict[str, list[Found]]:
    """The files of train, validation and test, in the order of their hashes.

    What has no folder of its own is held out of train; a validation folder without a test folder
    is the test split, as in ImageNet.
    """
    renamed = {"validation": "test"} if "validation" in named and "test" not in named else {}
    files = [file._replace(split=renamed.get(file.split, file.split or "train")) for file in found]
    given = {renamed.get(split, split) for split in named}
    shares = {split: share for split, share in source.SHARES.items() if split not in given}
    train = [file for file in files if file.split == "train"]
    places: dict[str, list[Found]] = {
        split: sorted((f for f in files if f.split == split), key=lambda f: (f.digest, f.path))
        for split in ("validation", "test")
    }
    held = source.split_by_hash([f.digest for f in train], [f.label for f in train], shares)
    return places | {split: [train[index] for index in own] for split, own in held.items()}


def find_duplicates(places: dict[str, list[Found]]) -> tuple[str, ...]:
    """What to know of files with the same bytes: how many, and in which splits and classes."""
    files = [(split, file) for split, own in places.items() for file in own]
    copies = Counter(file.digest for _, file in files)
    if not (repeated := {digest for digest, count in copies.items() if count > 1}):
        return ()
    notes = [f"{sum(copies[d] - 1 for d in repeated)} files are copies of others, byte for byte"]
    for what, of in (
        ("in several classes", lambda s, f: f.label),
        ("in several splits", lambda s, f: s),
    ):
        seen: dict[str, set[str]] = {}
        for split, file in files:
            if file.digest in repeated:
                seen.setdefault(file.digest, set()).add(of(split, file))
        if straddling := [digest for digest, kinds in seen.items() if len(kinds) > 1]:
            example = next(file.path for _, file in files if file.digest == straddling[0])
            notes.append(f"{len(straddling)} images lie {what}, such as {example}")
    return tuple(notes)


def list_files(root: pathlib.Path) -> list[tuple[str, str, str]]:
    """Relative path, class and split of every file that may be an image; hidden ones are not."""
    by_name = {name: split for split, names in SPLITS.items() for name in names}
    folders = sorted(child for child in root.iterdir() if child.is_dir() and child.name[0] != ".")
    parts = {child: by_name.get(child.name.lower(), "") for child in folders}
    split_up = "train" in parts.values() and all(parts.values())
    tops = list(parts.items()) if split_up else [(root, "")]
    known = set(Image.registered_extensions())
    listed = []
    for top, split in tops:
        for folder in sorted(c for c in top.iterdir() if c.is_dir() and c.name[0] != "."):
            for file in sorted(folder.rglob("*")):
                if file.is_file() and file.name[0] != "." and file.suffix.lower() in known:
                    listed.append((os.fspath(file.relative_to(root)), folder.name, split))
    return listed


def scan(
    root: pathlib.Path, listed: Sequence[tuple[str, str, str]], cache: pathlib.Path
) -> list[Found]:
    """Every file, read once; those that have not changed since are remembered in `cache`."""
    memory = cache / "folders" / f"{hashlib.sha256(os.fsencode(root)).hexdigest()[:24]}.json"
    known: dict[str, Any] = {}
    if memory.exists():
        known = json.loads(memory.read_text(encoding="utf-8"))

    def look(entry: tuple[str, str, str]) -> tuple[str, list[Any], Found]:
        path, label, split = entry
        stat = (root / path).stat()
        stamp = [stat.st_size, stat.st_mtime_ns]
        there = known.get(path)
        seen = there[1] if there and there[0] == stamp else inspect(root / path)
        return path, [stamp, seen], Found(path, label, split, *seen)

    with concurrent.futures.ThreadPoolExecutor() as pool:  # Pillow decodes without Python's lock
        looked = list(pool.map(look, listed))
    now = {path: entry for path, entry, _ in looked}
    if now != known:
        disk.write_text(memory, json.dumps(now))
    return [found for _, _, found in looked]


def inspect(path: pathlib.Path) -> list[Any]:
    """Digest, width, height, channels and error of one file."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        return ["", 0, 0, 0, str(error.strerror)]
    digest = hashlib.sha256(raw).hexdigest()
    try:
        image = decode.open_image(raw)
    except decode.BadImage as error:
        return [digest, 0, 0, 0, " ".join(str(error).split())]
    return [digest, *image.size, decode.count_channels(image), ""]
