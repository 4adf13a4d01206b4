"""Whole files of arrays, to be damaged."""

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.endure import damage
from experiments.endure.damage import Built

Build = Callable[[Path], Built]


def name_arrays() -> dict[str, np.ndarray]:
    """The arrays of the data set, by the names that they have in a file."""
    short = {"train": "train", "validation": "val", "test": "test"}
    return {
        f"{letter}_{short[split]}": array
        for split, pair in damage.draw().items()
        for letter, array in zip("xy", pair, strict=True)
    }


def pack(arrays: Mapping[str, Any], squeeze: bool = False) -> bytes:
    """A .npz file."""
    file = io.BytesIO()
    (np.savez_compressed if squeeze else np.savez)(file, **arrays)  # pyright: ignore
    return file.getvalue()


def save(array: np.ndarray) -> bytes:
    """A .npy file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def archive(entries: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as packed:
        for name, content in entries.items():
            packed.writestr(name, content)
    return file.getvalue()


def write(raw: bytes, name: str = "own.npz", **about: Any) -> Build:
    """What writes such a file, about which `Built` says this."""

    def build(folder: Path) -> Built:
        path = folder / name
        path.write_bytes(raw)
        return Built(f"arrays:{path}", name, **about)

    return build


def write_folder(files: Mapping[str, bytes], **about: Any) -> Build:
    """What writes a folder of such files."""

    def build(folder: Path) -> Built:
        place = folder / "own"
        place.mkdir()
        for name, raw in files.items():
            (place / name).write_bytes(raw)
        return Built(f"arrays:{place}", "own", **about)

    return build
