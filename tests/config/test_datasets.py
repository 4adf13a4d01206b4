"""What --dataset may be, and what is known of each."""

import pytest
import tensorflow_datasets as tfds

from cnnjax.config import datasets
from cnnjax.config.config import Config
from cnnjax.config.datasets import DataName, parse
from cnnjax.config.knobs import ConfigError
from cnnjax.data.builders import stand_in
from cnnjax.data.sources import list_sources, official


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("digits", DataName("built-in", "digits")),
        ("cifar10", DataName("tfds", "cifar10")),
        ("cifar10:3.0.2", DataName("tfds", "cifar10", "3.0.2")),
        ("emnist/balanced", DataName("tfds", "emnist/balanced")),
        ("imagenette/320px-v2:1.0.0", DataName("tfds", "imagenette/320px-v2", "1.0.0")),
        ("shapes/rotation=30+noise=60", DataName("built-in", "shapes/rotation=30+noise=60")),
        ("folder:/my:images", DataName("folder", "/my:images")),
        ("arrays:a.npz", DataName("arrays", "a.npz")),
        ("idx:here", DataName("idx", "here")),
    ],
)
def test_names_are_taken_apart(text, expected):
    assert parse(text) == expected
    assert Config(dataset=text).dataset == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mnits", "did you mean mnist?"),
        ("cifar:3.0.2", "did you mean cifar10"),
        ("cifar10:3", "did you mean cifar10?"),
        ("floder:x", "did you mean folder?"),
        ("folder:", "lacks a path"),
        ("qqqq", "a TFDS name such as"),
        ("imdb_reviews", "is not known"),
        ("digits/noise=9", "is not known"),
        ("shapes/", "behind shapes/ give rotation=0 to 180, noise=0 to 255"),
        ("shapes/size=3", "behind shapes/ give"),
        ("shapes/rotation=181", "behind shapes/ give"),
        ("shapes/noise=060", "behind shapes/ give"),
        ("shapes/noise=1.5", "behind shapes/ give"),
        # One set has one name.
        ("shapes/noise=60+rotation=30", "another name of shapes/rotation=30.noise=60: give"),
        ("shapes/noise=60+noise=60", "another name of shapes/noise=60: give"),
        ("gratings/noise=20", "another name of gratings: give"),
        ("gratings/rotation=0", "another name of gratings: give"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(text, message):
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        Config(dataset=text)


def test_sources_are_what_tfds_says():
    assert datasets.load_sources() == list_sources.collect()


def test_every_data_set_states_its_source():
    for name, known in datasets.load_sources().items():
        assert known["source"], name
    assert set(datasets.BUILT_IN) == set(official.BUILDERS)
    assert datasets.describe("digits")["licence"] == "CC BY 4.0"
    assert "Krizhevsky" in datasets.describe("cifar10:3.0.2")["citation"]
    assert datasets.describe("folder:/mine")["source"] == "/mine"


# What the parts of TFDS that prepare images call of TensorFlow. More in a new release than here,
# or another minor version, means that cnnjax/data/builders/stand_in.py must be read again.
CORE = {
    "download/downloader.py": {"io.gfile.copy", "errors.UnimplementedError"},
    "download/extractor.py": {"compat.as_text", "io.gfile.GFile"},
    "shuffle.py": {"io.gfile.GFile", "io.gfile.exists", "io.gfile.remove",
                   "errors.ResourceExhaustedError"},
    "writer.py": set(),
    "example_serializer.py": {"Tensor", "RaggedTensor"},
}  # fmt: skip


def test_the_stand_in_fits_this_tfds():
    assert tfds.__version__.startswith("4.9.")
    core = tfds.core.utils.tfds_path() / "core"
    for file, expected in CORE.items():
        found = stand_in.find_calls((core / file).read_text())
        assert found <= expected | set(stand_in.OFFERED), file


def test_calls_are_found_where_they_run():
    code = "def f(x: tf.Tensor) -> tf.data.Dataset:\n  return tf.io.gfile.GFile(x).read(tf.uint8)"
    assert stand_in.find_calls(code) == {"io.gfile.GFile", "uint8"}


@pytest.mark.parametrize(
    "name", ["mnist", "fashion_mnist", "kmnist", "emnist", "cifar10", "cifar100", "svhn_cropped",
             "imagenette", "imagenet2012", "imagenet_v2", "cifar10_corrupted"],
)  # fmt: skip
def test_common_data_sets_need_no_tensorflow(name):
    assert stand_in.find_missing(tfds.builder_cls(name)) == ()
