"""Files of our own that are cut short, emptied, replaced, or have a bit flipped, of each kind."""

import pathlib
import random
import shutil
from collections.abc import Iterator
from typing import NamedTuple

from experiments.endure import damage, forks
from experiments.endure.work import SWEEP, TRAIN, Command, Peace, Trial

STORED = ("record.json", "predictions.npz", "final.safetensors")  # what --check opens


class Kind(NamedTuple):
    """Files of a kind."""

    name: str
    command: Command
    glob: str  # below the folder in which the command works
    half: bool = False  # whether the command was killed before
    waits: bool = False  # for half a minute, whether another launch lives


KINDS = (
    Kind("record", SWEEP, "sweep/records/*/record.json"),
    Kind("predictions", SWEEP, "sweep/records/*/predictions.npz"),
    Kind("weights", SWEEP, "sweep/records/*/final.safetensors"),
    Kind("index", SWEEP, "sweep/records/index.json"),
    Kind("report", SWEEP, "sweep/ablate-*/*.*"),
    Kind("figure", SWEEP, "sweep/ablate-*/figures/*"),
    Kind("list of reports", SWEEP, "sweep/index.html"),
    Kind("checkpoint of a sweep", SWEEP, "sweep/checkpoints/*/*.safetensors", half=True),
    Kind("lease", SWEEP, "sweep/leases/holders/*", half=True, waits=True),
    Kind("claim", SWEEP, "sweep/leases/claims/*/*", half=True, waits=True),
    Kind("checkpoint of a run", TRAIN, "train/checkpoints/*.safetensors", half=True),
    Kind("config.json", TRAIN, "train/config.json"),
    Kind("provenance.json", TRAIN, "train/provenance.json"),
    Kind("result.json", TRAIN, "train/result.json"),
    Kind("metrics.jsonl", TRAIN, "train/metrics.jsonl"),
    Kind("metrics.jsonl of half a run", TRAIN, "train/metrics.jsonl", half=True),
    Kind("config.json of half a run", TRAIN, "train/config.json", half=True),
    Kind("answers of a run", TRAIN, "train/predictions.npz"),
    Kind("weights of a run", TRAIN, "train/final.safetensors"),
    Kind("page of a run", TRAIN, "train/report.html"),
    Kind("prepared data", TRAIN, "data/cnnjax_digits/*/*", half=True),
    Kind("compiled program", TRAIN, "cache/cnnjax/xla/*-cache", half=True),
)


def damage_file(path: pathlib.Path, draws: random.Random) -> str:
    """Damages a file in a way that is drawn; gives that in words."""
    raw = path.read_bytes()
    ways = [*damage.cut(raw), *damage.foreign(b"\x93NUMPY" + bytes(100))]
    ways += [("is null", b"null"), ("is a list", b"[]"), ("is an object", b"{}")]
    if raw:
        ways += [*damage.flips(raw, 12), *damage.blank(raw, 3)]
    name, content = draws.choice([way for way in ways if way[1] != raw])
    path.write_bytes(content)
    return name


def list_trials(peace: Peace, draws: random.Random, full: bool) -> list[Trial]:
    """Damage of each kind of file."""

    def make(kind: Kind, seed: int) -> Trial:
        return Trial("damaged files", f"{kind.name} {seed}", lambda place: act(kind, seed, place))

    def act(kind: Kind, seed: int, place: pathlib.Path) -> Iterator[str]:
        own = random.Random(seed)
        peace.copy(place, f"{kind.command.name}{'-half' * kind.half}", "data", "cache")
        found = sorted(path for path in place.glob(kind.glob) if path.is_file())
        if not found:
            yield f"there is none: {kind.glob}"
            return
        path = own.choice(found)
        way = damage_file(path, own)
        for said in try_damage(kind, path, place):
            yield f"{path.relative_to(place)} {way}: {said}"

    def try_damage(kind: Kind, path: pathlib.Path, place: pathlib.Path) -> Iterator[str]:
        noticed = False
        if kind.command is SWEEP and path.name in STORED:
            checked = forks.start("experiments.records", ["--check", f"--runs={place / 'sweep'}"])
            noticed = checked.status == 1 and path.parent.name in checked.out
            if checked.fault:
                yield f"--check: {checked.fault}"
        if path.name == "index.json":
            show = ("experiments.records", ["--list", f"--runs={place / 'sweep'}"])
            before = forks.start(*show)
            path.unlink()
            if before != forks.start(*show):
                yield f"--list shows {before}"
        ended = peace.run(kind.command, place)
        if ended.fault or ended.status not in (0, 1, 2):
            yield f"{ended.fault or ended}"
            return
        if ended.status:
            if str(place) not in ended.errors:
                yield f"does not name the file: {ended.errors}"
            if kind.command is TRAIN and "--restart" in ended.errors:
                yield from peace.settle(kind.command, place, more=["--restart"])
                return
            folder = path.parent if "delete the folder" in ended.errors else path
            shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
            yield from peace.settle(kind.command, place)
            return
        wrong = list(peace.compare(kind.command, place))
        if path.name == "about.json":  # whose report it was is not known: it is kept beside the new
            wrong = [said for said in wrong if "/earlier-" not in said]
        if wrong and not (noticed and path.exists() and path.name != "record.json"):
            yield f"{'; '.join(wrong)}; said {ended.errors!r}"

    kinds = [kind for kind in KINDS for _ in range(10)]
    if not full:
        kinds = draws.sample([kind for kind in KINDS if not kind.waits], 8)
    return [make(kind, draws.randrange(10**9)) for kind in kinds]
