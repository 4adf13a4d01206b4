"""The scikit-learn digits as a TFDS builder: 1,797 scans of 8x8 pixels, 17 grey levels.

The splits are fixed by `digits_order.txt`, a stored permutation: 600 training, 197 validation
and 1,000 test images, each stratified by class. Every tenth of the training split holds the
classes in near equal numbers, so that its first n images are stratified too.
"""

import pathlib

import numpy as np
import tensorflow_datasets as tfds

from cnnjax.data.builders.embedded import EmbeddedInfo

SPLITS = {"train": (0, 600), "validation": (600, 797), "test": (797, 1797)}

CITATION = """@misc{alpaydin1998optical,
  author = {Alpaydin, E. and Kaynak, C.},
  title = {Optical Recognition of Handwritten Digits},
  howpublished = {UCI Machine Learning Repository},
  year = {1998},
  doi = {10.24432/C50P49}
}"""


def load_order() -> np.ndarray:
    """The stored permutation: indices [1797] into scikit-learn's images, split after split."""
    text = pathlib.Path(__file__).with_name("digits_order.txt").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if not line.startswith("#")]
    return np.array(" ".join(rows).split(), dtype=np.int64)


class CnnjaxDigits(tfds.core.GeneratorBasedBuilder):
    """Handwritten digits as bundled with scikit-learn. Pixels are 0 to 16."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return EmbeddedInfo(
            builder=self,
            description="Handwritten digits of 8x8 pixels, the test half of the UCI set.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Tensor(shape=(8, 8, 1), dtype=np.uint8),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            citation=CITATION,
            license="CC BY 4.0",
            disable_shuffling=True,  # the stored order is the order of the examples
        )

    def _split_generators(self, dl_manager):
        order = load_order()
        return {name: self._generate_examples(order[slice(*span)]) for name, span in SPLITS.items()}

    def _generate_examples(self, indices):
        # Imported here: reading prepared examples needs no scikit-learn.
        from sklearn import datasets

        pixels, labels = datasets.load_digits(return_X_y=True)
        images = np.asarray(pixels).reshape(-1, 8, 8, 1).astype(np.uint8)
        for position, index in enumerate(indices):
            yield position, {"image": images[index], "label": int(labels[index])}
