"""Arrays and IDX files of one's own."""

import struct

import numpy as np
import pytest

from cnnjax.config.knobs import ConfigError, RunError
from cnnjax.data.sources import containers, files
from tests import true_formats
from tests.data.test_own_files import open_set, save_arrays

pytestmark = pytest.mark.usefixtures("own_cache")


def test_arrays_of_other_names_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="holds data: give x_train, y_train"):
        open_set(save_arrays(tmp_path / "a.npz", data=np.zeros(3)))
    (tmp_path / "text.npz").write_text("nothing")
    for name in ("missing", "text"):
        with pytest.raises(ConfigError, match=f"arrays:{tmp_path}/{name}.npz"):
            open_set(f"arrays:{tmp_path}/{name}.npz")


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_are_read(tmp_path, suffix):
    for split, seed in (("train", 0), ("t10k", 1)):
        images, labels = true_formats.make_images(40, (7, 7), seed)
        true_formats.write_idx(tmp_path / f"{split}-images-idx3-ubyte{suffix}", images)
        true_formats.write_idx(tmp_path / f"{split}-labels-idx1-ubyte{suffix}", labels)
    found = open_set(f"idx:{tmp_path}")
    np.testing.assert_array_equal(found.test.images[..., 0], images)
    np.testing.assert_array_equal(found.test.labels, labels)
    assert (len(found.train.labels), len(found.validation.labels)) == (30, 10)


def test_idx_files_that_are_not_whole_are_named(tmp_path):
    with pytest.raises(ConfigError, match="lacks train-images-idx3-ubyte"):
        open_set(f"idx:{tmp_path}")
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(struct.pack(">HBBIII", 0, 8, 3, 10, 4, 4) + bytes(100))
    with pytest.raises(RunError, match=f"{path} is not a whole IDX file"):
        containers.read_idx(path)


def test_a_mat_file_that_is_hdf5_says_how_to_save_it(tmp_path):
    header = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    (tmp_path / "a.mat").write_bytes(header + bytes(64))
    with pytest.raises(ConfigError, match=r"a \.mat file of v7\.3 is HDF5: save it with -v7"):
        open_set(f"arrays:{tmp_path / 'a.mat'}")


def test_an_archive_that_python_cannot_unpack_is_refused_in_its_words(tmp_path):
    name = save_arrays(tmp_path / "a.npz", x=np.zeros((20, 4, 4)), y=np.arange(20) % 2)
    raw = bytearray((tmp_path / "a.npz").read_bytes())
    for start in (raw.index(b"PK\x03\x04") + 8, raw.index(b"PK\x01\x02") + 10):
        raw[start] = 98  # a method of compression that Python lacks
    (tmp_path / "a.npz").write_bytes(raw)
    with pytest.raises(ConfigError, match="cannot be read: .*compression"):
        open_set(name)


def test_all_splits_are_counted_along_one_axis():
    images, labels = true_formats.make_images(60, (28, 28))
    last = np.moveaxis(images, 0, -1)
    pairs = {"train": (last, labels), "test": (last[..., :28], labels[:28])}  # 28x28x28: either
    found = files.make_source("arrays:x", pairs)
    np.testing.assert_array_equal(found.splits["test"].images[..., 0], images[:28])
    with pytest.raises(ConfigError, match="images of test are .* the last axis, those of train"):
        files.make_source("arrays:x", {"train": (images, labels), "test": pairs["train"]})


def test_images_that_train_and_test_are_told():
    images, labels = true_formats.make_images(60, (6, 5))
    apart = files.make_source("arrays:x", {"train": (images[:40], labels[:40]),
                                           "test": (images[40:], labels[40:])})  # fmt: skip
    assert not any("several splits" in note for note in apart.notes)
    leaked = files.make_source("arrays:x", {"train": (images, labels),
                                            "test": (images[:20], labels[:20])})  # fmt: skip
    assert any(note.endswith(" images lie in several splits") for note in leaked.notes)
