"""A pipe in a file's place is a damaged file: nothing waits for it."""

import os

import pytest

from cnnjax.config.errors import ConfigError
from cnnjax.records import atomic, index, weights
from cnnjax.runs import result


def test_a_pipe_is_read_as_nothing(tmp_path):
    (tmp_path / "file").write_bytes(b"some")
    os.mkfifo(tmp_path / "pipe")
    assert atomic.read_bytes(tmp_path / "file") == b"some"
    assert atomic.read_bytes(tmp_path / "pipe") == b""
    with pytest.raises(IsADirectoryError):
        atomic.read_bytes(tmp_path)
    with pytest.raises(FileNotFoundError):
        atomic.read_bytes(tmp_path / "none")


def test_a_pipe_among_our_own_files_is_damage(tmp_path):
    for name in (result.NAME, result.LINES, "final.safetensors"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(ConfigError, match="is not whole"):
        result.read(tmp_path)
    assert result.read_lines(tmp_path, {}) == []
    with pytest.raises(ConfigError, match="no weights that can be read"):
        weights.load(tmp_path / "final.safetensors")
    (tmp_path / "records").mkdir()
    os.mkfifo(tmp_path / "records" / "index.json")
    assert index.list_heads(tmp_path) == []


def test_an_emptied_learning_curve_is_damage(tmp_path):
    known = {"files": result.write_lines(tmp_path, [{"step": 1, "validation_accuracy": 0.5}])}
    assert len(result.read_lines(tmp_path, known)) == 1
    (tmp_path / result.LINES).write_bytes(b"")
    with pytest.raises(ConfigError, match="was changed"):
        result.read_lines(tmp_path, known)
    (tmp_path / result.LINES).unlink()
    assert result.read_lines(tmp_path, known) == []
