"""How a folder of images is laid out: which files there are, of which class and split."""

import os
import pathlib
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from PIL import Image

from cnnjax.config import words
from cnnjax.config.knobs import ConfigError, RunError
from cnnjax.data import decode

SPLITS = {  # what a folder of each split may be called
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
SPLIT_OF = {name: split for split, names in SPLITS.items() for name in names}


class Listed(NamedTuple):
    """The files of a folder that may be images, and what a person should know of the others."""

    files: list[tuple[str, str, str]]  # path relative to the folder, class, split
    notes: tuple[str, ...]


class Walked(NamedTuple):
    """What lies below a folder and is not hidden, as the parts of relative paths."""

    images: list[tuple[str, ...]]
    folders: list[tuple[str, ...]]
    others: dict[str, list[tuple[str, ...]]]  # what they are -> files that are passed over
    outside: list[tuple[str, ...]]  # images that links lead to, out of the folder


def show(parts: Iterable[str]) -> str:
    """A relative path as text, whatever bytes it holds."""
    return os.fsencode("/".join(parts)).decode("utf-8", "replace")


def walk(root: pathlib.Path) -> Walked:
    """Everything below a folder but for hidden parts; links are followed, once around a loop.

    Raises RunError where a folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise RunError(f"{show([str(error.filename)])} cannot be read: {error.strerror}")

    formats = decode.list_formats()
    known = {end for end, kind in Image.registered_extensions().items() if kind in formats}
    found = Walked([], [], {}, [])
    top = os.path.realpath(root)
    ways = {os.fspath(root): (top,)}  # the real folders that lead to a folder
    for path, folders, files in os.walk(root, onerror=refuse, followlinks=True):
        here, way = pathlib.Path(path), ways.pop(path)
        above = here.relative_to(root).parts
        real = {name: os.path.realpath(here / name) for name in folders if name[0] != "."}
        folders[:] = sorted(
            name
            for name, inner in real.items()
            if not any(os.path.commonpath([inner, own]) == inner for own in way)
        )
        ways |= {os.path.join(path, name): (*way, real[name]) for name in folders}
        found.folders.extend((*above, name) for name in folders)
        for name in sorted(name for name in files if name[0] != "."):
            parts = (*above, name)
            if not (here / name).is_file():
                found.others.setdefault("links that lead nowhere, or no files", []).append(parts)
            elif (here / name).suffix.lower() not in known:
                found.others.setdefault("files without the ending of an image", []).append(parts)
            else:
                found.images.append(parts)
                own = os.path.join(way[-1], name)
                own = os.path.realpath(own) if os.path.islink(own) else own
                if os.path.commonpath([top, own]) != top:
                    found.outside.append(parts)
    return found


def list_files(name: str, root: pathlib.Path, grouped: bool = False) -> Listed:
    """Path, class and split of every file that may be an image, and notes on what is passed over.

    `grouped` says that folders below a class are known to be groups of its images. Raises
    ConfigError where it cannot be told which folders are splits and which classes.
    """
    found = walk(root)
    split_up = has_splits(name, found)
    level = 1 if split_up else 0  # of a path's parts: where its class stands
    files, loose, nested = [], [], []
    for parts in found.images:
        split = SPLIT_OF[parts[0].lower()] if split_up and parts[0].lower() in SPLIT_OF else ""
        if len(parts) <= level + 1 or (split_up and not split):
            loose.append(parts)
            continue
        nested += [parts] if len(parts) > level + 2 else []
        label = unicodedata.normalize("NFC", show(parts[level : level + 1]))
        files.append((os.path.join(*parts), label, split))
    if not split_up:
        refuse_folders_below(name, found)
        if not grouped:
            refuse_equal_folders(name, found)
    full = {parts[: level + 1] for parts in found.images} | {parts[:1] for parts in found.images}
    empty = [parts for parts in found.folders if len(parts) <= level + 1 and parts not in full]
    passed = {**found.others, "images in no folder of a class": loose, "folders without images":
              [parts for parts in empty if parts[:-1] not in empty]}  # fmt: skip
    notes = [
        f"passed over {len(own)} {what}, such as {show(own[0])}"
        for what, own in passed.items()
        if own
    ]
    if nested:
        said = words.count(len(nested), "image is", "images are")
        notes.append(f"{said} in folders below a class, and of it, such as {show(nested[0])}")
    if found.outside:
        said = words.count(len(found.outside), "image is", "images are")
        notes.append(f"{said} read through links out of the folder, such as"
                     f" {show(found.outside[0])}")  # fmt: skip
    for label in sorted({label for _, label, split in files if not split}):
        if label.lower() in SPLIT_OF:
            notes.append(f"folder {label} is taken for a class: it has no folders of classes")
    return Listed(files, tuple(notes))


def has_splits(name: str, found: Walked) -> bool:
    """Whether the folders at the top are splits, with classes below, or classes.

    Raises ConfigError where they may be either.
    """
    tops = sorted({parts[0] for parts in found.images if len(parts) > 1})
    deep = {parts[0] for parts in found.images if len(parts) > 2}
    splits = [top for top in tops if top.lower() in SPLIT_OF]
    strange = [top for top in tops if top.lower() not in SPLIT_OF]
    by_split = {split: [top for top in splits if SPLIT_OF[top.lower()] == split]
                for split in SPLITS}  # fmt: skip
    where = f"--dataset={name}"
    if deep & set(by_split["train"]):
        if strange:
            raise ConfigError(
                f"{where} has {show(strange[:1])} beside {show(splits[:1])}: move it away if"
                f" {show(splits[:1])} is a split, or rename {show(splits[:1])} if it is a class"
            )
        if twice := next((own for own in by_split.values() if len(own) > 1), None):
            raise ConfigError(f"{where} has both {twice[0]} and {twice[1]}: give one of the two")
        return True
    if beside := by_split["validation"] + by_split["test"]:
        other = strange or by_split["train"]
        why = f"beside {show(other[:1])}" if other else "alone"
        raise ConfigError(
            f"{where} has {show(beside[:1])} {why}, and there is no train with folders of classes:"
            f" add it, or move {show(beside[:1])} away, or rename it if it is a class"
        )
    return False


def refuse_equal_folders(name: str, found: Walked) -> None:
    """Raises ConfigError where all top folders hold the same folders: one of the two are splits."""
    below: dict[str, set[str]] = {parts[0]: set() for parts in found.images if len(parts) > 1}
    for parts in found.images:
        if len(parts) > 2:
            below[parts[0]].add(parts[1])
    inner = next(iter(below.values()), set())
    if len(below) > 1 and len(inner) > 1 and all(own == inner for own in below.values()):
        tops = [show([top]) for top in below]
        raise ConfigError(
            f"--dataset={name}: {', '.join(tops[:3])} all have folders"
            f" {', '.join(show([own]) for own in sorted(inner)[:3])}: if those are splits, call"
            " them train, validation and test, with the classes below; if these are groups of a"
            " class's images, say so by --group_by"
        )


def refuse_folders_below(name: str, found: Walked) -> None:
    """Raises ConfigError where classes, or splits, lie one level deeper than they should."""
    tops = {parts[0] for parts in found.images if len(parts) > 1}
    below = {parts[:2] for parts in found.images if len(parts) > 2}
    if len(tops) == 1 and len(below) > 1:
        (top,) = tops
        raise ConfigError(
            f"--dataset={name} has one folder, {show([top])}, with {len(below)} folders in it: if"
            f" these are the classes or splits, give {name.rstrip('/')}/{show([top])}"
        )
    by_top: dict[str, set[str]] = {}
    for top, inner in sorted(below):
        if inner.lower() in SPLIT_OF:
            by_top.setdefault(top, set()).add(SPLIT_OF[inner.lower()])
    for top, splits in by_top.items():
        if len(splits) > 1:
            raise ConfigError(
                f"--dataset={name} has splits below {show([top])}: put the folders of splits above"
                " those of classes, such as train/CLASS"
            )
