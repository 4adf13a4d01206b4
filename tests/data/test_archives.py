"""Names in archives and on remote hosts lead nowhere but below the folder that they are put in."""

import io
import os
import pathlib
import tarfile
import zipfile

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFile
from tensorflow_datasets.core.download import extractor

from cnnjax.config.datasets import Where, parse
from cnnjax.config.knobs import RunError
from cnnjax.data.source import say_nothing
from cnnjax.data.sources import official

FAR = ("../far.txt", "a/../../far.txt", "/far.txt", "../../../far.txt", "a/b/../../../far.txt")


def pack(path, names):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"far")
        return
    with tarfile.open(path, "w") as archive:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = 3
            archive.addfile(entry, io.BytesIO(b"far"))
        for target in ("/etc/passwd", "../.."):
            entry = tarfile.TarInfo(f"link{len(target)}")
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)


@pytest.mark.parametrize(
    ("name", "read"),
    [("a.zip", extractor.iter_zip), ("a.tar", extractor.iter_tar),
     ("a.tar", extractor.iter_tar_stream)],
)  # fmt: skip
def test_what_tfds_unpacks_stays_below_its_folder(tmp_path, name, read):
    pack(tmp_path / name, [*FAR, "near.txt"])
    with open(tmp_path / name, "rb") as file:
        found = [path for path, _ in read(file)]
    assert "near.txt" in found
    assert all(not os.path.isabs(path) and ".." not in pathlib.Path(path).parts for path in found)
    assert not any(path.startswith("link") for path in found)  # nothing becomes a link


def test_remote_names_that_lead_away_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path))
    system = fsspec.filesystem("memory")
    system.store.clear()
    for name in ("3.0.1/dataset_info.json", "../../../far.txt"):
        system.store[f"/data/mnist/{name}"] = MemoryFile(system, f"/data/mnist/{name}", b"far")
    with pytest.raises(RunError, match="holds /data/mnist/../../../far.txt, outside"):
        official.open_builder(parse("mnist"), Where("memory://data"), say_nothing)
    assert not list(tmp_path.rglob("far.txt"))
