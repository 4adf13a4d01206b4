"""Damaged .npz and .mat files and folders of .npy files, for arrays:PATH."""

import io
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.endure import damage, headers
from experiments.endure.containers import Build, name_arrays, pack, save, write, write_folder
from experiments.endure.damage import Built, Case


def list_cases() -> list[Case]:
    """All of them."""
    made = [*_archives(), *_contents(), *headers.list_builds(), *_single(), *_matlab()]
    return [Case("arrays", name, build) for name, build in made]


def _archives() -> Iterator[tuple[str, Build]]:
    """Damage to whole files: what is read must be what was packed."""
    truth = damage.draw()
    for form, raw in (("stored", pack(name_arrays())), ("deflated", pack(name_arrays(), True))):
        damaged = [*damage.flips(raw, 24), *damage.blank(raw, 5)]
        for what, changed in damaged:
            yield f".npz, {form}, {what}", write(changed, truth=truth, may_refuse=True)
        for what, changed in damage.cut(raw):
            yield f".npz, {form}, {what}", write(changed)
    for what, changed in damage.foreign(save(np.zeros((9, 8, 8)))):
        yield f".npz that {what}", write(changed)
    yield "an archive of nothing", write(b"PK\5\6" + bytes(18))
    yield "bytes before the archive", write(b"#!/bin/sh\n" + raw, truth=truth, may_refuse=True)
    yield "bytes behind the archive", write(raw + bytes(100), truth=truth, may_refuse=True)
    yield "two archives in one file", write(raw + raw, truth=truth, may_refuse=True)
    yield "a .npz that is a folder", _make_folder
    yield "a .npz that is a link to itself", _make_loop
    yield "a .npz that is a pipe", _make_pipe
    yield "no file at all", lambda folder: Built(f"arrays:{folder}/none.npz", "none.npz")
    yield "a name too long", lambda folder: Built(f"arrays:{folder}/{'n' * 999}.npz", "nnn.npz")
    yield "a name with a zero byte", lambda folder: Built(f"arrays:{folder}/a\0b.npz", "a\0b.npz")
    odd = os.fsdecode(b"\xff\n\x1b[31m.npz")
    yield "a name with odd bytes", write(raw, odd, truth=truth)
    yield "a name with odd bytes, cut", write(raw[:-30], odd)


def _make_folder(folder: Path) -> Built:
    (folder / "own.npz").mkdir()
    return Built(f"arrays:{folder / 'own.npz'}", "own.npz")


def _make_loop(folder: Path) -> Built:
    (folder / "own.npz").symlink_to("own.npz")
    return Built(f"arrays:{folder / 'own.npz'}", "own.npz")


def _make_pipe(folder: Path) -> Built:
    os.mkfifo(folder / "own.npz")
    return Built(f"arrays:{folder / 'own.npz'}", "own.npz")


def _contents() -> Iterator[tuple[str, Build]]:
    """Whole files of arrays that are no images and labels."""
    good = name_arrays()
    x, y = good["x_train"], good["y_train"]
    wide = np.where(np.arange(y.size) == 5, np.nan, y)
    changes: dict[str, dict[str, Any]] = {
        "NaN among pixels": {"x_train": np.where(x == x.max(), np.nan, x)},
        "infinity among pixels": {"x_test": np.where(x[:9] == x[0, 0, 0], np.inf, x[:9])},
        "pixels beyond float32": {"x_train": x * 1e300},
        "pixels that are complex": {"x_train": x * 1j},
        "pixels that are dates": {"x_train": x.astype("datetime64[s]")},
        "pixels that are text": {"x_train": x.astype(str)},
        "pixels that are objects": {"x_train": x.astype(object)},
        "pixels of raw bytes": {"x_train": x.view("V1")},
        "pixels that are records": {"x_train": x.view([("a", "u1")])},
        "images that are all alike": {"x_train": np.full_like(x, 7)},
        "images of two axes": {"x_train": x[:, :, 0, 0]},
        "images of five axes": {"x_train": x[None]},
        "images of no axes": {"x_train": np.uint8(3)},
        "no images": {"x_train": x[:0], "y_train": y[:0]},
        "images of no height": {"x_train": x[:, :0]},
        "images of another shape to test": {"x_test": good["x_test"][:, :5]},
        "a test set on another scale": {"x_test": good["x_test"] / 255, "x_train": x * 1.0},
        "fewer labels than images": {"y_train": y[:-1]},
        "more labels than images": {"y_train": np.append(y, 0)},
        "labels of one class": {name: 0 * good[name] for name in good if name[0] == "y"},
        "a class that is tested alone": {"y_test": good["y_test"] + 1},
        "NaN among labels": {"y_train": wide},
        "infinity among labels": {"y_train": np.where(np.isnan(wide), np.inf, wide)},
        "labels with fractions": {"y_train": y + 0.5},
        "negative labels": {"y_train": y.astype(int) - 1},
        "labels beyond 16 bits": {"y_train": y.astype(np.int64) + 2**40},
        "labels at the end of 64 bits": {"y_train": y.astype(np.uint64) + np.uint64(2**64 - 9)},
        "labels that are complex": {"y_train": y * 1j},
        "labels that are objects": {"y_train": y.astype(object)},
        "labels that are no UTF-8": {"y_train": np.array([b"\xff", b"a", b"b"])[y]},
        "labels that are empty text": {"y_train": np.array(["", "a", "b"])[y]},
        "labels half text": {"y_train": y.astype(str)},
        "labels of two ones": {"y_train": np.ones((len(y), 3), np.uint8)},
        "no labels to test": {"y_test": None},
        "no images to train": {"x_train": None},
        "names that mean the same": {"xtrain": x},
    }
    for what, changed in changes.items():
        kept = {name: own for name, own in {**good, **changed}.items() if own is not None}
        yield what, write(pack(kept))
    truth = damage.draw()
    same: dict[str, dict[str, Any]] = {
        "pixels of 64 bits": {name: good[name].astype(np.int64) for name in good},
        "the other order of bytes": {name: good[name].astype(">i4") for name in good},
        "the other order of axes": {name: np.asfortranarray(good[name]) for name in good},
        "labels one-hot": {name: np.eye(3, dtype=np.float32)[good[name]]
                           for name in good if name[0] == "y"},
    }  # fmt: skip
    for what, changed in same.items():
        yield what, write(pack({**good, **changed}), truth=truth)
    text = {name: np.array(["<script>", "b\x1b[2J", "\U0001f600"])[good[name]]
            for name in good if name[0] == "y"}  # fmt: skip
    order = np.argsort(np.array(["<script>", "b\x1b[2J", "\U0001f600"]))
    named = {split: (images, np.argsort(order)[labels])
             for split, (images, labels) in truth.items()}  # fmt: skip
    yield "labels with markup and escapes", write(pack({**good, **text}), truth=named)


def _single() -> Iterator[tuple[str, Build]]:
    """Folders of .npy files, which have no checksum: pixels are what the file says."""
    truth, good = damage.draw(), {f"{n}.npy": save(a) for n, a in name_arrays().items()}
    for name in ("x_train.npy", "y_test.npy"):
        for what, raw in damage.cut(good[name]):
            yield f"{name} {what}", write_folder({**good, name: raw})
        yield f"{name} with more behind it", write_folder({**good, name: good[name] + b"\0"})
        for what, raw in damage.flips(good[name], 20, stop=120):
            yield f"{name}, {what}", write_folder({**good, name: raw}, truth=truth,
                                                   may_refuse=True)  # fmt: skip
    images, labels = truth["train"]
    for what, raw in damage.flips(good["x_train.npy"], 6, start=128):
        changed = np.frombuffer(raw, np.uint8, offset=128).reshape(images.shape)
        yield (
            f"x_train.npy, {what}",
            write_folder({**good, "x_train.npy": raw}, truth={**truth, "train": (changed, labels)}),
        )
    for what, raw in damage.foreign(pack(name_arrays())):
        yield f"x_train.npy {what}", write_folder({**good, "x_train.npy": raw})
    yield "an empty folder", write_folder({})
    for what, make in {
        "a folder": Path.mkdir, "a pipe": os.mkfifo,
        "a link to itself": lambda path: path.symlink_to(path.name),
        "a link to nothing": lambda path: path.symlink_to("nothing"),
    }.items():  # fmt: skip
        yield f"x_train.npy that is {what}", _replace(good, make)


def _replace(files: Mapping[str, bytes], make: Callable[[Path], Any]) -> Callable[[Path], Built]:
    def build(folder: Path) -> Built:
        built = write_folder(files)(folder)
        path = folder / "own" / "x_train.npy"
        path.unlink()
        make(path)
        return built

    return build


def _matlab() -> Iterator[tuple[str, Build]]:
    """Damaged .mat files; what is deflated in them has a checksum."""
    from scipy import io as formats

    file, truth = io.BytesIO(), damage.draw()
    formats.savemat(file, name_arrays(), do_compression=True)
    raw = file.getvalue()
    for what, changed in [*damage.flips(raw, 24, start=124), *damage.blank(raw, 5)]:
        yield f".mat, {what}", write(changed, "own.mat", truth=truth, may_refuse=True)
    for what, changed in damage.cut(raw):
        yield f".mat {what}", write(changed, "own.mat")
    for what, changed in damage.foreign(pack(name_arrays())):
        yield f".mat that {what}", write(changed, "own.mat")
