"""Prepares one data set: python -m cnnjax.data.sources.prepare NAME DATA_DIR [RAW [offline]].

RAW is --manual_dir, or empty.

A process of its own, because TFDS prints while it writes, and because it is the only one that
imports TensorFlow or the stand-in for it. What goes wrong is one line at the end of stderr.
"""

import contextlib
import errno
import pathlib
import shutil
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from typing import Any

import filelock

from cnnjax.config import installed, offline, plugins, words
from cnnjax.config.datasets import DataName, parse
from cnnjax.config.knobs import ConfigError, RunError
from cnnjax.data.builders import stand_in
from cnnjax.data.sources import official, whole

CONNECT_SECONDS, READ_SECONDS = 5, 60
RETRIES = 1  # TFDS would try for minutes before it says that there is no network


def main(text: str, data_dir: str, manual_dir: str = "", way: str = "") -> None:
    """Writes the data set as array_record files, unless another process just did."""
    if way == "offline":
        offline.close_network()
    plugins.load_inherited()
    name, root = parse(text), pathlib.Path(data_dir)
    root.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(root / f"{name.name.replace('/', '-')}.lock"):
        if official.find_prepared(name, root) is None:
            prepare(name, root, manual_dir)


def prepare(name: DataName, root: pathlib.Path, manual_dir: str) -> None:
    """Writes the data set; what an interrupted attempt left is cleared away first.

    Raises RunError with one line on what failed and what to do.
    """
    full = official.full_name(name)
    builder = official.describe_builder(full, root)
    if not stand_in.has_tensorflow():
        if missing := stand_in.find_missing(type(builder)):
            raise RunError(
                f"preparing {builder.name} calls {missing[0]} and needs TensorFlow:"
                f" {installed.how_to_add('tf')}, or give --data_dir=FOLDER in which it is prepared"
            )
        stand_in.install()

    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    limit_waiting()
    downloads = root / "downloads" / builder.name  # extraction is cached by file name alone
    place = pathlib.Path(builder.data_path).relative_to(root / official.NOWHERE)
    clear_leftovers(root / place, downloads)
    builder = official.make_builder(full, root)  # it reads what lies there
    if manual_dir:
        accept_files(builder, pathlib.Path(manual_dir))
    config = tfds.download.DownloadConfig(
        manual_dir=manual_dir or None, extract_dir=downloads / "extracted", try_download_gcs=False
    )
    with explain(builder, downloads, manual_dir):
        builder.download_and_prepare(
            download_dir=downloads, download_config=config, file_format="array_record"
        )
        whole.write_checksums(builder, examples=name.kind == "built-in")
    shutil.rmtree(downloads / "extracted", ignore_errors=True)


def limit_waiting() -> None:
    """No connection is waited for longer than a few seconds, or tried where none is allowed."""
    import requests
    from tensorflow_datasets.core.download import downloader

    downloader.MAX_RETRIES = RETRIES
    send = requests.Session.send

    def send_in_time(self: Any, request: Any, **options: Any) -> Any:
        if offline.is_closed():
            raise requests.exceptions.ConnectionError(offline.SAID)
        if not options.get("proxies"):
            find_host(urllib.parse.urlparse(request.url).hostname or "")
        return send(self, request, **{**options, "timeout": (CONNECT_SECONDS, READ_SECONDS)})

    requests.Session.send = send_in_time


def find_host(host: str) -> None:
    """Raises ConnectionError where a host's address is not found in a few seconds."""
    import socket

    import requests

    found: list[Any] = []

    def ask() -> None:
        with contextlib.suppress(OSError):
            found.extend(socket.getaddrinfo(host, None))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    if not found:
        raise requests.exceptions.ConnectionError(f"the address of {host} was not found")


def clear_leftovers(path: pathlib.Path, downloads: pathlib.Path) -> None:
    """Clears away what was left at `path`, by a killed attempt or damaged since; nobody else
    prepares this data set now.
    """  # fmt: skip
    for left in path.parent.glob("*incomplete*"):
        shutil.rmtree(left, ignore_errors=True)
    for left in downloads.glob("**/*.tmp.*"):
        shutil.rmtree(left, ignore_errors=True)
    if path.exists():  # TFDS would take any folder for a prepared one
        aside = next(
            other
            for number in range(1, 1000)
            if not (other := path.with_name(f"{path.name}.unfinished-{number}")).exists()
        )
        path.rename(aside)
        print(f"warning: {path} was not whole: moved to {aside.name}", file=sys.stderr)


def accept_files(builder: Any, manual_dir: pathlib.Path) -> None:
    """Has TFDS take files of `manual_dir` as they are, with a warning where they are others."""
    from tensorflow_datasets.core.download import checksums

    if not manual_dir.is_dir():
        raise ConfigError(f"--manual_dir={manual_dir} is not a folder")
    known = builder.url_infos or {}  # TFDS keeps this one table of the class
    for url, info in list(known.items()):
        file = manual_dir / _file_name(url, info)
        if not file.is_file():
            continue
        found = checksums.compute_url_info(file)
        if found != info:
            print(
                f"warning: {file} is not the published file (sha256 {found.checksum[:12]}, not"
                f" {info.checksum[:12]}): used as it is",
                file=sys.stderr,
            )
        known[url] = found


@contextlib.contextmanager
def explain(builder: Any, downloads: pathlib.Path, manual_dir: str) -> Iterator[None]:
    """Turns what TFDS raises into one line that says what to do."""
    import requests
    from tensorflow_datasets.core.download import download_manager, extractor, util

    ways = (
        "use the embedded --dataset=digits; or put the raw files"
        f" {_list_files(builder)} into a folder and give --manual_dir=FOLDER; or give"
        " --data_dir=FOLDER in which it is prepared"
    )
    try:
        yield
    except (requests.exceptions.RequestException, util.DownloadError) as error:
        raise RunError(f"no download ({_brief(error)}): {ways}") from error
    except download_manager.NonMatchingChecksumError as error:
        shutil.rmtree(downloads, ignore_errors=True)  # or TFDS would take the file for good
        what = str(error).splitlines()[0].removesuffix(":")
        raise RunError(
            f"{what}: the download was altered on its way, or its host changed it; it is deleted."
            f" Try again, or {ways}"
        ) from error
    except extractor.ExtractError as error:
        raise RunError(f"{_brief(error)}: delete that file and try again") from error
    except stand_in.NeedsTensorFlow as error:
        raise RunError(str(error)) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise RunError(f"the disk is full ({_brief(error)}): free some or give another"
                           " --data_dir") from error  # fmt: skip
        raise RunError(_brief(error)) from error
    except AssertionError as error:  # so TFDS asks for files that only a person can fetch
        if builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
            wanted = " ".join(builder.MANUAL_DOWNLOAD_INSTRUCTIONS.split())
            raise RunError(f"--manual_dir={manual_dir or 'FOLDER'} is needed: {wanted}") from error
        raise


def run(arguments: list[str]) -> None:
    """Prepares, and ends the process with one line where that fails."""
    try:
        main(*arguments)
    except (RunError, ConfigError) as failure:
        sys.exit(official.ERROR + " ".join(str(failure).split()))
    except OSError as failure:
        sys.exit(official.ERROR + _brief(failure))
    except Exception as failure:
        where = plugins.locate(failure)
        if where is None:
            raise
        sys.exit(official.ERROR + where)


def _brief(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _file_name(url: str, info: Any) -> str:
    return info.filename or url.rpartition("/")[2]


def _list_files(builder: Any) -> str:
    names = sorted(_file_name(*item) for item in (builder.url_infos or {}).items())
    return words.list_first(names, 6)


if __name__ == "__main__":
    run(sys.argv[1:])
