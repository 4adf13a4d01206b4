"""The digits come back through TFDS as scikit-learn has them, and every example is counted once."""

import os
import subprocess
import sys
import tempfile

import jax
import numpy as np
import pytest
from sklearn import datasets

from cnnjax.config.config import Config
from cnnjax.config.datasets import Where
from cnnjax.config.knobs import ConfigError, RunError
from cnnjax.data import batches, load
from cnnjax.data.builders.digits import SPLITS, load_order
from cnnjax.data.dataset import take_train

LOAD = """
import pathlib, sys
from cnnjax.config.config import Config
from cnnjax.data import load
from cnnjax.config.datasets import Where
print(load.load_dataset(Config(), Where(sys.argv[1])).fingerprint)
"""


def test_order_is_a_permutation():
    assert sorted(load_order()) == list(range(1797))


def test_splits_hold_the_original_scans_in_the_stored_order(digits):
    original = datasets.load_digits()
    order = load_order()
    for name, (begin, end) in SPLITS.items():
        split, rows = getattr(digits, name), order[begin:end]
        np.testing.assert_array_equal(split.images[..., 0], original.images[rows])
        np.testing.assert_array_equal(split.labels, original.target[rows])
        assert split.images.dtype == np.uint8


@pytest.mark.parametrize(("name", "size"), [("train", 600), ("validation", 197), ("test", 1000)])
def test_splits_are_stratified(digits, name, size):
    labels = getattr(digits, name).labels
    assert len(labels) == size
    expected = np.bincount(datasets.load_digits().target) / 1797
    assert np.abs(np.bincount(labels) / size - expected).max() < 0.006


@pytest.mark.parametrize("count", [100, 300])
def test_the_first_training_images_are_stratified_too(digits, count):
    counts = np.bincount(take_train(digits, count).train.labels)
    assert np.abs(counts - count / 10).max() <= 1


def test_more_training_images_than_there_are_is_refused(digits):
    with pytest.raises(ConfigError, match="--train_examples=601 is more than the 600"):
        take_train(digits, 601)


def test_nothing_prints_or_writes_when_read_again(digits, data_dir):
    before = {path: path.stat().st_mtime_ns for path in data_dir.rglob("*")}
    run = subprocess.run(
        [sys.executable, "-c", LOAD, data_dir], capture_output=True, text=True, check=True
    )
    assert (run.stdout, run.stderr) == (digits.fingerprint + "\n", "")
    assert {path: path.stat().st_mtime_ns for path in data_dir.rglob("*")} == before


@pytest.mark.parametrize("name", ["digits", "dot", "scans"])
def test_a_data_set_that_ships_leaves_nothing_among_temporary_files(name, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", os.fspath(tmp_path))
    load.describe(Config(dataset=name), Where(str(tmp_path / "data")))
    assert [*tmp_path.iterdir()] == []


@pytest.mark.slow
def test_two_processes_prepare_at_once(tmp_path, digits):
    command = [sys.executable, "-c", LOAD, tmp_path / "fresh"]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [child.communicate()[0].strip() for child in children]
    assert outputs == [digits.fingerprint] * 2


def test_a_folder_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "cnnjax_digits").write_text("in the way")
    with pytest.raises(RunError, match="data set digits could not be prepared"):
        load.load_dataset(Config(), Where(str(tmp_path)))


def order_of(seed, first, steps, size=7, examples=20):
    key = jax.random.key(seed)
    return np.asarray(batches.batch_indices(key, np.int32(first), steps, size, examples))


def test_batch_order_depends_on_seed_and_step_alone():
    whole = order_of(0, 0, 12)
    np.testing.assert_array_equal(order_of(0, 0, 12), whole)
    for first, steps in [(3, 4), (5, 1), (7, 5)]:
        np.testing.assert_array_equal(order_of(0, first, steps), whole[first : first + steps])
    assert (order_of(1, 0, 12) != whole).any()


@pytest.mark.parametrize("size", [7, 20, 45])
def test_each_epoch_sees_every_example_once(size):
    epochs = order_of(0, 0, 20, size)[: 20 * 20 // size].ravel()
    epochs = epochs[: len(epochs) // 20 * 20].reshape(-1, 20)
    assert (np.sort(epochs) == np.arange(20)).all()
    assert len({tuple(epoch) for epoch in epochs}) == len(epochs)


@pytest.mark.parametrize(
    ("layer_bytes", "expected"), [(0, 256), (2**20, 256), (2**20 + 4, 128), (2**24, 16), (2**40, 1)]
)
def test_large_maps_are_evaluated_few_at_once(layer_bytes, expected):
    assert batches.count_at_once(layer_bytes) == expected


@pytest.mark.parametrize("at_once", [1, 8, 256])
@pytest.mark.parametrize("total", [1, 197, 256, 257, 1000])
def test_every_example_is_evaluated_exactly_once(total, at_once):
    images = np.arange(total, dtype=np.int32).reshape(-1, 1, 1, 1)
    padded = batches.pad_batches(images, images.ravel(), at_once)
    assert padded.labels.shape[1] <= at_once
    kept = padded.mask.ravel() == 1
    np.testing.assert_array_equal(padded.images.ravel()[kept], images.ravel())
    np.testing.assert_array_equal(padded.labels.ravel()[kept], images.ravel())
    assert kept.sum() == total
