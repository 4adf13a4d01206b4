"""Labels mean what was given: one rule for all sources, and names that are kept."""

import numpy as np
import pytest
from scipy import io

from cnnjax.config.config import Config
from cnnjax.config.datasets import Where
from cnnjax.config.knobs import ConfigError
from cnnjax.data import load
from cnnjax.data.sources import check
from tests import true_formats

pytestmark = pytest.mark.usefixtures("own_cache")

COUNT = 40
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, 5, 6), dtype=np.uint8)
LABELS = np.arange(COUNT) % 2


def open_set(name):
    return load.load_dataset(Config(dataset=name), Where())


def test_text_is_one_class_whatever_its_form():
    """As of folders: e with an accent, as one character or two (NFC, NFD)."""
    found = check.read_text("labels", np.array(["e\u0301", "\u00e9 ", "a"]))
    assert found.tolist() == ["\u00e9", "\u00e9", "a"]


@pytest.fixture
def learn(tmp_path):
    """The data set of IMAGES with these labels."""

    def learn(labels, **others):
        np.savez(tmp_path / "a.npz", x=IMAGES, y=labels, **others)
        return open_set(f"arrays:{tmp_path / 'a.npz'}")

    return learn


def label_of(found):
    """The name of the class of each of IMAGES."""
    names = {
        image.tobytes(): found.class_names[label]
        for split in (found.train, found.validation, found.test)
        for image, label in zip(split.images[..., 0], split.labels, strict=True)
    }
    return [names[image.tobytes()] for image in IMAGES]


@pytest.mark.parametrize(
    "labels",
    [LABELS.astype(kind) for kind in (np.int64, np.uint8, np.float64, np.float16, bool)]
    + [LABELS[:, None], np.eye(2)[LABELS], np.eye(2, dtype=bool)[LABELS]],
)
def test_numbers_of_any_type_are_read_exactly(learn, labels):
    found = learn(labels)
    assert label_of(found) == [str(label) for label in LABELS] and found.num_classes == 2
    assert found.train.labels.dtype == np.int32
    assert not found.notes


@pytest.mark.parametrize("labels", [
    np.array(["cat", "dog"])[LABELS], np.array([b"cat", b"dog"])[LABELS],
    np.array([" cat", "dog  "])[LABELS],
])  # fmt: skip
def test_text_names_its_classes(learn, labels):
    found = learn(labels)
    assert found.class_names == ("cat", "dog")
    assert label_of(found) == [str(np.array(["cat", "dog"])[label]) for label in LABELS]


def test_numbers_with_gaps_are_so_many_classes_as_occur(learn):
    found = learn(np.array([0, 10, 20])[np.arange(COUNT) % 3])
    assert found.num_classes == 3 and found.class_names == ("0", "10", "20")
    assert "labels are 0, 10, 20: 3 classes, in this order" in found.notes


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS + np.int64(2**32), "hold 4294967296, and a class is a number up to 65535"),
        (LABELS * 10**9, "hold 1000000000, and a class is a number up to 65535"),
        (LABELS.astype(np.uint64) + np.uint64(2**63), "hold 9223372036854775808, and a class"),
        (LABELS - 1, r"hold -1 \(20 of 40\), and a class is numbered from 0 \(-1 often marks"),
        (LABELS / 2, "hold 0.5, and a class is a whole number or text"),
        (np.where(LABELS, np.nan, 0), "hold nan, and a class is a whole number or text"),
        (np.zeros(COUNT, int), "has one class, 0: nothing to learn"),
        (np.full(COUNT, "cat"), "has one class, cat: nothing to learn"),
        (np.ones((COUNT, 2)), "rows that are not a single 1 among zeros"),
        (np.zeros((COUNT, 2)), "rows that are not a single 1 among zeros"),
        (np.where(LABELS, "cat", " "), "hold ' ': give each image the name of its class"),
        (LABELS.astype(complex), "have type complex128: give integers or text"),
        (LABELS[:-1], "give one label for each of its 40 images"),
    ],
)
def test_what_is_no_class_is_refused_with_the_reason(learn, labels, message):
    with pytest.raises(ConfigError, match=message):
        learn(labels)


@pytest.mark.parametrize("kind", ["arrays", "idx", "folder"])
def test_a_class_that_is_only_tested_is_refused_by_every_source(tmp_path, kind):
    tested = np.where(np.arange(COUNT) % 4 == 3, 2, LABELS)
    path = tmp_path / "set"
    path.mkdir()
    if kind == "arrays":
        path = tmp_path / "set.npz"
        np.savez(path, x_train=IMAGES, y_train=LABELS, x_test=IMAGES, y_test=tested)
    for split, labels in (("train", LABELS), ("test", tested)):
        if kind == "idx":
            true_formats.write_idx(path / f"{split}-images-idx3-ubyte", IMAGES)
            true_formats.write_idx(path / f"{split}-labels-idx1-ubyte", labels)
        for index, label in enumerate(labels if kind == "folder" else ()):
            own = path / split / str(label)
            own.mkdir(parents=True, exist_ok=True)
            (own / f"{index}.png").write_bytes(true_formats.encode(IMAGES[index], "PNG"))
    with pytest.raises(ConfigError, match="class 2 of test is not among those of train"):
        open_set(f"{kind}:{path}")


def test_labels_of_unlike_kinds_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=IMAGES, y_train=LABELS, x_test=IMAGES,
             y_test=LABELS.astype(str))  # fmt: skip
    with pytest.raises(ConfigError, match="those of train are numbers and those of test are text"):
        open_set(f"arrays:{tmp_path / 'a.npz'}")


def test_a_plan_refuses_a_billion_classes_at_once(call, tmp_path):
    np.savez(tmp_path / "a.npz", x=IMAGES, y=LABELS * 10**9)
    run = call("-m", "experiments.train", "--plan", f"--dataset=arrays:{tmp_path / 'a.npz'}",
               timeout=60)  # fmt: skip
    assert run.returncode == 2 and run.stdout == ""
    assert "hold 1000000000" in run.stderr and run.stderr.count("\n") == 1


def check_labels(train, test):
    splits = {"train": np.array(train), "validation": np.array(train), "test": np.array(test)}
    return check.check_classes("d", ("a", "b", "c"), splits)


def test_what_is_odd_is_noted():
    assert check_labels([0] * 9 + [1, 1], [0] * 9 + [1]) == (
        "1 of 3 classes have no training image, such as c",
        "90% of the test images are of class a: to answer it always is right as often",
    )
    untested, single = check_labels([0, 1, 2], [0, 1])
    assert untested == "1 of 3 classes have no test image, such as c"
    assert "3 of 3 classes have a single training image: are these numbers" in single


def test_an_even_set_has_no_notes():
    assert check_labels([0, 1, 2] * 4, [0, 1, 2]) == ()


NAMES = [
    ("images", "labels"), ("data", "target"), ("X", "y"), ("X_train", "Y_train"),
    ("trainX", "trainY"), ("train_images", "train_labels"), ("imgs", "classes"),
]  # fmt: skip


@pytest.mark.parametrize(("x", "y"), NAMES)
@pytest.mark.parametrize("form", ["npz", "npy", "mat"])
def test_arrays_of_the_usual_names_are_read_and_said(tmp_path, x, y, form):
    path, arrays = tmp_path / f"set.{form}", {x: IMAGES, y: LABELS}
    if form == "npz":
        np.savez(path, **arrays)
    elif form == "mat":
        io.savemat(path, arrays)
    else:
        path = tmp_path / "set"
        path.mkdir()
        for name, values in arrays.items():
            np.save(path / f"{name}.npy", values)
    found = open_set(f"arrays:{path}")
    assert label_of(found) == [str(label) for label in LABELS]
    assert found.notes == (f"read as images and labels of train {x} and {y}",)


def test_a_file_of_matlab_that_counts_images_last(tmp_path):
    arrays = {"X": np.moveaxis(np.stack([IMAGES] * 3, -1), 0, -1), "y": LABELS[:, None] + 1}
    io.savemat(tmp_path / "svhn.mat", arrays)
    found = open_set(f"arrays:{tmp_path / 'svhn.mat'}")
    assert found.train.images.shape[1:] == (5, 6, 3)
    assert label_of(found) == [str(label + 1) for label in LABELS]
    assert any("counted along the last axis" in note for note in found.notes)


def test_text_labels_of_matlab(tmp_path):
    names = np.array(["cat", "dog"], object)[LABELS]
    io.savemat(tmp_path / "a.mat", {"images": IMAGES, "labels": names[:, None]})
    assert open_set(f"arrays:{tmp_path / 'a.mat'}").class_names == ("cat", "dog")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": IMAGES, "X": IMAGES, "y": LABELS}, "holds X and x, which may both be images"),
        ({"x": IMAGES, "y": LABELS, "x_test": IMAGES}, "holds x_test and no labels of test"),
        ({"pictures": IMAGES}, "holds pictures: give x_train, y_train, x_test, y_test, or x"),
    ],
)
def test_names_that_cannot_be_told_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ConfigError, match=message):
        open_set(f"arrays:{tmp_path / 'a.npz'}")


def test_what_is_not_read_is_said(learn):
    assert learn(LABELS, ids=np.arange(COUNT)).notes == (
        "read as images and labels of train x and y; not read: ids",
    )


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + bytes(400), "HDF5: save it with -v7"),
        (b"", "cannot be read: .*truncated"),
        (b"no such format" * 20, "cannot be read: "),
        (b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + b"\x0e\0\0\0\xff", "cannot be read: "),
    ],
)
def test_files_of_matlab_that_cannot_be_read_say_why(tmp_path, raw, message):
    (tmp_path / "a.mat").write_bytes(raw)
    with pytest.raises(ConfigError, match=message):
        open_set(f"arrays:{tmp_path / 'a.mat'}")


def test_objects_are_refused_with_what_to_do(learn):
    with pytest.raises(ConfigError, match=r"Object arrays.*: save text by labels.astype\(str\)"):
        learn(np.array(["a", "b"], object)[LABELS])
