"""Data are not called damaged where the machine refuses a thread."""

import pytest

from cnnjax.config.knobs import RunError
from cnnjax.data.sources import arrayrecord


def test_a_refused_thread_is_not_damage():
    records = object.__new__(arrayrecord.ArrayRecords)
    records.folder = "some"

    def read():
        raise RuntimeError("can't start new thread")

    with pytest.raises(RunError, match="no more threads") as found:
        records._try(read, range(0), "some.array_record")
    assert "damaged" not in str(found.value)
