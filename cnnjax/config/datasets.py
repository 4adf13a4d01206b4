"""Which data can be asked for: the names of --dataset. Imports no JAX and no TFDS."""

import functools
import json
import pathlib
import re
from typing import Any, NamedTuple

from cnnjax.config import hints, register
from cnnjax.config.knobs import ConfigError

# Need no network; photos the extra `images`.
BUILT_IN = (
    "digits", "mnist1d", "dot", "gratings", "shapes", "strokes", "scans", "patches", "photos"
)  # fmt: skip
# Drawn sets whose name may say otherwise, such as shapes/rotation=30+noise=60: what they have where
# it does not. Rotation: up to how many degrees either way; noise: its deviation in grey levels.
DRAWN = {"gratings": {"rotation": 0, "noise": 20}, "shapes": {"rotation": 0, "noise": 15}}
MOST = {"rotation": 180, "noise": 255}
FILES = {
    "folder": "folder:PATH, a subfolder of images a class",
    "arrays": "arrays:PATH, a .npz or .mat file or a folder of .npy files, with x_train, y_train,"
    " x_test, y_test, or x and y",
    "idx": "idx:PATH, a folder of files in MNIST's format",
}
NAME = re.compile(r"\w[\w.+-]*")  # of data from outside
OFFICIAL = re.compile(r"(?P<name>\w+(/\w[\w.+-]*)?)(:(?P<version>\d+\.\d+\.\d+))?")
PREPARED = ("built-in", "tfds", "builder")  # kinds that TFDS prepares


class DataName(NamedTuple):
    """A value of --dataset, taken apart."""

    kind: str  # built-in, tfds, or a key of FILES; from outside: builder (of TFDS), function
    name: str  # with the config behind a slash if one was given; of files their path
    version: str = ""  # empty for the newest


class Where(NamedTuple):
    """Where data lie, and what to do about files that cannot be read. Changes no number."""

    data_dir: str | None = None  # of prepared data sets
    manual_dir: str | None = None  # of files that were downloaded by hand
    skip_bad_files: bool = False
    offline: bool = False  # whether what is not here is refused, not asked for over a network


class Request(NamedTuple):
    """What of a Config decides which examples are loaded, and at what size."""

    dataset: str
    train_split: str
    validation_split: str
    test_split: str
    image_size: int
    eval_crop: float
    feed: str
    group_by: str


@functools.cache
def load_sources() -> dict[str, dict[str, Any]]:
    """What is known of every data set by name: citation, licence, source (sources.json)."""
    path = pathlib.Path(__file__).with_name("sources.json")
    return json.loads(path.read_text(encoding="utf-8"))


def parse(text: str) -> DataName:
    """A value of --dataset. Raises ConfigError, with the nearest right name."""
    kind, colon, path = text.partition(":")
    if colon and kind in FILES:
        if not path:
            raise ConfigError(f"--dataset={text} lacks a path: give {FILES[kind]}")
        if "\0" in path:
            raise ConfigError(f"--dataset={text} cannot be read: no path has a zero byte")
        return DataName(kind, path)
    if text in BUILT_IN or text.partition("/")[0] in DRAWN:
        parse_drawn(text)
        return DataName("built-in", text)
    if own := register.CHOICES["dataset"].get(text):
        return DataName("builder" if own.traits["builder"] else "function", text)
    match = OFFICIAL.fullmatch(text)
    known = load_sources()
    if match and match["name"].split("/")[0] in set(known) - set(BUILT_IN):
        return DataName("tfds", match["name"], match["version"] or "")
    names = [*register.CHOICES["dataset"], *known, *FILES]
    hint = hints.suggest(re.split("[:/]", text)[0], names, f"give {describe_allowed()}")
    raise ConfigError(f"--dataset={text} is not known: {hint}")


def parse_drawn(text: str) -> dict[str, int]:
    """What the name of a drawn set asks of it beside its default; nothing of any other set.

    Raises ConfigError on what cannot be asked, and on a second name of one set.
    """
    name, slash, asked = text.partition("/")
    found: dict[str, int] = {}
    for part in asked.split("+") if slash else ():
        key, _, value = part.partition("=")
        if key not in MOST or not re.fullmatch(r"0|[1-9]\d{0,2}", value) or int(value) > MOST[key]:
            ways = ", ".join(f"{own}=0 to {most}" for own, most in MOST.items())
            raise ConfigError(
                f"--dataset={text} cannot be: behind {name}/ give {ways}, or both with + between"
            )
        found[key] = int(value)
    asks = {k: found[k] for k, usual in DRAWN.get(name, {}).items() if found.get(k, usual) != usual}
    whole = "+".join(f"{key}={value}" for key, value in asks.items())
    if slash and whole != asked:
        raise ConfigError(f"--dataset={text} is another name of {f'{name}/{whole}'.strip('/')}:"
                          " give that")  # fmt: skip
    return asks


def is_known(text: str) -> bool:
    """Whether a text is a value of --dataset; one that could be no name of a plug-in's is."""
    try:
        parse(text)
    except ConfigError:
        return not NAME.fullmatch(text)
    return True


def describe_allowed() -> str:
    """The values of --dataset, in words."""
    names = (*BUILT_IN, *register.names("dataset"))
    return f"{'|'.join(names)}, a TFDS name such as mnist or cifar10:3.0.2, {'|'.join(FILES)}:PATH"


def check_new(name: str) -> None:
    """Raises ConfigError where a name is that of other data, or cannot be one."""
    if not NAME.fullmatch(name):
        raise ConfigError(f"--dataset={name} cannot be a name: give letters, digits, - _ . or +")
    if name in {*load_sources(), *BUILT_IN, *FILES}:
        raise ConfigError(f"--dataset={name} is there already: give another name")


def without_path(dataset: str) -> str:
    """A value of --dataset for an address: files of one's own are known by contents, not by path.

    Such as folder: for folder:PATH; other names as they are.
    """
    kind, colon, _ = dataset.partition(":")
    return kind + colon if kind in FILES else dataset


def parse_pattern(text: str) -> re.Pattern[str]:
    """A value of --group_by. Raises ConfigError where it is no regular expression."""
    try:
        return re.compile(text)
    except re.error as error:
        raise ConfigError(f"--group_by={text} is no regular expression: {error}") from None


def describe(dataset: str) -> dict[str, str]:
    """Citation, licence and source of a data set, each empty where it is not stated."""
    name = parse(dataset)
    known = load_sources().get(name.name.split("/")[0], {})
    if name.kind in FILES:
        return {"source": name.name, "licence": "", "citation": ""}
    if own := register.CHOICES["dataset"].get(name.name):
        return {"source": pathlib.Path(own.source).name, "licence": "", "citation": ""}
    return {key: known.get(key, "") for key in ("source", "licence", "citation")}
