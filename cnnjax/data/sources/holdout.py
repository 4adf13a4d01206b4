"""What is held out of train where a split has no examples of its own."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

SHARES = {"test": 0.1, "validation": 0.1}  # of a set without splits of its own; the rest trains


def find_units(*properties: Sequence[Hashable]) -> np.ndarray:
    """What must stay together: the unit [n] of each example, numbered from 0.

    Two examples that agree in a property are of one unit, be it by way of others.
    """
    above = list(range(len(properties[0])))

    def find(index: int) -> int:
        while above[index] != index:
            above[index] = above[above[index]]
            index = above[index]
        return index

    for values in properties:
        first: dict[Hashable, int] = {}
        for index, value in enumerate(values):
            above[find(index)] = find(first.setdefault(value, index))
    roots = [find(index) for index in range(len(above))]
    return np.unique(roots, return_inverse=True)[1] if roots else np.zeros(0, np.int64)


def split_by_hash(
    hashes: Sequence[str],
    labels: Sequence[Any],
    shares: Mapping[str, float],
    groups: Sequence[Hashable] | None = None,
) -> dict[str, list[int]]:
    """Positions of `train` and of each share, stratified by class.

    Which split an example falls into follows from its content, so that copies of one image (even
    under several classes) never straddle two; nor do examples of one of `groups`. Any first part
    of train is stratified too; the others are in the order of the hashes.
    """
    units = find_units(hashes, *([] if groups is None else [groups]))
    order = sorted(range(len(hashes)), key=lambda index: (hashes[index], index))
    members: dict[int, list[int]] = {}
    for index in order:
        members.setdefault(int(units[index]), []).append(index)
    by_class: dict[Hashable, dict[int, int]] = {}  # class -> its units and their sizes
    for unit, own in members.items():
        label = Counter(labels[index] for index in own).most_common(1)[0][0]
        by_class.setdefault(label, {})[unit] = len(own)
    place: dict[int, str] = {}
    for sizes in by_class.values():
        place |= place_units(sizes, shares)
    found: dict[str, list[int]] = {split: [] for split in ("train", *shares)}
    for index in order:
        found[place[int(units[index])]].append(index)
    mixed = mix_classes([labels[index] for index in found["train"]])
    return found | {"train": [found["train"][index] for index in mixed]}


def place_units(sizes: Mapping[int, int], shares: Mapping[str, float]) -> dict[int, str]:
    """The split of each unit of one class, given their sizes in the order in which they go.

    Each share takes what fits into it, and at least one unit where there are enough of them.
    """
    total, left, place = sum(sizes.values()), dict(sizes), {}
    for split, share in shares.items():
        room, taken = round(share * total), []
        for unit, size in left.items():
            if size <= room:
                taken.append(unit)
                room -= size
        if not taken and len(sizes) > len(shares):
            taken = [min(left, key=lambda unit: left[unit])]
        place |= dict.fromkeys(taken, split)
        left = {unit: size for unit, size in left.items() if unit not in place}
    return place | dict.fromkeys(left, "train")


def mix_classes(labels: Sequence[Any]) -> list[int]:
    """Positions in an order of which every first part holds the classes in their proportions."""
    counts, seen = Counter(labels), Counter()
    keys = []
    for label in labels:
        keys.append((seen[label] + 0.5) / counts[label])
        seen[label] += 1
    return sorted(range(len(keys)), key=lambda index: keys[index])
