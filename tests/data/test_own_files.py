"""A person's own images: folders, .npz and IDX files, whatever is in them."""

import os

import numpy as np
import pytest
from PIL import Image

from cnnjax.config.config import Config
from cnnjax.config.datasets import Where
from cnnjax.config.knobs import ConfigError, RunError
from cnnjax.data import load
from cnnjax.data.sources import folder, holdout, scan
from tests import true_formats
from tests.true_formats import encode

pytestmark = pytest.mark.usefixtures("own_cache")

GREY = np.arange(64, dtype=np.uint8).reshape(8, 8) * 3
RGB = np.stack([GREY, 255 - GREY, GREY // 2], -1)


def open_set(name, skip=False, **knobs):
    return load.load_dataset(Config(dataset=name, **knobs), Where(skip_bad_files=skip))


def write_classes(root, per_class=20, classes=("ant", "bee")):
    rng = np.random.default_rng(0)
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            pixels = rng.integers(0, 100, (8, 8)) + 100 * label
            (root / name / f"{number}.png").write_bytes(encode(pixels.astype(np.uint8), "PNG"))
    return root


def test_a_folder_of_classes_is_split_by_content(tmp_path):
    found = open_set(f"folder:{write_classes(tmp_path / 'images')}")
    assert [len(split.labels) for split in found[2:5]] == [32, 4, 4]
    assert [np.bincount(split.labels).tolist() for split in found[2:5]] == [
        [16, 16],
        [2, 2],
        [2, 2],
    ]
    assert found.train.images.shape == (32, 8, 8, 1)
    assert (found.train.images.mean((1, 2, 3)) > 100).astype(
        int
    ).tolist() == found.train.labels.tolist()


def test_the_fingerprint_follows_contents_and_not_names(tmp_path):
    one = write_classes(tmp_path / "one")
    two = write_classes(tmp_path / "two")
    (two / "ant" / "0.png").rename(two / "ant" / "zero.png")
    before = folder.open_source(os.fspath(one), tmp_path, False)
    assert before.find_hash() == folder.open_source(os.fspath(two), tmp_path, False).find_hash()
    (two / "ant" / "zero.png").write_bytes(encode(GREY, "PNG"))
    assert before.find_hash() != folder.open_source(os.fspath(two), tmp_path, False).find_hash()


def test_copies_never_straddle_splits_and_are_told(tmp_path):
    root = write_classes(tmp_path / "images")
    for number in range(20):
        raw = (root / "ant" / f"{number}.png").read_bytes()
        (root / "ant" / f"copy-{number}.png").write_bytes(raw)
        (root / "bee" / f"ant-{number}.png").write_bytes(raw)
    found = open_set(f"folder:{root}")
    kinds = [{image.tobytes() for image in split.images} for split in found[2:5]]
    assert not (kinds[0] & kinds[1] or kinds[0] & kinds[2] or kinds[1] & kinds[2])
    assert any("40 files are copies of others" in note for note in found.notes)
    assert any("20 images lie in several classes" in note for note in found.notes)


@pytest.mark.parametrize(
    ("splits", "sizes"),
    [
        (("train", "val", "test"), [24, 24, 24]),
        (("train", "test"), [21, 3, 24]),
        (("train", "val"), [21, 3, 24]),
        (("train",), [18, 3, 3]),
    ],
)
def test_folders_of_splits_are_kept(tmp_path, splits, sizes):
    root = true_formats.write_folder(tmp_path / "images", splits)
    found = open_set(f"folder:{root}", image_size=16)
    assert [len(split.labels) for split in found[2:5]] == sizes
    assert found.train.images.shape[1:] == (16, 16, 3)


def test_images_of_many_sizes_need_a_size(tmp_path):
    root = true_formats.write_folder(tmp_path / "images")
    with pytest.raises(ConfigError, match="images differ in size: give --image_size"):
        open_set(f"folder:{root}")


def test_eval_crop_reaches_the_pixels(tmp_path):
    root = true_formats.write_folder(tmp_path / "images")
    whole, cut = (
        open_set(f"folder:{root}", image_size=16, eval_crop=share) for share in (1.0, 0.875)
    )
    assert (whole.test.images != cut.test.images).any()
    assert whole.fingerprint != cut.fingerprint


def test_bad_files_are_listed_and_skipped_only_when_asked(tmp_path, capsys):
    root = write_classes(tmp_path / "images")
    (root / "ant" / "broken.png").write_bytes(encode(RGB, "PNG")[:60])
    (root / "bee" / "text.jpg").write_text("no image")
    (root / "bee" / "notes.txt").write_text("not looked at")
    with pytest.raises(
        RunError, match=r"2 of 42 files.*ant/broken.png \(.*bee/text.jpg \("
    ) as refusal:
        open_set(f"folder:{root}")
    assert "--skip_bad_files" in str(refusal.value)
    found = open_set(f"folder:{root}", skip=True)
    assert sum(len(split.labels) for split in found[2:5]) == 40
    assert any("skipped 2 files: ant/broken.png" in note for note in found.notes)
    assert capsys.readouterr() == ("", "")


def test_a_folder_is_read_whole_only_once(tmp_path, monkeypatch):
    root = write_classes(tmp_path / "images")
    open_set(f"folder:{root}")
    inspected = []
    inspect = scan.inspect
    monkeypatch.setattr(scan, "inspect", lambda path: inspected.append(path) or inspect(path))
    open_set(f"folder:{root}")
    assert not inspected
    (root / "bee" / "3.png").write_bytes(encode(GREY, "PNG"))
    open_set(f"folder:{root}")
    assert inspected == [(root / "bee" / "3.png").resolve()]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: None, "is not a folder"),
        (lambda root: root.mkdir(), "holds no images"),
        (lambda root: write_classes(root, classes=("ant",)), "has one class, ant"),
        (lambda root: [write_classes(root / "train"), write_classes(root / "val", classes=["fly"])],
         "class fly of test is not among those of train"),
    ],
)  # fmt: skip
def test_folders_that_cannot_be_learned_are_refused(tmp_path, make, message):
    make(tmp_path / "images")
    with pytest.raises(ConfigError, match=message):
        open_set(f"folder:{tmp_path / 'images'}")


def save_arrays(path, **arrays):
    np.savez(path, **arrays)
    return f"arrays:{path}"


def test_arrays_come_back_as_saved(tmp_path):
    images, labels = true_formats.make_images(50, (6, 5))
    more, others = true_formats.make_images(20, (6, 5), 1)
    name = save_arrays(
        tmp_path / "a.npz", x_train=images, y_train=labels, x_test=more, y_test=others
    )
    found = open_set(name)
    np.testing.assert_array_equal(found.test.images[..., 0], more)
    np.testing.assert_array_equal(found.test.labels, others)
    assert (len(found.train.labels), len(found.validation.labels)) == (40, 10)
    both = open_set(save_arrays(tmp_path / "b.npz", x=images, y=labels))
    assert [len(split.labels) for split in both[2:5]] == [30, 10, 10]


def test_arrays_of_floats_stay_floats(tmp_path):
    images = np.random.default_rng(0).normal(size=(30, 4, 4, 3))
    found = open_set(save_arrays(tmp_path / "a.npz", x=images, y=np.arange(30) % 2))
    assert found.train.images.dtype == np.float32
    kept = {image.tobytes() for image in images.astype(np.float32)}
    assert all(image.tobytes() in kept for image in found.train.images)


GOOD = {"x": np.zeros((20, 4, 4), np.uint8), "y": np.arange(20) % 2}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": np.zeros((20, 4))}, r"shape \(20, 4\)"),
        ({"x": np.zeros((20, 3, 8, 8))}, "channels first"),
        ({"x": np.zeros((20, 2, 16, 16))}, "channels first"),
        ({"x": np.zeros((20, 13, 16, 16))}, "channels first"),
        ({"x": np.full((20, 4, 4), np.nan)}, "NaN or infinity"),
        ({"y": np.arange(19)}, "one label for each of its 20 images"),
        ({"y": np.arange(20) - 1}, r"hold -1 \(1 of 20\), and a class is numbered from 0"),
        ({"y": np.linspace(0, 1, 20)}, "hold 0.0526.*a class is a whole number or text"),
        ({"x": np.array([None] * 20)}, "cannot be read: Object arrays"),
    ],
)
def test_arrays_that_are_no_images_are_refused(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        open_set(save_arrays(tmp_path / "a.npz", **{**GOOD, **changes}))


def test_files_of_several_images_are_counted_and_readers_that_only_write_passed_over(tmp_path):
    root = write_classes(tmp_path / "images")
    frames = [Image.fromarray(GREY + number) for number in range(3)]
    frames[0].save(root / "ant" / "film.gif", save_all=True, append_images=frames[1:])
    (root / "ant" / "readme.pdf").write_bytes(b"%PDF")
    notes = open_set(f"folder:{root}").notes
    said = "1 of the files hold several images, of which the first is read, such as ant/film.gif"
    assert any(said in note for note in notes)
    assert any("files without the ending of an image, such as ant/readme.pdf" in n for n in notes)


def test_a_broken_file_is_told_in_the_same_words_each_time(tmp_path):
    root = write_classes(tmp_path / "images")
    (root / "ant" / "0.png").write_bytes(b"no image")
    with pytest.raises(RunError) as caught:
        open_set(f"folder:{root}")
    assert "0x" not in str(caught.value) and "cannot identify image file it" in str(caught.value)


def test_a_file_that_changed_under_its_old_times_is_named(tmp_path):
    root = true_formats.write_folder(tmp_path / "images")
    path = sorted(root.rglob("*.*"))[0]
    opened = folder.open_source(os.fspath(root), tmp_path)
    raw, times = path.read_bytes(), path.stat()
    path.write_bytes(raw[:-9] + bytes(9))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(RunError, match=f"{path.name} has changed since it was looked at"):
        [example for split in opened.splits.values() for example in split]
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    again = folder.open_source(os.fspath(root), tmp_path, skip_bad_files=True)
    assert again.find_hash() != opened.find_hash()


def test_a_pattern_that_matches_nothing_is_no_group(tmp_path):
    root = write_classes(tmp_path / "images")
    with pytest.raises(ConfigError, match=r"--group_by=\(patient\\d\+\)\? does not match 40 of 40"):
        open_set(f"folder:{root}", group_by=r"(patient\d+)?")


def test_groups_too_few_to_hold_out_are_said(tmp_path):
    write_classes(tmp_path / "images")
    with pytest.raises(ConfigError, match=r"too few groups \(--group_by\)"):
        open_set(f"folder:{tmp_path / 'images'}", group_by=r"^\w+")


def test_splits_of_ones_own_files_are_not_asked_for(tmp_path):
    with pytest.raises(ConfigError, match="--train_split=train is for data sets of TFDS"):
        open_set(f"folder:{tmp_path}", train_split="train")


def test_splitting_by_hash_is_stratified_and_stable():
    hashes = [f"{number * 7919 % 1000:04}" for number in range(300)]
    labels = [number % 3 for number in range(300)]
    found = holdout.split_by_hash(hashes, labels, holdout.SHARES)
    assert {split: len(own) for split, own in found.items()} == {
        "train": 240,
        "test": 30,
        "validation": 30,
    }
    shuffled = list(reversed(range(300)))
    again = holdout.split_by_hash(
        [hashes[i] for i in shuffled], [labels[i] for i in shuffled], holdout.SHARES
    )
    assert {hashes[i] for i in found["test"]} == {hashes[shuffled[i]] for i in again["test"]}
