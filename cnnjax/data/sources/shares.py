"""What shares of its labels the classes of a split have."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import special

CHANCE = 0.001  # p below which classes are held to be unmixed
IMBALANCE = 0.1  # by how much the largest class may exceed its equal share without a note


def majority_share(labels: np.ndarray) -> float:
    """The share of the most frequent class: what a constant answer gets right."""
    return float(np.bincount(labels).max() / len(labels))


def describe_majority(class_names: Sequence[str], labels: np.ndarray) -> tuple[str, ...]:
    """A note where the largest class has much more than its equal share of the labels [n]."""
    counts, share = np.bincount(labels), majority_share(labels)
    if share <= 1 / (counts > 0).sum() + IMBALANCE:
        return ()
    largest = class_names[int(counts.argmax())]
    return (f"{100 * share:.0f}% of the test images are of class {largest}: to answer it always is"
            " right as often",)  # fmt: skip


def compare_shares(
    class_names: Sequence[str], labels: Mapping[str, np.ndarray], cut: Mapping[str, str]
) -> tuple[str, ...]:
    """Notes where a part that was cut by position has other shares of the classes than train.

    Data sets of TFDS lie in random order as a rule, and such parts are then as train is; `cut` has
    the split in TFDS's syntax of each. A note where chance makes such shares once in a thousand.
    """
    notes = []
    for split, text in cut.items():
        counts = np.stack([np.bincount(labels[name], minlength=len(class_names))
                           for name in ("train", split)])  # fmt: skip
        present = counts[:, counts.any(axis=0)]
        if present.shape[1] < 2:
            continue
        if test_unlike(present) < CHANCE:
            shares = counts / counts.sum(axis=1, keepdims=True)
            place = int(np.abs(shares[1] - shares[0]).argmax())
            notes.append(
                f"{split} is {text}, where {shares[1, place]:.1%} are of class"
                f" {class_names[place]} and {shares[0, place]:.1%} of train: the classes are not"
                f" mixed in the files (--{split}_split names another part)"
            )
    return tuple(notes)


def test_unlike(counts: np.ndarray) -> float:
    """Pearson's p of equal shares in both rows [2, classes], as scipy.stats.chi2_contingency gives.

    That takes half a second to import. Of two classes it is with Yates's correction.
    """
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    apart = np.abs(counts - expected)
    if counts.shape[1] == 2:
        apart -= np.minimum(0.5, apart)
    return float(special.chdtrc(counts.shape[1] - 1, (apart**2 / expected).sum()))
