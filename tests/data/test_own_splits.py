"""What is held out of a person's images, what stays together, and what data are known by."""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from scipy import io

from cnnjax import api
from cnnjax.config import datasets as datasets_lib
from cnnjax.config.config import Config, request_of
from cnnjax.config.datasets import Request, Where
from cnnjax.config.knobs import ConfigError
from cnnjax.data import load, outlook
from cnnjax.data.sources import holdout, official, prepared, shares, whole
from cnnjax.records import atomic
from cnnjax.records.address import record_id
from cnnjax.records.packed import unpack_values
from cnnjax.runs import train
from cnnjax.study import wanted
from tests.true_formats import encode

OPTAX = True  # see conftest.py
pytestmark = pytest.mark.usefixtures("own_cache")


def open_set(name, **knobs):
    return load.load_dataset(Config(dataset=name, **knobs), Where())


def write_patients(root, split="", patients=range(30), per_patient=4, seed=0):
    """Images [6, 6] of two classes, several of each patient, whose number is their first pixel."""
    rng = np.random.default_rng(seed)
    for patient in patients:
        own = root / split / ("ill", "well")[patient % 2]
        own.mkdir(parents=True, exist_ok=True)
        for number in range(per_patient):
            pixels = rng.integers(0, 100, (6, 6), dtype=np.uint8) + np.uint8(150 * (patient % 2))
            pixels[0, 0] = patient
            (own / f"patient{patient:02}-{number}.png").write_bytes(encode(pixels, "PNG"))
    return f"folder:{root}"


def patients_of(split):
    return split.images[:, 0, 0, 0]


def test_a_group_lies_in_one_split_and_names_the_clusters(tmp_path):
    name = write_patients(tmp_path / "images")
    found = open_set(name, group_by=r"patient\d+")
    seen = [set(patients_of(split)) for split in found[2:5]]
    assert sum(map(len, seen)) == len(set.union(*seen)) == 30
    assert [np.bincount(split.labels).tolist() for split in found[2:5]] == [
        [52, 52], [4, 4], [4, 4]
    ]  # fmt: skip
    assert found.cluster is not None and found.cluster.dtype == np.int32
    pairs = set(zip(found.cluster.tolist(), patients_of(found.test).tolist(), strict=True))
    assert len(pairs) == len(set(found.cluster.tolist())) == len(seen[2])
    apart = open_set(name)
    seen = [set(patients_of(split)) for split in apart[2:5]]
    assert seen[0] & seen[2] and apart.cluster is None  # why it must be asked for
    assert apart.fingerprint != found.fingerprint


def test_groups_of_the_pattern_are_what_is_compared(tmp_path):
    name = write_patients(tmp_path / "images")
    whole = open_set(name, group_by=r"(patient\d+)-\d")
    assert whole.fingerprint == open_set(name, group_by=r"patient\d+").fingerprint


def test_a_group_in_the_folders_of_two_splits_is_refused(tmp_path):
    write_patients(tmp_path / "images", "train")
    name = write_patients(tmp_path / "images", "test", range(28, 36), seed=1)
    with pytest.raises(ConfigError, match="2 of 36 groups of --group_by lie in several splits"):
        open_set(name, group_by=r"patient\d+")
    shutil.rmtree(tmp_path / "images" / "test")
    write_patients(tmp_path / "images", "test", range(30, 36), seed=1)
    found = open_set(name, group_by=r"patient\d+")
    assert len(set(found.cluster.tolist())) == 6 and len(found.cluster) == 24


@pytest.mark.parametrize(
    ("dataset", "pattern", "message"),
    [
        ("digits", "patient", "--group_by=patient reads the paths of folder:PATH, and digits has"),
        ("", "scan", "--group_by=scan does not match 120 of 120 paths"),
    ],
)
def test_a_pattern_that_reads_nothing_is_refused(tmp_path, dataset, pattern, message):
    dataset = dataset or write_patients(tmp_path / "images")
    with pytest.raises(ConfigError, match=message):
        load.load_info(Config(dataset=dataset, group_by=pattern), Where())


def test_a_pattern_that_is_none_is_refused():
    with pytest.raises(ConfigError, match=r"--group_by=\(a is no regular expression"):
        Config(dataset="folder:x", group_by="(a")


@pytest.mark.parametrize("sizes", [(20, 20), (200, 20), (90, 5, 30), (3, 3)])
def test_what_is_held_out_is_stratified_and_any_first_part_of_train_too(sizes):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    hashes = [f"{number * 7919 % 10007:05}" for number in range(len(labels))]
    found = holdout.split_by_hash(hashes, labels.tolist(), holdout.SHARES)
    for split in holdout.SHARES:
        counts = np.bincount(labels[found[split]], minlength=len(sizes))
        assert (np.abs(counts - np.array(sizes) / 10) <= 1).all() and counts.min() >= 1
    train = labels[found["train"]]
    shares = np.bincount(train) / len(train)
    for first in range(1, len(train)):
        counts = np.bincount(train[:first], minlength=len(sizes))
        assert (np.abs(counts - first * shares) <= len(sizes) / 2 + 0.5).all()
    assert sorted(sum(found.values(), [])) == list(range(len(labels)))


def test_the_same_bytes_elsewhere_have_the_same_address_and_train_nothing(tmp_path, tiny):
    first, second = tmp_path / "one", tmp_path / "my other"
    write_patients(first)
    shutil.copytree(first, second)
    counts, arms = [], []
    for path in (first, second):
        config = dataclasses.replace(
            tiny, dataset=f"folder:{path}", pool_every=1, group_by=r"patient\d+"
        )
        datasets = {request_of(config): load.load_dataset(config, Where())}
        done = api.train_wanted(wanted.fixed([config]), datasets, api.Options(tmp_path / "runs"))
        (record,) = done.records.values()
        counts.append(done.num_trained)
        arms.append(record.config["dataset"])
        clusters = unpack_values(record.scores["by_image"]["cluster"])
        assert len(clusters) == 8 and len(set(clusters.tolist())) == 2
        assert record.provenance["class_names"] == ["ill", "well"]
    assert counts == [1, 0] and arms == [f"folder:{first}", f"folder:{second}"]


def test_a_run_goes_on_with_the_same_bytes_elsewhere(tmp_path):
    provenance = {"origin": {"program": "a", "data": "b"}}
    for path in ("one", "other"):
        train.claim(tmp_path, Config(dataset=f"folder:{path}"), provenance)
    with pytest.raises(ConfigError, match="of other code or data"):
        other = {"origin": {"program": "a", "data": "c"}}
        train.claim(tmp_path, Config(dataset="folder:one"), other)
    with pytest.raises(ConfigError, match="holds a run with --dataset=folder:one, not digits"):
        train.claim(tmp_path, Config(), provenance)


IMAGES = np.random.default_rng(0).integers(0, 256, (40, 64), dtype=np.uint8)
SHAPE, LABELS = (40, 8, 8), np.arange(40) % 2


@pytest.mark.parametrize("change", [
    {"x": IMAGES.reshape(40, 4, 16)}, {"x": IMAGES.reshape(40, 4, 4, 4)},
    {"y": np.array(["cat", "dog"])[LABELS]}, {"y": LABELS + 1},
    {"x": IMAGES.reshape(SHAPE).astype(np.float32)},
])  # fmt: skip
def test_shape_type_and_names_are_part_of_the_fingerprint(tmp_path, change):
    same = {"x": IMAGES.reshape(SHAPE), "y": LABELS}
    np.savez(tmp_path / "a.npz", **same)
    np.savez(tmp_path / "b.npz", **{**same, **change})
    io.savemat(tmp_path / "c.mat", same)
    one, other, again = (
        open_set(f"arrays:{tmp_path / file}").fingerprint for file in ("a.npz", "b.npz", "c.mat")
    )
    assert one == again != other


def test_the_address_has_the_kind_of_ones_own_files_and_not_their_path():
    one, other = (Config(dataset=f"folder:{path}") for path in ("a", "b"))
    assert record_id(one, {}) == record_id(other, {})
    assert record_id(one, {}) != record_id(Config(dataset="arrays:a"), {})


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (["train"], ("train[:80%]", "train[80%:90%]", "train[90%:]")),
        (["full"], ("full[:80%]", "full[80%:90%]", "full[90%:]")),
        (["train", "unlabelled"], ("train[:80%]", "train[80%:90%]", "train[90%:]")),
        (["train", "test"], ("train[:90%]", "train[90%:]", "test")),
        (["train", "validation"], ("train[:90%]", "train[90%:]", "validation")),
    ],
)
def test_what_a_set_of_tfds_lacks_is_held_out_of_train(own, expected):
    request = Request(dataset="x", **dict.fromkeys(Request._fields[1:], ""))
    assert prepared.find_splits("x", own, request) == expected
    with pytest.raises(ConfigError, match=r"such as --train_split=a\[:80%\] --validation_split="):
        prepared.find_splits("x", ["a", "b"], request)


def test_a_set_of_tfds_with_train_alone_is_learned(tmp_path, digits, data_dir):
    shutil.copytree(data_dir, tmp_path / "data")
    (about,) = (tmp_path / "data" / "cnnjax_digits").rglob("dataset_info.json")
    info = json.loads(about.read_text())
    info["splits"] = [split for split in info["splits"] if split["name"] == "train"]
    about.write_text(json.dumps(info))
    about.with_name(whole.NAME).unlink(missing_ok=True)  # as others prepare it
    where = Where(os.fspath(tmp_path / "data"))
    found = load.load_dataset(Config(), where)
    assert [len(split.labels) for split in found[2:5]] == [480, 60, 60]
    assert found.notes[0].startswith("has no test images: train is train[:80%], validation")
    with pytest.raises(ConfigError, match=r"--validation_split=train\[80%:90%\] \(default\)"):
        load.load_dataset(Config(train_split="train"), where)


def test_a_plan_says_the_share_of_the_largest_class(tmp_path):
    write_patients(tmp_path / "images", patients=range(0, 36, 2))
    name = write_patients(tmp_path / "images", patients=[1, 3])
    said = outlook.describe_feed(Config(dataset=name), Where(), 2**30)
    assert "; 2 classes, the largest 87.5% of the test images" in said
    assert "note: " in said and "88% of the test images are of class ill" in said
    assert any("88% of the test images are of class ill" in note for note in open_set(name).notes)


@pytest.fixture
def sealed(tmp_path, monkeypatch):
    """A home in which nothing can be written, even by root."""
    (tmp_path / "home").write_text("no folder")
    monkeypatch.setenv("HOME", os.fspath(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path / "home" / "cache"))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)


def test_embedded_data_need_no_home(sealed, digits):
    found = open_set("digits")
    assert found.fingerprint == digits.fingerprint and not found.notes


def test_a_cache_falls_back_to_a_temporary_folder_with_a_note(sealed, tmp_path):
    found = open_set(write_patients(tmp_path / "images"))
    assert "cannot be written: " in found.notes[0] and "is used until this ends" in found.notes[0]
    instead = official.cache_dir()
    assert instead != official.wanted_cache() and instead == official.cache_dir()
    assert (instead / "folders").is_dir()


def test_a_folder_that_can_be_written_is_kept(tmp_path):
    assert atomic.find_writable(tmp_path / "new") == tmp_path / "new"
    assert atomic.find_writable(pathlib.Path("~/unknown")).is_dir()


def test_matplotlib_says_nothing_of_a_home_that_cannot_be_written(tmp_path):
    (tmp_path / "home").write_text("no folder")
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "MPLCONFIGDIR"))}
    code = "import cnnjax.report.scoreboard"
    for own in ({}, {"MPLCONFIGDIR": os.fspath(tmp_path / "home" / "mpl")}):
        run = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True,
            env={**keep, "HOME": os.fspath(tmp_path / "home"), **own},
        )  # fmt: skip
        assert run.returncode == 0 and run.stderr == ""


def test_parts_cut_from_files_in_order_of_class_are_named():
    labels = {"train": np.repeat([0, 1], [500, 300]), "validation": np.repeat([0, 1], [5, 95]),
              "test": np.repeat([0, 1], [60, 40])}  # fmt: skip
    cut = {"validation": "train[80%:90%]", "test": "train[90%:]"}
    (note,) = shares.compare_shares(["cat", "dog"], labels, cut)
    assert note.startswith("validation is train[80%:90%], where 5.0% are of class cat and 62.5% of")
    assert not shares.compare_shares(["cat", "dog"], labels, {})


def test_a_set_of_tfds_says_which_parts_were_cut(data_dir):
    where = Where(os.fspath(data_dir))
    name, request = datasets_lib.parse("digits"), request_of(Config())
    assert prepared.open_source(name, request, where).cut == {}
    asked = request._replace(train_split="train[:50%]", validation_split="train[90%:]")
    assert prepared.open_source(name, asked, where).cut == {}  # as asked for


@pytest.mark.parametrize(
    ("sizes", "knobs", "words"),
    [
        ([(6, 8)], {"image_size": 16}, "images of 6x8 are enlarged to 16x16"),
        ([(8, 8)], {"image_size": 8}, ""),
        ([(20, 8), (30, 20)], {"image_size": 16}, "images looked at, the smallest 20x8, are enl"),
        ([(16, 16)], {"image_size": 16, "eval_crop": 0.5}, "the central 50.0% of images of 16x16"),
    ],
)
def test_what_the_host_enlarges_is_said(tmp_path, sizes, knobs, words):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for index in range(20):
            pixels = rng.integers(0, 256, sizes[index % len(sizes)], np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{index}.png")
    config = Config(dataset=f"folder:{tmp_path / 'images'}", **knobs)
    notes = [note for note in load.load_dataset(config, Where()).notes if "enlarged" in note]
    assert len(notes) == bool(words) and words in "".join(notes)
    said = outlook.describe_feed(config, Where(), 2**30)
    assert said.count("enlarged to") == bool(words)
