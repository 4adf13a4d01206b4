"""Patches of real photographs as TFDS builders: of scikit-learn's two, of scikit-image's dozen."""

import importlib.util
import pathlib
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from cnnjax.config import installed
from cnnjax.config.knobs import RunError
from cnnjax.data.builders import patches
from cnnjax.data.builders.generated import make_info
from cnnjax.data.builders.patches import Patch

TRAIN, SEED = 8000, 104  # patches drawn, and by which seed
ROWS, COLUMNS, REGIONS = 6, 3, 24  # of each of the two photographs; and those that are classes
PHOTOS = (
    "astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png",
    "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png", "motorcycle_left.png",
    "rocket.jpg",
)  # fmt: skip
LARGEST = 512  # pixels of a photograph along each axis, about its middle: no class has many more
EXTRA = "images"


def find_regions() -> list[np.ndarray]:
    """The regions of scikit-learn's two photographs that are classes, grey."""
    from sklearn import datasets

    found = datasets.load_sample_images()["images"]
    grey = [patches.to_grey(own) for own in found]
    regions = [region for own in grey for region in patches.cut_grid(own, ROWS, COLUMNS)]
    return patches.choose(regions, REGIONS)


def find_photos() -> list[np.ndarray]:
    """The middles of scikit-image's photographs, grey. Raises RunError where it is lacking."""
    from PIL import Image

    folder = find_folder()
    found = [np.asarray(Image.open(folder / name)) for name in PHOTOS]
    return [patches.to_grey(patches.cut_middle(own, LARGEST)) for own in found]


class _Patches:
    """What both share: `FIND()` gives a grey region a class."""

    VERSION = tfds.core.Version("1.0.0")
    FIND: Any

    def _describe(self, description: str, classes: list[str], citation: str, license: str):
        shape = (patches.SIDE, patches.SIDE, 1)
        return make_info(
            self, description, shape, classes, citation=citation, license=license, clusters=True
        )

    def _split_generators(self, dl_manager):
        regions = self.FIND()
        return {
            "train": self._generate_examples(patches.draw(regions, TRAIN, SEED)),
            "validation": self._generate_examples(patches.lay_out(regions, "validation")),
            "test": self._generate_examples(patches.lay_out(regions, "test")),
        }

    def _generate_examples(self, found: list[Patch]):
        images = patches.to_bytes(found)
        for place, (image, own) in enumerate(zip(images, found, strict=True)):
            yield place, {"image": image, "label": own.label, "cluster": own.cluster}


class CnnjaxPatches(_Patches, tfds.core.GeneratorBasedBuilder):
    """Which of 24 regions of two photographs a patch is of."""

    FIND = staticmethod(find_regions)

    def _info(self):
        return self._describe(
            "32x32 patches of scikit-learn's two photographs; the class is the region.",
            [f"region {number}" for number in range(REGIONS)],
            "Photographs by danielbuechele and vultilion, in scikit-learn, load_sample_images.",
            "CC BY 2.0",
        )


class CnnjaxPhotos(_Patches, tfds.core.GeneratorBasedBuilder):
    """Which of a dozen photographs a patch is of."""

    FIND = staticmethod(find_photos)

    def _info(self):
        return self._describe(
            "32x32 patches of a dozen of scikit-image's photographs; the class is the photograph.",
            [name.partition(".")[0] for name in PHOTOS],
            "Photographs of scikit-image, skimage.data.", "mostly CC0 1.0; see skimage.data",
        )  # fmt: skip


def find_folder() -> pathlib.Path:
    """Where scikit-image has its photographs. Raises RunError where it is not installed."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise RunError(f"photos are those of scikit-image: {installed.how_to_add(EXTRA)}")
    return pathlib.Path(next(iter(spec.submodule_search_locations))) / "data"
