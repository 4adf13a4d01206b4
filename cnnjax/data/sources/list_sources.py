"""Writes sources.json: what is known of every data set that --dataset can name.

    python -m cnnjax.data.sources.list_sources

From TFDS's own metadata and our builders; run it when TFDS changes (a test compares).
"""

import json
import pathlib
import tempfile
from typing import Any

import tensorflow_datasets as tfds

from cnnjax.config import datasets
from cnnjax.config.datasets import BUILT_IN
from cnnjax.data.builders import stand_in
from cnnjax.data.sources import official

PATH = pathlib.Path(datasets.__file__).with_name("sources.json")
OWN = {
    "digits": "scikit-learn, load_digits",
    "mnist1d": "the mnist1d package, by its default seed",
    "scans": "scikit-learn, load_digits, placed by cnnjax from a fixed seed",
    "patches": "scikit-learn, load_sample_images, cut by cnnjax from a fixed seed",
    "photos": "scikit-image, skimage.data, cut by cnnjax from a fixed seed",
}
DRAWN = "drawn by cnnjax from a fixed seed"


def describe(builder: tfds.core.DatasetBuilder, source: str = "") -> dict[str, Any]:
    """Source, licence and citation of one data set, and what preparing it needs."""
    info = builder.info
    stated = info.redistribution_info.license if info.redistribution_info else ""
    described: dict[str, Any] = {
        "source": source or info.homepage,
        "licence": stated or getattr(info, "license", None) or "",
        "citation": info.citation.strip(),
    }
    if type(builder).BUILDER_CONFIGS:
        described["configs"] = [config.name for config in type(builder).BUILDER_CONFIGS]
    if stand_in.find_missing(type(builder)):
        described["needs_tensorflow"] = True
    return described


def find_official() -> dict[str, dict[str, Any]]:
    """Every TFDS builder with images and class labels, by name."""
    found = {}
    with tempfile.TemporaryDirectory() as nowhere:
        for name in tfds.list_builders(with_community_datasets=False):
            if name.startswith("cnnjax_"):
                continue
            try:
                builder = tfds.builder(name, data_dir=nowhere)
                official.find_features(builder)
            except Exception:  # of 260 builders many are no images, or need more to be described
                continue
            found[name] = describe(builder)
    return found


def collect() -> dict[str, dict[str, Any]]:
    """All of sources.json."""
    with tempfile.TemporaryDirectory() as nowhere:
        own = {
            name: describe(official.make_builder(name, pathlib.Path(nowhere)), OWN.get(name, DRAWN))
            for name in BUILT_IN
        }
    return own | find_official()


if __name__ == "__main__":
    text = json.dumps(collect(), indent=1, ensure_ascii=False, sort_keys=True)
    PATH.write_text(text + "\n", encoding="utf-8")
