"""Data sets that TFDS knows: found where they are prepared, or prepared now in a child process."""

import contextlib
import hashlib
import importlib
import os
import pathlib
import shutil
import subprocess
import sys
from typing import Any, NamedTuple

import platformdirs

from cnnjax.config import guard, installed, offline, paths, register
from cnnjax.config.datasets import DataName, Where
from cnnjax.config.knobs import ConfigError, RunError
from cnnjax.data.source import Say
from cnnjax.data.sources import whole
from cnnjax.records import atomic

BUILDERS = {  # our own data sets -> module and class of their builders
    "digits": ("digits", "CnnjaxDigits"),
    "mnist1d": ("generated", "CnnjaxMnist1d"),
    "dot": ("generated", "CnnjaxDot"),
    "gratings": ("generated", "CnnjaxGratings"),
    "shapes": ("generated", "CnnjaxShapes"),
    "strokes": ("generated", "CnnjaxStrokes"),
    "scans": ("scans", "CnnjaxScans"),
    "patches": ("photographs", "CnnjaxPatches"),
    "photos": ("photographs", "CnnjaxPhotos"),
}
NOWHERE = "none"  # a folder that is not there
ERROR = "error: "  # how its last word begins
COMMAND = [sys.executable, "-m", "cnnjax.data.sources.prepare"]  # the child that prepares


class Features(NamedTuple):
    """Which parts of an example are the image and its class."""

    image: str
    label: str


def wanted_cache() -> pathlib.Path:
    """The user's cache of data, whether or not it can be written."""
    return pathlib.Path(platformdirs.user_cache_dir("cnnjax")) / "data"


def cache_dir() -> pathlib.Path:
    """The user's cache of data, or a temporary folder where that cannot be written."""
    return atomic.find_writable(wanted_cache())


def cache_notes() -> tuple[str, ...]:
    """A line where the cache is a temporary folder."""
    wanted, there = wanted_cache(), cache_dir()
    if there == wanted:
        return ()
    return (f"the cache {wanted} cannot be written: {there} is used until this ends",)


def find_root(where: Where) -> str:
    """Where prepared data sets lie: --data_dir, else TFDS_DATA_DIR, else the user's cache."""
    root = where.data_dir or os.environ.get("TFDS_DATA_DIR") or os.fspath(cache_dir())
    return root if "://" in root else os.fspath(atomic.as_utf8(paths.expand(root)))


def make_builder(name: str, root: pathlib.Path) -> Any:
    """The builder of `name`, which may be built in or TFDS's own, with config and version.

    Raises ConfigError where TFDS has no such config or version. TFDS is imported here, since
    `--help` must not wait.
    """
    import tensorflow_datasets as tfds

    plain, _, varied = name.partition("/")
    if plain in BUILDERS:
        module, builder = BUILDERS[plain]
        home = importlib.import_module(f"cnnjax.data.builders.{module}")
        make = home.vary(getattr(home, builder), name) if varied else getattr(home, builder)
        return make(data_dir=os.fspath(root), file_format="array_record")
    if own := register.CHOICES["dataset"].get(name):
        with guard.blame(own):
            return own.make(data_dir=os.fspath(root), file_format="array_record")
    try:
        return tfds.builder(name, data_dir=os.fspath(root))
    except (ValueError, AssertionError, tfds.core.DatasetNotFoundError) as error:
        reason = (str(error).strip().splitlines() or ["unknown"])[0]
        raise ConfigError(f"--dataset={name} is not in TFDS: {reason}") from None


def describe_builder(name: str, root: pathlib.Path) -> Any:
    """The builder of `name` as it is before anything is prepared, whatever lies under `root`."""
    return make_builder(name, root / NOWHERE)


def full_name(name: DataName) -> str:
    """As TFDS writes it: name/config:version."""
    return f"{name.name}:{name.version}" if name.version else name.name


def find_features(builder: Any) -> Features:
    """The image and the class of an example. Raises ConfigError where there is no such pair."""
    import tensorflow_datasets as tfds

    features = builder.info.features
    first = builder.info.supervised_keys or ()
    keys = [*(key for key in first if isinstance(key, str)), *features]
    own = [key for key in keys if key in features]
    kinds = tfds.features.Image, tfds.features.Tensor
    images = [
        k for k in own if isinstance(features[k], kinds) and len(features[k].shape or ()) == 3
    ]
    labels = [key for key in own if isinstance(features[key], tfds.features.ClassLabel)]
    if not (images and labels):
        raise ConfigError(f"{builder.name} has no images with classes: cnnjax classifies images")
    return Features(images[0], labels[0])


def find_prepared(name: DataName, root: pathlib.Path) -> Any | None:
    """The prepared data set under `root`, opened by its files alone; None where there is none.

    Of several versions the newest, unless one was asked for. A built-in one that is damaged is
    none, since it is prepared anew in a second. Raises RunError where another is damaged.
    """
    own = name.name if name.kind == "tfds" else describe_builder(name.name, root).name
    base = root / own
    if name.kind == "tfds" and "/" not in own and not list(base.glob("*/dataset_info.json")):
        configs = describe_builder(name.name, root).builder_config
        base = base / configs.name if configs else base
    found = {path.parent.name: path.parent for path in base.glob("*/dataset_info.json")}
    versions = [version for version in found if all(p.isdigit() for p in version.split("."))]
    if name.version:
        versions = [version for version in versions if version == name.version]
    elif name.kind != "tfds":  # these change with the code
        own = str(describe_builder(name.name, root).version)
        versions = [version for version in versions if version == own]
    if not versions:
        return None
    newest = max(versions, key=lambda version: [int(part) for part in version.split(".")])
    try:
        return whole.open_folder(found[newest])
    except RunError:
        if name.kind == "built-in":
            return None
        raise


def prepare(name: DataName, root: pathlib.Path, where: Where, say: Say) -> None:
    """Prepares the data set in a child process, whose warnings are passed on; two at once wait for
    each other.

    Raises RunError, in one message that says what to do.
    """
    command = [*COMMAND, full_name(name), os.fspath(root), where.manual_dir or ""]
    command += ["offline"] if where.offline else []
    child = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    for line in child.stderr.splitlines():
        if line.startswith("warning: "):
            say(line)
    if child.returncode != 0:
        ended = f"its process ended with status {child.returncode}"  # negative: by that signal
        lines = [line for line in child.stderr.strip().splitlines() if line] or [ended]
        said = [line.removeprefix(ERROR) for line in lines if line.startswith(ERROR)]
        raise RunError(
            f"data set {full_name(name)} could not be prepared in {root}: {(said or lines)[-1]}"
        )


def open_builder(name: DataName, where: Where, say: Say) -> Any:
    """The prepared data set, prepared now if need be.

    Raises RunError where it cannot be prepared, or is damaged.
    """
    given = find_root(where)
    if "://" in given and name.kind == "built-in":
        given = os.fspath(cache_dir())
    remote = "://" in given
    root = fetch_remote(name, given, where) if remote else paths.expand(given)
    builder = find_prepared(name, root)
    if builder is None:
        if name.kind == "built-in":  # prepared in a second, so that any folder will do
            root = root if where.data_dir else atomic.find_writable(root.absolute())
        else:
            say(f"preparing {full_name(name)} in {root}, once")
        prepare(name, root, where, say)
        builder = find_prepared(name, root)
    if builder is None:
        raise RunError(f"data set {full_name(name)} is not where it was prepared, in {root}")
    return builder


def fetch_remote(name: DataName, root: str, where: Where) -> pathlib.Path:
    """A local copy of a data set prepared under a remote root (gs://, s3://, ...), made once.

    Raises RunError where the root cannot be read, must not be, or holds no such data set.
    """
    import fsspec

    local = cache_dir() / "remote" / hashlib.sha256(root.encode()).hexdigest()[:16]
    with contextlib.suppress(RunError):  # a damaged copy is fetched again
        if find_prepared(name, local) is not None:
            return local
    if where.offline and not root.startswith("file://"):
        raise RunError(
            f"{name.name} of {root} is not here yet ({offline.SAID}): run once without it, or give"
            " --data_dir=FOLDER in which it is prepared"
        )
    partial = local / f"{os.getpid()}.partial"
    try:
        system, path = fsspec.core.url_to_fs(root)
        base = f"{path.rstrip('/')}/{name.name}"
        if not system.exists(base):
            raise RunError(f"{root} holds no {name.name}: prepare it on a local disk, then copy it")
        if far := [name for name in system.find(base) if ".." in name.split("/")]:
            raise RunError(f"{root} holds {far[0]}, outside of its folder")
        partial.parent.mkdir(parents=True, exist_ok=True)
        system.get(base, os.fspath(partial), recursive=True)
    except ImportError as error:
        extra = {"gs": "gcs"}.get(root.partition(":")[0], root.partition(":")[0])
        raise RunError(f"{root} needs {installed.how_to_add(extra)}: {error}") from None
    except RunError:
        raise
    except Exception as error:  # of as many types as there are stores
        shutil.rmtree(partial, ignore_errors=True)
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise RunError(f"{root} cannot be read: {reason}") from error
    target = local / name.name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    return local
