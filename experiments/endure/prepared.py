"""Prepared data sets that are damaged: a built-in one, and one that TFDS would download."""

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from experiments.endure import damage
from experiments.endure.damage import Built, Case, Split

INFO, FEATURES, SUMS = "dataset_info.json", "features.json", "cnnjax.json"
OWN, OTHER = "cnnjax_digits", "mnist"  # as their folders are called
SHARD = "{}-train.array_record-00000-of-00001"
Change = Callable[[bytes], bytes]


def list_cases() -> list[Case]:
    """All of them."""
    return [Case("prepared", name, build) for name, build in [*_others(), *_own()]]


@functools.cache
def _prepare() -> tuple[dict[str, bytes], Mapping[str, Split]]:
    """The files of a built-in set that is prepared once, and what is in it."""
    from cnnjax.config.config import Config
    from cnnjax.config.datasets import Where
    from cnnjax.data import load
    from cnnjax.data.sources import official

    found = load.load_dataset(Config(), Where())
    (version,) = Path(official.find_root(Where()), OWN).glob("*.*.*")
    splits = {"train": found.sample, "validation": found.validation, "test": found.test}
    return {path.name: path.read_bytes() for path in version.iterdir()}, splits


def _copy(folder: Path, name: str) -> Path:
    """A prepared data set in a folder of data, under a name; where its files are."""
    place = folder / name / "1.0.0"
    place.mkdir(parents=True)
    for file, raw in _prepare()[0].items():
        if name == OTHER and file == INFO:
            raw = raw.replace(OWN.encode(), OTHER.encode())
        if name == OWN or file != SUMS:
            (place / file.replace(OWN, name)).write_bytes(raw)
    return place


def _spoil(name: str, file: str, change: Change, **about: Any) -> Callable[[Path], Built]:
    def build(folder: Path) -> Built:
        path = _copy(folder, name) / file.format(name)
        path.write_bytes(change(path.read_bytes()))
        return _built(folder, name, **{"named": path.name, **about})

    return build


def _built(folder: Path, name: str, named: str = "", **about: Any) -> Built:
    about = {"truth": None, **about}
    if about["truth"] == "same":
        about["truth"] = _prepare()[1]
    return Built({OWN: "digits"}.get(name, name), named, where=str(folder), **about)


def _replace(
    name: str, file: str, make: Callable[[Path], Any], **about: Any
) -> Callable[[Path], Built]:
    def build(folder: Path) -> Built:
        path = _copy(folder, name) / file.format(name)
        path.unlink()
        make(path)
        return _built(folder, name, **{"named": path.name, **about})

    return build


def _sum(folder: Path) -> None:
    """Gives a copy the checksums of its files."""
    import tensorflow_datasets as tfds

    from cnnjax.data.sources import whole

    whole.write_checksums(tfds.builder_from_directory(str(folder)), examples=False)


def _part(index: int, count: int, how: Callable[..., Iterator[tuple[str, bytes]]]) -> Change:
    return lambda old: list(how(old, count))[index][1]


JSON = {
    "null": b"null", "a list": b"[]", "text": b'"a"', "an empty object": b"{}", "zeros": bytes(99),
    "noise": b"\xff\xfe\0", "a deep list": b"[" * 10**5,
}  # fmt: skip


def _edit(what: str, new: Any, *path: Any) -> Change:
    """Puts `new` where `path` leads in a JSON file."""

    def change(old: bytes) -> bytes:
        whole = json.loads(old)
        place = whole
        for key in path:
            place = place[key]
        place[what] = new
        return json.dumps(whole).encode()

    return change


def _others() -> Iterator[tuple[str, Callable[[Path], Built]]]:
    """Damage to a set that cannot be prepared anew without a download: one line."""
    yield "no damage", _spoil(OTHER, INFO, lambda old: old, truth="same")
    for file in (INFO, FEATURES):
        for share in damage.CUTS[:-1]:
            cut = functools.partial(lambda old, share: old[: int(share * len(old))], share=share)
            yield f"{file} cut to {share:.0%}", _spoil(OTHER, file, cut, named="")
        for what, raw in JSON.items():
            whole = functools.partial(lambda old, raw: raw, raw=raw)
            yield f"{file} that is {what}", _spoil(OTHER, file, whole)
        yield f"{file} that is a folder", _replace(OTHER, file, Path.mkdir)
    either: dict[str, Any] = {"truth": "same", "may_refuse": True}
    for share in damage.CUTS:
        cut = functools.partial(lambda old, share: old[: int(share * len(old))], share=share)
        yield f"examples cut to {share:.0%}", _spoil(OTHER, SHARD, cut)
    for index in range(24):
        flipped = _part(index, 24, lambda old, n: damage.flips(old, n, stop=70000))
        yield f"examples with a bit flipped, {index}", _spoil(OTHER, SHARD, flipped, **either)
    for index in range(6):
        blanked = _part(index, 6, damage.blank)
        yield f"examples with zeros, {index}", _spoil(OTHER, SHARD, blanked, **either)
    yield "examples that are missing", _replace(OTHER, SHARD, lambda path: None)
    yield "examples that are a folder", _replace(OTHER, SHARD, Path.mkdir)
    yield (
        "examples that are a link to itself",
        _replace(OTHER, SHARD, lambda path: path.symlink_to(path.name)),
    )
    for code in ("os.system", "antigravity.fly", "tensorflow_datasets_own.Feature", "", 7):
        change = _edit("pythonClassName", code, "featuresDict", "features", "image")
        yield f"features of the code {code!r}", _spoil(OTHER, FEATURES, change)
    for template in ("../../far/{SPLIT}", "/etc/passwd", "../{DATASET}-{SPLIT}"):
        change = _edit("filepathTemplate", template, "splits", 0)
        yield f"examples that lie in {template}", _spoil(OTHER, INFO, change)
    for count in ("599", "601", "0", "-1", str(damage.PETA), "x"):
        change = _edit("shardLengths", [count], "splits", 0)
        yield f"examples said to be {count}", _spoil(OTHER, INFO, change, named="mnist")
    for count in ("2", "-3", str(damage.PETA)):
        change = _edit("classLabel", {"numClasses": count}, "featuresDict", "features", "label")
        yield f"classes said to be {count}", _spoil(OTHER, FEATURES, change, named="mnist")
    for side in ("9", "0", str(damage.PETA)):
        inner = {"shape": {"dimensions": [side, "8", "1"]}, "dtype": "uint8", "encoding": "none"}
        change = _edit("tensor", inner, "featuresDict", "features", "image")
        yield f"images said to be {side} high", _spoil(OTHER, FEATURES, change, named="mnist")

    for file in (INFO, FEATURES):
        for index in range(12):

            def build(folder: Path, file: str = file, index: int = index) -> Built:
                place = _copy(folder, OTHER)
                _sum(place)
                path = place / file
                path.write_bytes(_part(index, 12, damage.flips)(path.read_bytes()))
                return _built(folder, OTHER, path.name)

            yield f"{file} with checksums, a bit flipped, {index}", build


def _own() -> Iterator[tuple[str, Callable[[Path], Built]]]:
    """Damage to a built-in set, which is prepared anew."""

    def half(old: bytes) -> bytes:
        return old[: len(old) // 2]

    def flip(old: bytes) -> bytes:
        return damage.flip(old, 200, 3)

    for file in (INFO, FEATURES, SHARD, SUMS):
        yield f"{file} of our own, cut", _spoil(OWN, file, half, truth="same")
        yield f"{file} of our own, a bit flipped", _spoil(OWN, file, flip, truth="same")
    yield "examples of our own, missing", _replace(OWN, SHARD, lambda p: None, truth="same")
    yield "examples of our own, a folder", _replace(OWN, SHARD, Path.mkdir, truth="same")
    yield "checksums of our own, missing", _replace(OWN, SUMS, lambda p: None, truth="same")
