"""The records of array_record files; its reader compares checksums."""

import contextlib
import importlib
import os
from collections.abc import Callable, Sequence
from typing import Any

from cnnjax.config import machine
from cnnjax.config.knobs import RunError
from cnnjax.data.sources import whole


class ArrayRecords(Sequence):
    """The records that some of TFDS's file instructions (file, skip, take) name, by position.

    Raises RunError, naming the file, where it is damaged, or where no threads can be started.
    """

    def __init__(self, instructions: Sequence[Any], folder: Any):
        from array_record.python import array_record_data_source

        self.instructions, self.folder = instructions, folder
        machine.check_threads()
        for part in instructions:
            self._check_count(part)
        self.source = self._try(
            lambda: array_record_data_source.ArrayRecordDataSource(instructions), range(0)
        )

    def _check_count(self, part: Any) -> None:
        """Raises RunError where a file holds more or fewer records than dataset_info.json says."""
        module: Any = importlib.import_module("array_record.python.array_record_module")

        def count() -> int:
            with contextlib.closing(module.ArrayRecordReader(os.fspath(part.filename))) as reader:
                return reader.num_records()

        found, said = self._try(count, range(0), part.filename), part.examples_in_shard
        if found != said:
            ways = whole.WAYS.format(self.folder)
            raise RunError(
                f"{part.filename} has {found:,} examples, and dataset_info.json says {said:,}:"
                f" {ways}"
            )

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: Any) -> Any:
        """The bytes of one record."""
        return self._try(lambda: self.source[index], [index])

    def __getitems__(self, places: Sequence[int]) -> Sequence[Any]:
        """The bytes of several records, in one read."""
        return self._try(lambda: self.source.__getitems__(places), places)

    def _try(self, read: Callable[[], Any], places: Sequence[int], path: Any = None) -> Any:
        try:
            return read()
        except (RuntimeError, ValueError) as error:
            if "start new thread" in str(error):  # of Python's pools: the file may be whole
                raise RunError(machine.NO_THREADS) from None
            path = path or self._find_path(places)
            ways = whole.WAYS.format(self.folder)
            raise RunError(f"{path} is damaged ({whole.explain(error)}): {ways}") from None

    def _find_path(self, places: Sequence[int]) -> Any:
        """The file in which the first of these records lies that cannot be read, or the folder."""
        for place in places:
            try:
                self.source[place]
            except (RuntimeError, ValueError):
                for part in self.instructions:
                    if place < part.take:
                        return part.filename
                    place -= part.take
        return self.folder
