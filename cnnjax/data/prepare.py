"""Prepares one data set: python -m cnnjax.data.prepare NAME DATA_DIR.

A process of its own, because TFDS prints while it writes and may load libraries that a training
process is better off without.
"""

import pathlib
import sys

import tensorflow_datasets as tfds

from cnnjax.data import load


def main(name: str, data_dir: str) -> None:
    """Writes the data set as array_record files."""
    tfds.disable_progress_bar()
    builder = load.make_builder(name, pathlib.Path(data_dir))
    builder.download_and_prepare(file_format="array_record")


if __name__ == "__main__":
    main(*sys.argv[1:])
