"""What a run answered for each test image stands beside its record and is told from other files."""

import numpy as np
import pytest

from cnnjax.records import predictions
from cnnjax.records.predictions import FILE, Predictions
from cnnjax.records.record import load_record, record_path, write_record
from tests.records.test_store import RECORD

PREDICTED = np.array([1, 0, 2, 2])
SURE = np.array([0.9, 0.5, 0.3333333, 1.0], np.float32)
LABEL = np.array([1, 1, 2, 0], np.int32)


@pytest.fixture
def kept(tmp_path):
    own = predictions.keep(tmp_path, RECORD, predictions.pack(PREDICTED, SURE, LABEL))
    write_record(tmp_path, own)
    return load_record(tmp_path, RECORD.id)


def test_round_trip(tmp_path, kept):
    found = predictions.load_of(tmp_path, kept)
    assert isinstance(found, Predictions)
    np.testing.assert_array_equal(found.predicted, PREDICTED)
    np.testing.assert_array_equal(found.label, LABEL)
    np.testing.assert_array_equal(found.probability, SURE.astype(np.float16))
    assert found.predicted.dtype == np.uint8 and found.probability.dtype == np.float16


def test_as_many_bytes_as_there_are_classes():
    for last, dtype in ((255, np.uint8), (256, np.uint16), (70_000, np.uint32)):
        packed = predictions.pack(np.array([0, last]), SURE[:2], LABEL[:2])
        assert packed.predicted.dtype == packed.label.dtype == dtype


def test_the_record_knows_the_checksum_and_the_same_answers_have_the_same(tmp_path, kept):
    (name, checksum), *others = kept.provenance["files"].items()
    assert name == FILE == "predictions.npz" and not others and len(checksum) == 64
    assert predictions.write(tmp_path, predictions.pack(PREDICTED, SURE, LABEL)) == {FILE: checksum}


def test_a_record_of_before_has_none(tmp_path):
    write_record(tmp_path, RECORD)
    assert predictions.load_of(tmp_path, RECORD) is None


def test_another_file_is_refused_by_name(tmp_path, kept):
    path = record_path(tmp_path, RECORD.id).with_name(FILE)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=f"{FILE} is not the file"):
        predictions.load_of(tmp_path, kept)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=f"{FILE} is gone, .*: delete the folder to train"):
        predictions.load_of(tmp_path, kept)
