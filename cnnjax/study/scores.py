"""Brings anyone's runs into one order of seeds, and of test images. Imports no JAX.

They come as the lines of a table (`tables`) or as an .npz file of scores image by image.
"""

import math
import pathlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from cnnjax.config import words
from cnnjax.config.knobs import ConfigError
from cnnjax.records.npz import read_npz
from cnnjax.study import tables
from cnnjax.study.tables import Columns, Run


class Scores(NamedTuple):
    """The runs of each arm: one number a run, and one a run and image where there are such."""

    arms: dict[str, np.ndarray]  # [seeds]; NaN where a run failed
    images: dict[str, np.ndarray] | None  # [seeds, images], the same images for every run
    clusters: np.ndarray | None  # [images]
    percent: bool  # whether the scores were written with %
    resolution: float  # of the last digit written, or of one image
    notes: list[str]


class _Lines(NamedTuple):
    """Runs with what their scores say."""

    values: dict[str, dict[Any, dict[str, float]]]  # by arm, seed and image
    clusters: dict[str, str]  # by image
    percent: bool
    resolution: float


def _read_lines(runs: Sequence[Run], columns: Columns, errors: list[str]) -> _Lines:
    values: dict[str, dict[Any, dict[str, float]]] = {}
    clusters: dict[str, str] = {}
    lines: dict[tuple[Any, ...], int] = {}
    signs: dict[str, int] = {}  # the first line with and without %
    exponents = []
    for run in runs:
        which = f"arm {run.arm}" + (f", seed {run.seed}" if columns.seed else "")
        which += f", image {run.image}" if run.image else ""
        read = tables.read_score(run.score)
        if read is None:
            errors.append(
                f"line {run.line}: {columns.metric} {run.score!r} is no finite number ({which})"
            )
            read = math.nan, "", 0
        elif not math.isnan(read[0]):
            signs.setdefault(read[1], run.line)
            exponents.append(read[2])
        first = lines.setdefault((run.arm, run.seed, run.image), run.line)
        if first != run.line:
            errors.append(
                f"{which.replace(', seed', ' repeats seed')} (lines {first} and {run.line})"
            )
        if clusters.setdefault(run.image, run.cluster) != run.cluster:
            errors.append(
                f"line {run.line}: image {run.image} is of cluster {run.cluster} here, of"
                f" {clusters[run.image]} before"
            )
        values.setdefault(run.arm, {}).setdefault(run.seed, {})[run.image] = read[0]
    if len(signs) > 1:
        errors.append(
            f"line {signs['%']} has a score with %, line {signs['']} one without: write all alike"
        )
    return _Lines(values, clusters, "%" in signs, 10.0 ** min(exponents, default=0))


def gather(runs: Sequence[Run], columns: Columns, incomplete: str, errors: list[str]) -> Scores:
    """The scores of each arm in order of seed; what is wrong is added to `errors`.

    With no seed column, every line is a run of its own.
    """
    lines = _read_lines(runs, columns, errors)
    notes: list[str] = []
    if columns.seed is None:
        arms = {a: np.array([own[s][""] for s in own]) for a, own in lines.values.items()}
        return Scores(arms, None, None, lines.percent, lines.resolution, notes)
    seeds = _pair(lines.values, incomplete, errors, notes)
    if not any(run.image for run in runs):
        arms = {
            arm: np.array([own[seed][""] if seed in own else math.nan for seed in seeds])
            for arm, own in lines.values.items()
        }
        return Scores(arms, None, None, lines.percent, lines.resolution, notes)
    shared = _share_images(lines.values, seeds, errors, notes)
    arms = {
        arm: np.array([_mean(own.get(seed, {})) for seed in seeds])
        for arm, own in lines.values.items()
    }
    if shared is None or len(shared) < 2:
        return Scores(arms, None, None, lines.percent, lines.resolution if shared else 0.0, notes)
    images = {
        arm: np.array([[own.get(seed, {}).get(image, math.nan) for image in shared]
                       for seed in seeds])
        for arm, own in lines.values.items()
    }  # fmt: skip
    for rows in images.values():
        rows[np.isnan(rows).any(axis=1)] = math.nan
    clusters = np.array([lines.clusters[image] for image in shared]) if columns.cluster else None
    resolution = lines.resolution / len(shared)
    return Scores(arms, images, clusters, lines.percent, resolution, notes)


def _mean(by_image: Mapping[str, float]) -> float:
    """A run's score: NaN, as failed, where it has none on some image."""
    return float(np.mean(list(by_image.values()))) if by_image else math.nan


def _pair(
    found: Mapping[str, Mapping[Any, Any]], incomplete: str, errors: list[str], notes: list[str]
) -> list[Any]:
    """The seeds to compare on, in order: all, or with 'drop' those that every arm has."""
    seeds = list(dict.fromkeys(seed for own in found.values() for seed in own))
    numbers = all(isinstance(seed, Decimal) for seed in seeds)
    seeds = sorted(seeds) if numbers else sorted(seeds, key=str)
    whole = [seed for seed in seeds if all(seed in own for own in found.values())]
    if whole and len(whole) < len(seeds) and incomplete == "drop":
        gone = [seed for seed in seeds if seed not in whole]
        notes.append(f"dropped, as not every arm has it: seed {_list(gone)}")
        return whole
    for arm, own in found.items():
        lacking = [seed for seed in seeds if seed not in own]
        if lacking:
            other = next(name for name, theirs in found.items() if lacking[0] in theirs)
            errors.append(
                f"arm {arm} lacks seed {_list(lacking)}, which arm {other} has: give every arm the"
                " same seeds, or --incomplete=drop, or --unpaired"
            )
    return seeds


def _list(names: Sequence[Any], most: int = 8) -> str:
    return words.list_first(names, most)


def _share_images(
    found: Mapping[str, Mapping[Any, Mapping[str, float]]],
    seeds: Sequence[Any],
    errors: list[str],
    notes: list[str],
) -> list[str] | None:
    """The images that all runs share; None where each seed has images of its own."""
    of_seeds: dict[Any, set[str]] = {}
    for seed in seeds:
        sound = {
            arm: set(own[seed])
            for arm, own in found.items()
            if seed in own and not any(map(math.isnan, own[seed].values()))
        }
        of_seeds[seed] = set().union(*sound.values())
        for arm, images in sound.items():
            lacking = sorted(of_seeds[seed] - images)
            if lacking:
                errors.append(f"arm {arm}, seed {seed} lacks image {_list(lacking)}")
    known = [images for images in of_seeds.values() if images]
    union = set().union(*known)
    if all(images == union for images in known):
        return list(dict.fromkeys(i for own in found.values() for by in own.values() for i in by
                                  if i in union))  # fmt: skip
    if sum(map(len, known)) == len(union):
        notes.append("every seed has images of its own: judged over seeds")
        return None
    for seed, images in of_seeds.items():
        if images and union - images:
            errors.append(
                f"seed {seed} lacks image {_list(sorted(union - images))}, which other seeds have"
            )
    return None


def read_arrays(path: str, cluster: str | None, errors: list[str]) -> tuple[dict, Any]:
    """By arm and seed the scores [images] of an .npz file, and its clusters [images] or None.

    It has the arrays `right` [runs, images], `arm` [runs], `seed` [runs], and may have `cluster`
    [images]. Raises ConfigError where it does not.
    """
    try:
        arrays = read_npz(pathlib.Path(path))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or 'no .npz file'}") from None
    except ValueError as error:
        raise ConfigError(
            f"{path} is no .npz file of numbers and texts ({error}): write it by numpy.savez(FILE,"
            " right=, arm=, seed=)"
        ) from None
    needed = ["right", "arm", "seed", *([cluster] if cluster else [])]
    for name in needed:
        if name not in arrays:
            raise ConfigError(f"{path}: no array {name!r}: it needs {', '.join(needed)}")
    right, arm, seed = (arrays[name] for name in needed[:3])
    clusters = arrays.get(cluster or "cluster")
    if right.ndim != 2 or right.shape[1] < 2 or right.dtype.kind not in "biuf":
        raise ConfigError(f"{path}: right is {right.dtype} {right.shape}: give [runs, images]")
    for name, own, size in (("arm", arm, len(right)), ("seed", seed, len(right)),
                            (cluster or "cluster", clusters, right.shape[1])):  # fmt: skip
        if own is not None and own.shape != (size,):
            raise ConfigError(f"{path}: {name} has shape {own.shape}: right asks for ({size},)")
    found: dict[str, dict[Any, np.ndarray]] = {}
    for place, (name, key) in enumerate(zip(arm.tolist(), seed.tolist(), strict=True)):
        if np.isinf(row := right[place].astype(np.float64)).any():
            errors.append(f"row {place} (arm {name}, seed {key}) is not finite")
        own, key = found.setdefault(str(name), {}), tables.as_number(str(key).strip())
        if key in own:
            errors.append(f"arm {name} repeats seed {key} (row {place})")
        own[key] = row
    return found, clusters


def gather_arrays(
    found: Mapping[str, Mapping[Any, np.ndarray]], clusters: np.ndarray | None, incomplete: str,
    errors: list[str],
) -> Scores:  # fmt: skip
    """As `gather`, of scores image by image; a run failed where one of its row is NaN."""
    notes: list[str] = []
    seeds = _pair(found, incomplete, errors, notes)
    size = len(next(iter(next(iter(found.values())).values())))
    missing = np.full(size, math.nan)
    images = {a: np.array([own.get(s, missing) for s in seeds]) for a, own in found.items()}
    for rows in images.values():
        rows[np.isnan(rows).any(axis=1)] = math.nan
    arms = {arm: rows.mean(axis=1) for arm, rows in images.items()}
    known = np.concatenate([rows[np.isfinite(rows)] for rows in images.values()])
    counted = bool((known == np.round(known)).all())
    return Scores(arms, images, clusters, False, 1 / size if counted else 0.0, notes)
