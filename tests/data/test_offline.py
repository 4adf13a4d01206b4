"""With --offline what lies here is read, and nobody is asked for what does not."""

import dataclasses
import os

import pytest

from cnnjax.config.config import Config
from cnnjax.config.datasets import Where
from cnnjax.config.knobs import RunError
from cnnjax.data import load
from tests import true_formats


def read(name, root, offline=True, raw=None):
    where = Where(os.fspath(root), raw and os.fspath(raw), offline=offline)
    return load.load_dataset(Config(dataset=name), where)


def test_what_is_prepared_is_read_and_what_is_not_is_refused_without_asking(
    tmp_path, host, cifar10
):
    with pytest.raises(RunError) as refusal:
        read("cifar10", tmp_path / "data")
    assert host.requests == {} and "\n" not in str(refusal.value)
    for part in ("no download", "--offline forbids it", "cifar-10-binary.tar.gz", "--manual_dir",
                 "--data_dir=FOLDER in which it is prepared"):  # fmt: skip
        assert part in str(refusal.value)
    online = read("cifar10", tmp_path / "data", offline=False)
    assert sum(host.requests.values()) == 1
    assert read("cifar10", tmp_path / "data").fingerprint == online.fingerprint
    assert sum(host.requests.values()) == 1


def test_raw_files_are_prepared(tmp_path, told):
    true_formats.write_mnist(tmp_path / "raw")
    told(port=9)
    assert len(read("mnist", tmp_path / "data", raw=tmp_path / "raw").test.labels) == 60


@pytest.mark.parametrize("name", ["digits", "mnist1d"])
def test_what_is_built_in_is_prepared(tmp_path, name):
    assert read(name, tmp_path).fingerprint


def test_no_copy_of_a_remote_folder_is_made(tmp_path, monkeypatch, own_cache):
    def refuse(*arguments, **options):
        raise AssertionError("a store was asked")

    monkeypatch.setattr("fsspec.core.url_to_fs", refuse)
    with pytest.raises(RunError, match="mnist of gs://bucket is not here yet .--offline forbids"):
        read("mnist", "gs://bucket")
    config = dataclasses.replace(Config(), dataset="digits")  # is made here, whatever is remote
    assert load.load_dataset(config, Where("gs://bucket", offline=True)).fingerprint
