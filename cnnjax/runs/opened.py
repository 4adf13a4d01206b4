"""An exported network as others open it: `python opened.py FILE IMAGES.npy ANSWERS.npy COUNT ...`.

It runs in a process of its own, and imports NumPy and what the file needs alone.
"""

import pathlib
import sys
from collections.abc import Callable, Sequence

import numpy as np


def open_model(path: pathlib.Path) -> Callable[[np.ndarray], np.ndarray]:
    """Images [n, H, W, C] to probabilities [n, classes]."""
    if path.suffix == ".onnx":
        import onnxruntime  # pyright: ignore[reportMissingImports]

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return lambda images: session.run(None, {"images": images})[0]
    from jax import export

    exported = export.deserialize(bytearray(path.read_bytes()))
    return lambda images: np.asarray(exported.call(images))


def main(argv: Sequence[str]) -> None:
    """Writes the answers for the first images of each count, one below the other."""
    file, images, answers, *counts = argv[1:]
    model, shown = open_model(pathlib.Path(file)), np.load(images)
    np.save(answers, np.concatenate([model(shown[: int(count)]) for count in counts]))
    if "cnnjax" in sys.modules:
        sys.exit("cnnjax was imported: the file does not stand alone")


if __name__ == "__main__":
    main(sys.argv)
