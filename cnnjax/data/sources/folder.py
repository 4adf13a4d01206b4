"""A person's own images: one subfolder a class, with or without train, val and test above them."""

import hashlib
import json
import pathlib
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from cnnjax.config import paths, words
from cnnjax.config.knobs import ConfigError, RunError
from cnnjax.data import decode, source
from cnnjax.data.source import Example, Source
from cnnjax.data.sources import check, holdout, layout
from cnnjax.data.sources.scan import Found, scan

SHOWN = 10  # names in a message


def open_source(
    path: str, cache: pathlib.Path, skip_bad_files: bool = False, group_by: str = ""
) -> Source:
    """The images below a folder; every file is read and decoded once, and remembered in `cache`.

    Files whose paths share their match of the pattern `group_by` stay in one split. Raises
    ConfigError where there are no classes or no images, or they do not fit together; RunError,
    with their names, where files cannot be read and are not to be skipped.
    """
    root, name = paths.expand(path).resolve(), f"folder:{path}"
    if not root.is_dir():
        raise ConfigError(f"--dataset={name} is not a folder")
    listed = layout.list_files(name, root, grouped=bool(group_by))
    found, notes = scan(root, listed.files, cache), listed.notes
    if bad := [file for file in found if file.error]:
        shown = "; ".join(f"{layout.show([file.path])} ({file.error})" for file in bad[:SHOWN])
        more = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        if not skip_bad_files:
            raise RunError(
                f"{len(bad)} of {words.count(len(found), 'file')} in {root} cannot be used as"
                f" images: {shown}{more}. Remove them, or give --skip_bad_files"
            )
        notes = (*notes, f"skipped {words.count(len(bad), 'file')}: {shown}{more}")
    found = [file for file in found if not file.error]
    if not found:
        raise ConfigError(
            "; ".join([f"--dataset={name} holds no images: it needs a subfolder a class", *notes])
        )
    if films := [file.path for file in found if file.frames > 1]:
        said = "of the files hold several images, of which the first is read, such as"
        notes = (*notes, f"{len(films)} {said} {layout.show(films[:1])}")
    made = make_source(name, root, found, group_by)
    return made._replace(notes=(*notes, *made.notes))


def make_source(
    name: str, root: pathlib.Path, found: Sequence[Found], group_by: str = ""
) -> Source:
    """The data set of files that can be read. Raises ConfigError where they do not fit together."""
    groups = find_groups(name, found, group_by)
    places = assign_splits(name, found, groups)
    splits = {split: [found[index] for index in own] for split, own in places.items()}
    class_names, labels, _ = check.number_classes(
        name, {split: np.array([f.label for f in own], np.str_) for split, own in splits.items()}
    )
    notes = check.check_classes(name, class_names, labels, grouped=bool(group_by))
    number = {label: index for index, label in enumerate(class_names)}
    channels = max(file.channels for file in found)
    depth, said = find_depth(name, splits)

    def read(file: Found) -> Example:
        image = (root / file.path).read_bytes()
        if hashlib.sha256(image).hexdigest() != file.digest:
            raise RunError(
                f"{layout.show([str(root), file.path])} has changed since it was looked at: put it"
                " back, or run again (touch it first if its times are the old ones)"
            )
        if file.bits > 8:
            opened = decode.to_mode(decode.open_image(image), channels, depth)
            return Example(decode.to_array(opened), number[file.label])
        return Example(image, number[file.label])

    sizes = {(file.height, file.width) for file in found}
    contents = sorted((split, f.label, f.digest) for split, own in splits.items() for f in own)
    digest = hashlib.sha256(json.dumps([contents, depth]).encode()).hexdigest()
    return Source(
        name="folder:",  # its path changes no number
        class_names=class_names,
        channels=channels,
        size=sizes.pop() if len(sizes) == 1 else None,
        splits={split: source.Mapped(files, read) for split, files in splits.items()},
        find_hash=lambda: digest,
        labels=labels,
        cluster=None if groups is None else find_clusters(found, groups, places["test"]),
        notes=(*said, *notes, *find_duplicates(splits)),
    )


def find_groups(name: str, found: Sequence[Found], group_by: str) -> list[str] | None:
    """What each file's path has of the pattern: its groups, or else the whole match.

    None without a pattern. Raises ConfigError where a path does not match.
    """
    if not group_by:
        return None
    matches = [re.search(group_by, file.path) for file in found]
    strange = [
        file.path
        for file, match in zip(found, matches, strict=True)
        if match is None or not any(match.groups() or [match.group()])  # nothing tells nothing
    ]
    if strange:
        raise ConfigError(
            f"--group_by={group_by} does not match {len(strange)} of {len(found)} paths below"
            f" {name}, such as {layout.show(strange[:1])}: give a pattern that all match"
        )
    return [repr(match.groups() or match.group()) for match in matches if match is not None]


def find_clusters(
    found: Sequence[Found], groups: Sequence[str], places: Sequence[int]
) -> np.ndarray:
    """Which of the files at `places` belong together [n] int32: of one group, or copies of one.

    Numbered as they first occur, so that paths do not change the numbers.
    """
    units = holdout.find_units([file.digest for file in found], groups)
    number: dict[int, int] = {}
    return np.array([number.setdefault(u, len(number)) for u in units[places].tolist()], np.int32)


def assign_splits(
    name: str, found: Sequence[Found], groups: Sequence[str] | None
) -> dict[str, list[int]]:
    """The positions of train, validation and test, in the order of their hashes.

    What has no folder of its own is held out of train; a validation folder without a test folder
    is the test split, as in ImageNet. Raises ConfigError where there is no train, or folders of
    splits share a group.
    """
    named = {file.split for file in found}
    renamed = {"validation": "test"} if "validation" in named and "test" not in named else {}
    split_of = [renamed.get(file.split, file.split or "train") for file in found]
    if "train" not in split_of:
        raise ConfigError(f"--dataset={name} cannot be learned: there is no train")
    if groups is not None:
        refuse_shared_groups(name, found, split_of, groups)
    train = [index for index, split in enumerate(split_of) if split == "train"]
    order = sorted(range(len(found)), key=lambda index: (found[index].digest, found[index].path))
    places = {
        split: [index for index in order if split_of[index] == split]
        for split in ("validation", "test")
    }
    shares = {split: share for split, share in holdout.SHARES.items() if split not in split_of}
    held = holdout.split_by_hash(
        [found[index].digest for index in train],
        [found[index].label for index in train],
        shares,
        None if groups is None else [groups[index] for index in train],
    )
    places |= {split: [train[index] for index in own] for split, own in held.items()}
    return {split: places[split] for split in layout.SPLITS}


def refuse_shared_groups(
    name: str, found: Sequence[Found], split_of: Sequence[str], groups: Sequence[str]
) -> None:
    """Raises ConfigError where a group lies in the folders of two splits."""
    splits: dict[str, set[str]] = {}
    for group, split in zip(groups, split_of, strict=True):
        splits.setdefault(group, set()).add(split)
    if shared := [group for group, own in splits.items() if len(own) > 1]:
        path = next(f.path for f, group in zip(found, groups, strict=True) if group == shared[0])
        raise ConfigError(
            f"--dataset={name}: {len(shared)} of {len(splits)} groups of --group_by lie in several"
            f" splits, such as that of {layout.show([path])}: move each into one folder, or leave"
            " the folders of splits away to have parts held out"
        )


def find_depth(name: str, splits: dict[str, list[Found]]) -> tuple[int, tuple[str, ...]]:
    """How many bits images of more than 8 have, one number for all splits, and notes.

    Files of 16 or 32 bits seldom say how many they use: the least depth that holds all values.
    Raises ConfigError where images of colours use so few that what Pillow reads is nearly black.
    """
    peaks = {split: max((f.peak for f in own), default=0) for split, own in splits.items()}
    deep = [file for own in splits.values() for file in own if file.bits > 8]
    if not deep:
        return 16, ()
    declared = max((file.bits for file in deep if file.bits < 16), default=8)
    depths = {split: decode.find_depth(peak, declared) for split, peak in peaks.items() if peak}
    depth = max(depths.values(), default=16)
    said = ", ".join(f"{split} {peak:,}" for split, peak in peaks.items() if peak)
    colours = [file for file in deep if file.channels == 3]
    if colours and depth < 16:
        raise ConfigError(
            f"--dataset={name}: of colours of 16 bits only the upper 8 are read, and values reach"
            f" {said} (such as in {layout.show([colours[0].path])}): make them 8-bit files, or"
            " arrays:FILE.npz"
        )
    notes = []
    if depth < 16 or any(file.bits > 16 for file in deep):
        notes.append(
            f"{words.count(len(deep), 'image')} of more than 8 bits, up to {said}: read as"
            f" {depth} bits"
        )
    if len(set(depths.values())) > 1:
        notes.append(f"splits differ in depth (greatest values: {said}): all are read as {depth}"
                     " bits")  # fmt: skip
    return depth, tuple(notes)


def find_duplicates(places: dict[str, list[Found]]) -> tuple[str, ...]:
    """What to know of files with the same bytes: how many, and in which splits and classes."""
    files = [(split, file) for split, own in places.items() for file in own]
    copies = Counter(file.digest for _, file in files)
    if not (repeated := {digest for digest, count in copies.items() if count > 1}):
        return ()
    spare = sum(copies[digest] - 1 for digest in repeated)
    notes = [f"{words.count(spare, 'file is a copy', 'files are copies')} of others, byte for byte"]
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
            notes.append(
                f"{words.count(len(straddling), 'image lies', 'images lie')} {what},"
                f" such as {example}"
            )
    return tuple(notes)
