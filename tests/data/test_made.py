"""Data sets from outside: a function that gives arrays, or a builder of TFDS."""

import dataclasses
import os

import numpy as np
import pytest

from cnnjax.config import datasets, register, texts
from cnnjax.config.config import Config, make_config
from cnnjax.config.datasets import Where
from cnnjax.config.knobs import ConfigError
from cnnjax.data import load, outlook
from cnnjax.records.remembered import remember
from tests.by_hand import make_records

CLASSES = ["dark", "bright"]
NAMES = ["cat", "ant", "dog"]


@pytest.fixture(autouse=True)
def nothing_stays_declared(monkeypatch):
    monkeypatch.setitem(register.CHOICES, "dataset", {})


def make_arrays(count=60, **more):
    rng = np.random.default_rng(count)
    labels = np.arange(count) % 2 * 2
    return {"x": rng.normal(labels[:, None, None], 1, (count, 6, 5)), "y": labels, **more}


def declare(make, name="made"):
    register.dataset(name)(make)
    return Config(dataset=name)


def test_arrays_of_a_function_are_a_data_set():
    calls = []

    def make():
        """Noise of two brightnesses."""
        calls.append(1)
        train, test = make_arrays(60), make_arrays(40)
        return {"x_train": train["x"], "y_train": train["y"], "x_test": test["x"],
                "y_test": test["y"], "class_names": NAMES}  # fmt: skip

    config = declare(make)
    assert load.load_info(config, Where()) == ((6, 5, 1), 3)
    assert outlook.count_split(config, Where(), "test") == 40
    found = load.load_dataset(config, Where())
    assert found.class_names == ("cat", "ant", "dog") and found.num_classes == 3
    assert set(found.test.labels) == {0, 2} and len(found.validation.labels) > 0
    assert "60 training" not in outlook.describe_feed(config, Where(), 2**30)
    assert len(calls) == 1


def test_its_contents_are_its_fingerprint():
    prints = set()
    for index, count in enumerate((60, 60, 80)):
        config = declare(lambda count=count: make_arrays(count), f"made{index}")
        prints.add(load.load_dataset(config, Where()).fingerprint)
    assert len(prints) == 3  # the name counts too
    same = [load.load_dataset(Config(dataset="made0"), Where()).fingerprint for _ in range(2)]
    assert same[0] == same[1] in prints


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ([1, 2], "gives list: return a dict with x_train"),
        ({"pixels": np.zeros(3), "x": 0}, "holds x and no labels of train|both|holds"),
        (make_arrays(class_names=["a", "b"]), "labels of train are not all numbers from 0 to 1"),
        (make_arrays() | {"y": np.zeros(60)}, "has one class"),
    ],
)  # fmt: skip
def test_what_is_no_data_set_is_refused(made, message):
    with pytest.raises(ConfigError, match=f"--dataset=made.*({message})"):
        load.load_dataset(declare(lambda: made), Where())


def test_a_name_is_new_and_is_offered():
    for name in ("mnist", "digits", "folder"):
        with pytest.raises(ConfigError, match=f"--dataset={name} is there already"):
            register.dataset(name)(make_arrays)
    with pytest.raises(ConfigError, match="cannot be a name"):
        register.dataset("a:b")(make_arrays)
    declare(make_arrays, "stripes")
    with pytest.raises(ConfigError, match="stripe is not known: did you mean stripes"):
        make_config({"dataset": "stripe"})
    assert datasets.describe("stripes")["source"] == "test_made.py"


def test_its_text_is_kept_and_no_part_of_an_address():
    config = declare(make_arrays)
    assert texts.texts_of(config) == {}
    assert "def make_arrays" in texts.texts_of(config, data=True)["tests/data/test_made.py"]


def test_records_of_one_that_is_not_loaded_can_be_judged():
    records = [record._replace(config={**record.config, "dataset": "gone"})
               for record in make_records(1)]  # fmt: skip
    with pytest.raises(ConfigError, match="--dataset=gone is not known"):
        Config(dataset="gone")
    remember(records)
    assert make_config({"dataset": "gone"}).dataset == "gone"
    with pytest.raises(ConfigError, match="of a plug-in that is not loaded: --plugin"):
        load.load_dataset(Config(dataset="gone"), Where())
    declare(make_arrays, "gone")
    assert load.load_info(Config(dataset="gone"), Where()) == ((6, 5, 1), 2)


def test_its_splits_are_its_own():
    config = dataclasses.replace(declare(make_arrays), train_split="train[:10%]")
    with pytest.raises(ConfigError, match="made is split by its own folders or arrays"):
        load.load_info(config, Where())


@pytest.fixture
def builder():
    import tensorflow_datasets as tfds

    with tfds.core.registered.skip_registration():  # or TFDS lists it for all tests

        class Made(tfds.core.GeneratorBasedBuilder):
            """Noise of two brightnesses."""

            VERSION = tfds.core.Version("1.0.0")

            def _info(self):
                image = tfds.features.Tensor(shape=(6, 5, 1), dtype=np.uint8)
                features = {"image": image, "label": tfds.features.ClassLabel(names=CLASSES)}
                return tfds.core.DatasetInfo(
                    builder=self, features=tfds.features.FeaturesDict(features)
                )

            def _split_generators(self, dl_manager):
                return {"train": self._generate_examples(60), "test": self._generate_examples(20)}

            def _generate_examples(self, count):
                for index in range(count):
                    image = np.full((6, 5, 1), 100 * (index % 2) + index, np.uint8)
                    yield index, {"image": image, "label": index % 2}

    return Made


def test_a_builder_of_tfds_is_described_unprepared(builder, tmp_path):
    config = declare(builder)
    where = Where(os.fspath(tmp_path))
    assert datasets.parse("made").kind == "builder"
    assert load.load_info(config, where) == ((6, 5, 1), 2)
    assert outlook.count_split(config, where, "test") is None
    builder(data_dir=tmp_path, file_format="array_record").download_and_prepare()
    found = load.load_dataset(config, where)
    assert found.class_names == ("dark", "bright") and len(found.test.labels) == 20
    half = dataclasses.replace(config, train_split="train[:50%]")
    assert len(load.load_dataset(half, where).train.labels) == 30
