"""TFDS's own data sets, from files in their true formats, prepared without TensorFlow."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow_datasets as tfds

from cnnjax.config.config import Config
from cnnjax.config.datasets import Where, parse
from cnnjax.config.knobs import ConfigError, RunError
from cnnjax.data import load
from cnnjax.data.sources import official, prepared, whole
from tests import true_formats
from tests.data.conftest import CHILD, DEAD_PORT


@pytest.fixture(scope="module")
def mnist(tmp_path_factory):
    """A folder with MNIST prepared from raw files, and what they hold."""
    root = tmp_path_factory.mktemp("mnist")
    sets = true_formats.write_mnist(root / "raw")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(official, "COMMAND", CHILD)
        patch.setenv("LOOPBACK", json.dumps({"port": DEAD_PORT}))
        patch.setenv("PYTHONPATH", os.fspath(pathlib.Path(__file__).parents[2]))
        where = Where(os.fspath(root / "data"), os.fspath(root / "raw"))
        load.load_dataset(Config(dataset="mnist"), where)
    return root, sets


def open_set(name, root, **splits):
    return load.load_dataset(Config(dataset=name, **splits), Where(os.fspath(root)))


def as_pairs(images, labels):
    return sorted(
        (image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True)
    )


def test_mnist_from_raw_files_has_their_pixels_and_labels(mnist):
    root, sets = mnist
    found = open_set("mnist", root / "data")
    assert "tensorflow" not in sys.modules
    assert as_pairs(*found.test) == as_pairs(*sets["t10k"])
    held = as_pairs(*found.train) + as_pairs(*found.validation)
    assert sorted(held) == as_pairs(*sets["train"])
    assert (len(found.train.labels), len(found.validation.labels)) == (180, 20)
    assert found.train.images.dtype == np.uint8


def test_files_that_are_not_the_published_ones_are_named(tmp_path, told):
    true_formats.write_mnist(tmp_path / "raw")
    told(port=DEAD_PORT)
    where = Where(os.fspath(tmp_path / "data"), os.fspath(tmp_path / "raw"))
    said: list[str] = []
    load.load_dataset(Config(dataset="mnist"), where, say=said.append)
    assert "preparing mnist in" in said[0]
    warned = "\n".join(text for text in said if text.startswith("warning: "))
    assert "train-images-idx3-ubyte.gz is not the published file" in warned


def test_cifar10_is_downloaded_once(tmp_path, host, cifar10):
    found = open_set("cifar10", tmp_path / "data")
    assert as_pairs(*found.test) == as_pairs(*cifar10["test"])
    held = as_pairs(*found.train) + as_pairs(*found.validation)
    assert sorted(held) == as_pairs(*cifar10["train"])
    again = open_set("cifar10:3.0.2", tmp_path / "data")
    assert again.fingerprint == found.fingerprint
    assert host.requests == {"cifar-10-binary.tar.gz": 1}


def test_two_launches_at_once_download_once(tmp_path, host, cifar10):
    children = [
        subprocess.Popen([*CHILD, "cifar10", tmp_path / "data"], stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for child in children:
        child.communicate()
    assert [child.returncode for child in children] == [0, 0]
    assert host.requests == {"cifar-10-binary.tar.gz": 1}


def test_a_wrong_checksum_is_no_data_and_the_next_run_recovers(tmp_path, host, cifar10):
    right = host.files["cifar-10-binary.tar.gz"]
    host.files["cifar-10-binary.tar.gz"] = right[:-1] + b"x"
    with pytest.raises(RunError, match="wrong checksum.*--manual_dir"):
        open_set("cifar10", tmp_path / "data")
    host.files["cifar-10-binary.tar.gz"] = right
    assert len(open_set("cifar10", tmp_path / "data").test.labels) == 20


def test_a_download_that_breaks_off_is_told_and_the_next_run_recovers(tmp_path, host, cifar10):
    host.cut["cifar-10-binary.tar.gz"] = 1000
    with pytest.raises(RunError, match="cifar10 could not be prepared.*no download"):
        open_set("cifar10", tmp_path / "data")
    host.cut.clear()
    assert len(open_set("cifar10", tmp_path / "data").test.labels) == 20


def test_a_killed_preparation_leaves_nothing_in_the_way(tmp_path, host, cifar10):
    host.go_on.clear()
    child = subprocess.Popen([*CHILD, "cifar10", tmp_path / "data"])
    assert host.asked.wait(60)
    child.send_signal(signal.SIGKILL)
    child.wait()
    host.go_on.set()
    assert len(open_set("cifar10", tmp_path / "data").test.labels) == 20
    left = [path for path in (tmp_path / "data").rglob("*") if "incomplete" in path.name]
    assert not left and not list((tmp_path / "data").rglob("*.tmp.*"))


def test_a_half_prepared_folder_is_moved_aside(tmp_path, host, cifar10, capfd):
    said: list[str] = []
    half = tmp_path / "data" / "cifar10" / "3.0.2"
    half.mkdir(parents=True)
    (half / "mine.txt").write_text("kept")
    where = Where(os.fspath(tmp_path / "data"))
    request = Config(dataset="cifar10")
    assert len(load.load_dataset(request, where, say=said.append).test.labels) == 20
    assert (half.with_name("3.0.2.unfinished-1") / "mine.txt").exists()
    assert said[-1].startswith("warning: ") and "was not whole" in said[-1]
    assert capfd.readouterr().err == ""  # what is heard is for the caller to print


def test_a_full_disk_is_told_and_the_next_run_recovers(tmp_path, cifar10, monkeypatch, told):
    settings = json.loads(os.environ["LOOPBACK"])
    told(**settings, most_bytes=4096)
    with pytest.raises(RunError, match="cifar10 could not be prepared"):
        open_set("cifar10", tmp_path / "data")
    told(**settings)
    assert len(open_set("cifar10", tmp_path / "data").test.labels) == 20


def test_no_network_is_one_message_with_the_ways_on(tmp_path, told):
    told(port=DEAD_PORT)
    begin = time.monotonic()
    with pytest.raises(RunError) as refusal:
        open_set("mnist", tmp_path / "data")
    assert time.monotonic() - begin < 15
    message = str(refusal.value)
    assert "\n" not in message
    for part in ("mnist", "train-images-idx3-ubyte.gz", "no download", "--dataset=digits",
                 "--manual_dir", "--data_dir"):  # fmt: skip
        assert part in message


@pytest.mark.parametrize("root", ["/proc/cnnjax", "/dev/null/cnnjax"])
def test_a_folder_that_cannot_be_written_is_named(root, told):
    told(port=DEAD_PORT)
    with pytest.raises(RunError, match=f"mnist could not be prepared in {root}"):
        open_set("mnist", root)


def test_what_needs_tensorflow_says_so_before_downloading(tmp_path, host, told):
    told(port=host.port)
    with pytest.raises(RunError, match=r"needs TensorFlow: pip install -e '.\[tf\]'"):
        open_set("dmlab", tmp_path / "data")
    assert not host.requests


def test_a_missing_shard_is_named(mnist, tmp_path):
    root = shutil.copytree(mnist[0] / "data", tmp_path / "data")
    (shard,) = root.rglob("*test.array_record*")
    shard.unlink()
    with pytest.raises(RunError, match=f"{shard.name} is missing or empty: copy it"):
        open_set("mnist", root)


def test_files_for_a_person_to_fetch_are_asked_for(tmp_path, told):
    told(port=DEAD_PORT)
    with pytest.raises(RunError, match="--manual_dir=FOLDER is needed.*ILSVRC2012_img_train.tar"):
        open_set("imagenet2012", tmp_path / "data", image_size=32)


def test_imagenet_is_prepared_from_its_archives(tmp_path, told):
    labels = tfds.core.tfds_path("datasets/imagenet2012/validation_labels.txt")
    validated = labels.read_text().split()[:5]  # what is tested must be trained
    true_formats.write_imagenet(tmp_path / "raw", sorted(set(validated)), per_class=24)
    told(port=DEAD_PORT)
    where = Where(os.fspath(tmp_path / "data"), os.fspath(tmp_path / "raw"))
    config = Config(dataset="imagenet2012", image_size=32, validation_split="train[90%:]",
                    train_split="train[:90%]")  # fmt: skip
    found = load.load_dataset(config, where)
    assert found.train.images.shape == (108, 32, 32, 3)
    assert (len(found.validation.labels), len(found.test.labels)) == (12, 5)
    assert found.num_classes == 1000


def test_tfrecord_files_are_read_without_tensorflow(mnist, tmp_path):
    root = shutil.copytree(mnist[0] / "data", tmp_path / "data")
    expected = open_set("mnist", root)
    (version,) = [path.parent for path in root.rglob("dataset_info.json")]
    for split in ("train", "test"):
        records = prepared.open_records(tfds.builder_from_directory(version), split)
        raw = b"".join(
            len(record).to_bytes(8, "little") + bytes(4) + record + bytes(4)
            for record in (records[index] for index in range(len(records)))
        )
        (old,) = version.glob(f"*{split}.array_record*")
        new = old.with_name(old.name.replace("array_record", "tfrecord"))
        new.write_bytes(raw)
        old.unlink()
    about = version / "dataset_info.json"
    about.write_text(about.read_text().replace("array_record", "tfrecord"))
    (version / whole.NAME).unlink()  # as others prepare it
    assert (found := open_set("mnist", root)).fingerprint == expected.fingerprint
    np.testing.assert_array_equal(found.train.images, expected.train.images)
    new.write_bytes(new.read_bytes()[:-10])
    with pytest.raises(RunError, match="cut short"):
        open_set("mnist", root)


def test_splits_are_asked_for_in_tfds_syntax(mnist):
    root = mnist[0] / "data"
    found = open_set("mnist", root, train_split="train[:50%]", validation_split="train[50%:60%]",
                     test_split="test[:30]")  # fmt: skip
    assert [len(split.labels) for split in found[2:5]] == [100, 20, 30]
    whole = open_set("mnist", root)
    np.testing.assert_array_equal(found.train.images, whole.train.images[:100])
    assert found.fingerprint != whole.fingerprint


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"train_split": "train"}, "train_split=train and --validation_split=.* share 20 examples"),
        ({"test_split": "train[:1]"}, "share 1 examples"),
        ({"test_split": "tests"}, "--test_split=tests is not a split of mnist, which has"),
        ({"test_split": "test[:0]"}, "holds no examples"),
    ],
)
def test_splits_that_cannot_be_are_refused(mnist, splits, message):
    with pytest.raises(ConfigError, match=message):
        open_set("mnist", mnist[0] / "data", **splits)


def test_an_unknown_version_is_refused(tmp_path, told):
    told(port=DEAD_PORT)
    with pytest.raises((ConfigError, RunError), match="9.9.9"):
        open_set("mnist:9.9.9", tmp_path)


def test_where_data_lie(mnist, monkeypatch, tmp_path):
    root = os.fspath(mnist[0] / "data")
    monkeypatch.setenv("TFDS_DATA_DIR", root)
    by_environment = load.load_dataset(Config(dataset="mnist"), Where())
    assert official.find_root(Where("/given")) == "/given"
    monkeypatch.delenv("TFDS_DATA_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path))
    remote = load.load_dataset(Config(dataset="mnist"), Where(f"file://{root}"))
    assert remote.fingerprint == by_environment.fingerprint
    assert official.find_prepared(parse("mnist"), official.cache_dir()) is None  # not mixed in


def test_a_remote_folder_that_cannot_be_read_says_why(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path))
    with pytest.raises(RunError, match=r"needs pip install -e '.\[gcs\]'"):
        open_set("mnist", "gs://bucket/data")
    with pytest.raises(RunError, match="holds no mnist"):
        open_set("mnist", f"file://{tmp_path}")
