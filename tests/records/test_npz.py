"""Arrays of anyone's .npz file: none is unpickled, and none fills the memory."""

import hashlib
import io
import zipfile

import numpy as np
import pytest

from cnnjax.records import predictions
from cnnjax.records.npz import read_npz
from cnnjax.records.predictions import FILE
from cnnjax.records.record import record_path
from tests.records.test_store import RECORD


def pack(**arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def declare(shape, declared=None):
    """An archive with an array whose header has that shape, and no bytes behind it."""
    head, file = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"shape": shape, "fortran_order": False, "descr": "<f8"}
    )
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.npy", head.getvalue())
    raw = file.getvalue()
    if declared:  # of the entry in the directory, behind its packed size
        place = raw.index(b"PK\1\2") + 24
        raw = raw[:place] + declared.to_bytes(4, "little") + raw[place + 4 :]
    return raw


def test_arrays_come_back():
    found = read_npz(pack(a=np.arange(3), b=np.array(["x"])))
    assert found["a"].tolist() == [0, 1, 2] and found["b"].tolist() == ["x"]


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"PK\5\6", b"no archive", pack(a=np.array([{}])), declare((10**15,)),
        declare((-1,)), declare((3, 10**20)), pack(a=np.zeros(99))[:-60],
        io.BytesIO(b"\x80\x04cos\nsystem\n.").getvalue(),
    ],
)  # fmt: skip
def test_what_is_none_is_one_error(raw):
    with pytest.raises(ValueError):
        read_npz(raw)


def test_what_unpacks_to_more_than_the_memory_is_refused_before(monkeypatch):
    monkeypatch.setattr("cnnjax.config.machine.find_memory", lambda: 2**20)
    with pytest.raises(ValueError, match="unpacks to 1.0 GiB"):
        read_npz(declare((3,), 2**30))
    with pytest.raises(ValueError, match="unpacks to"):
        read_npz(pack(a=np.zeros(2**20)))


def test_answers_that_unpack_to_anything_are_refused_by_name(tmp_path):
    """A record of others brings its own checksum."""
    folder = record_path(tmp_path, RECORD.id).parent
    folder.mkdir(parents=True)
    for raw in (declare((10**15,)), pack(predicted=np.array([{}])), pack(a=np.arange(3))):
        (folder / FILE).write_bytes(raw)
        files = {FILE: hashlib.sha256(raw).hexdigest()}
        with pytest.raises(ValueError, match=f"{FILE} cannot be read"):
            predictions.load(folder, {"files": files})
