"""What TFDS's builders call of TensorFlow to prepare images, made of Pillow and epath.

For a process that prepares a data set where TensorFlow is not installed, and for no other: see
`install`. It follows TFDS 4.9 (`tests/data/test_official.py` breaks when TFDS asks for more).
Whatever it lacks raises NeedsTensorFlow, and `find_missing` says so before anything is downloaded.
"""

import ast
import functools
import importlib.util
import inspect
import io
import os
import pathlib
import shutil
import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
from etils import epath
from PIL import Image

from cnnjax.config import installed

ROOTS = ("tf", "tensorflow")  # how builders call it


class NeedsTensorFlow(RuntimeError):
    """A builder calls what only TensorFlow itself can do."""


class Tensor(np.ndarray):
    """An array that answers `.numpy()`."""

    def numpy(self) -> Any:
        """The value as NumPy has it; bytes as bytes."""
        return self.item() if self.dtype == object else np.asarray(self)


def _wrap(value: Any) -> Tensor:
    array = np.empty((), object) if isinstance(value, bytes) else np.asarray(value)
    if isinstance(value, bytes):
        array[()] = value
    return array.view(Tensor)


def _encode(image: np.ndarray, format: str, **options: Any) -> Tensor:
    """Image [H, W, C] of 1, 3 or 4 channels, 8 or 16 bits, as the bytes of a file."""
    pixels = np.asarray(image)
    pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format, **options)
    return _wrap(buffer.getvalue())


def encode_png(image: Any, compression: int = -1) -> Tensor:
    """The image [H, W, C] as PNG."""
    return _encode(image, "PNG", **({"compress_level": compression} if compression >= 0 else {}))


def encode_jpeg(image: Any, format: str = "", quality: int = 95, **_: Any) -> Tensor:
    """The image [H, W, C] as JPEG. The last bits differ from TensorFlow's."""
    return _encode(image, "JPEG", quality=quality)


def decode_image(contents: Any, channels: int = 0, **_: Any) -> Tensor:
    """The pixels [H, W, C] of a file, with its own channels or 1, 3 or 4."""
    raw = contents.item() if isinstance(contents, np.ndarray) else contents
    with Image.open(io.BytesIO(raw)) as image:
        mode = {0: "L" if image.mode == "L" else "RGB", 1: "L", 3: "RGB", 4: "RGBA"}[channels]
        pixels = np.asarray(image.convert(mode))
    return _wrap(pixels if pixels.ndim == 3 else pixels[..., None])


def open_file(name: Any, mode: str = "r") -> Any:
    """A file, local or remote, whose folder is there already."""
    return epath.Path(name).open(mode)


def glob(pattern: Any) -> list[str]:
    """The paths that match a pattern (or any of several)."""
    patterns = pattern if isinstance(pattern, list | tuple) else [pattern]
    found: list[str] = []
    for each in map(os.fspath, patterns):
        fixed = each.split("*")[0].split("?")[0].rpartition("/")[0]
        inside = each[len(fixed) + 1 :] if fixed else each
        found += map(os.fspath, epath.Path(fixed or ".").glob(inside))
    return sorted(found)


def walk(top: Any) -> Iterator[tuple[str, list[str], list[str]]]:
    """As os.walk."""
    return os.walk(os.fspath(top))


def copy(source: Any, destination: Any, overwrite: bool = False) -> None:
    """Copies a file, which must not be there yet unless `overwrite`."""
    epath.Path(source).copy(destination, overwrite=overwrite)


def as_text(value: str | bytes, encoding: str = "utf-8") -> str:
    """Text as str."""
    return value.decode(encoding) if isinstance(value, bytes) else value


def as_bytes(value: str | bytes, encoding: str = "utf-8") -> bytes:
    """Text as bytes."""
    return value.encode(encoding) if isinstance(value, str) else value


def remove(path: Any) -> None:
    """Removes a file."""
    epath.Path(path).unlink()


class _Nothing:
    """A type that no value has, for `isinstance`."""


def _error(name: str) -> type:
    return type(name, (Exception,), {"message": ""})


OFFERED: dict[str, Any] = {
    "__version__": "2.16.0",  # TFDS asks for 2.1 or later
    "executing_eagerly": lambda: True,
    "Tensor": _Nothing,
    "RaggedTensor": _Nothing,
    "SparseTensor": _Nothing,
    "dtypes.DType": _Nothing,
    "uint8": np.uint8,
    "compat.as_text": as_text,
    "compat.as_bytes": as_bytes,
    "io.gfile.GFile": open_file,
    "io.gfile.copy": copy,
    "io.gfile.exists": lambda path: epath.Path(path).exists(),
    "io.gfile.glob": glob,
    "io.gfile.isdir": lambda path: epath.Path(path).is_dir(),
    "io.gfile.listdir": lambda path: [child.name for child in epath.Path(path).iterdir()],
    "io.gfile.makedirs": lambda path: epath.Path(path).mkdir(parents=True, exist_ok=True),
    "io.gfile.remove": remove,
    "io.gfile.rmtree": lambda path: shutil.rmtree(path),
    "io.gfile.walk": walk,
    "io.encode_jpeg": encode_jpeg,
    "io.encode_png": encode_png,
    "image.decode_image": decode_image,
    "image.decode_jpeg": decode_image,
    "image.decode_png": decode_image,
    "image.encode_jpeg": encode_jpeg,
    "image.encode_png": encode_png,
    **{
        f"errors.{name}": _error(name)
        for name in (
            "AbortedError",
            "FailedPreconditionError",
            "NotFoundError",
            "PermissionDeniedError",
            "ResourceExhaustedError",
            "UnimplementedError",
        )
    },
}


class _StandIn(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)  # what Python itself asks of any module
        how = installed.how_to_add("tf")
        raise NeedsTensorFlow(f"{self.__name__}.{name} needs TensorFlow: {how}")


def has_tensorflow() -> bool:
    """Whether TensorFlow itself is installed."""
    return importlib.util.find_spec("tensorflow") is not None


def install() -> None:
    """Puts the stand-in where `import tensorflow` finds it, for the rest of this process."""
    modules: dict[str, types.ModuleType] = {"tensorflow": _StandIn("tensorflow")}
    for name, value in OFFERED.items():
        *parents, last = f"tensorflow.{name}".split(".")
        for depth in range(2, len(parents) + 1):
            path = ".".join(parents[:depth])
            if path not in modules:
                modules[path] = _StandIn(path)
                setattr(modules[".".join(parents[: depth - 1])], parents[depth - 1], modules[path])
        setattr(modules[".".join(parents)], last, value)
    sys.modules.update(modules)


def find_calls(source: str) -> set[str]:
    """What some code uses of TensorFlow when it runs, such as io.gfile.GFile.

    Annotations are not evaluated in TFDS, and the body of `_info` and of tests of types is read
    like any other code.
    """
    tree = ast.parse(source)
    annotations: set[int] = set()
    for node in ast.walk(tree):
        for name in ("annotation", "returns"):
            if (found := getattr(node, name, None)) is not None:
                annotations |= {id(child) for child in ast.walk(found)}
    chains, inner = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in annotations:
            parts, below = [node.attr], node.value
            while isinstance(below, ast.Attribute):
                inner.add(id(below))
                parts.append(below.attr)
                below = below.value
            if isinstance(below, ast.Name) and below.id in ROOTS and id(node) not in inner:
                chains.add((id(node), ".".join(reversed(parts))))
    return {chain for _, chain in chains}


@functools.cache
def find_missing(builder: type) -> tuple[str, ...]:
    """What the module of a builder calls of TensorFlow or Beam that is not to be had here.

    Empty where the stand-in is enough. A module that serves several builders is read whole.
    """
    source = pathlib.Path(inspect.getfile(builder)).read_text(encoding="utf-8")
    missing = {f"tf.{call}" for call in find_calls(source) if not _is_offered(call)}
    return tuple(sorted(missing))


def _is_offered(call: str) -> bool:
    """Whether the stand-in has this, or it is an attribute of a thing that it has."""
    return any(call == name or call.startswith(f"{name}.") for name in OFFERED)
