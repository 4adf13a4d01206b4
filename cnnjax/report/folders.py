"""Where reports lie: each replaced whole or not at all, none lost, all listed on one page."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import tempfile
import urllib.parse
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import filelock
import jinja2
import markupsafe

from cnnjax.config import words
from cnnjax.config.config import Config, to_json
from cnnjax.config.knobs import ConfigError
from cnnjax.records import atomic, shared
from cnnjax.study.claims import Study
from cnnjax.study.own import LONGEST

ABOUT = "about.json"  # what the index shows of a report, and its hash
PAGE = "report.html"
INDEX = "index.html"  # of all reports, above them
SUPPLEMENT = "report.md"  # the same in Markdown, where it is asked for
EARLIER = "earlier-"  # and the hash: the folder of an earlier report, below the one it lay in
SHOWN = {"hash": "", "question": "", "command": "", "data": "", "date": "", "claims": [],
         "others": {}}  # fmt: skip


def hash_of(value: object) -> str:
    """Six hexadecimal digits that stand for a plain value."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def hash_study(study: Study, base: Config, seeds: Sequence[int]) -> str:
    """Six hexadecimal digits for all of a study that changes what its report says.

    That is its arms and claims, the flags given (in `base`, the Config that arms share) and the
    seeds; not its name.
    """
    data = study._replace(name="", settings={})._asdict()
    del data["sizes"]
    for younger in ("epochs", "choosing"):  # than the hashes of reports that have it not
        if data[younger] is None:
            del data[younger]
    if not study.looks:
        del data["looks"]
    return hash_of([data, to_json(base), list(seeds)])


def join_names(names: Iterable[str]) -> str:
    """Names of knobs for a folder: joined, and cut where there are many."""
    joined = "-".join(names)
    return joined if len(joined) <= LONGEST else f"{joined[:LONGEST].rpartition('-')[0]}-and-more"


def make_templates() -> jinja2.Environment:
    """The templates of this folder; what they show is escaped."""
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("cnnjax", "report"), autoescape=True, trim_blocks=True,
        lstrip_blocks=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    templates.filters |= {"count": words.count, "whole": keep_whole}
    return templates


def seal_page(html: str) -> str:
    """A page with its checksum behind it."""
    written = html.encode(errors="backslashreplace")  # as `atomic.write_text` does
    return f"{html}<!-- {hashlib.sha256(written).hexdigest()} -->\n"


def is_sealed(page: str) -> bool:
    """Whether a page is as `seal_page` made it."""
    return page == seal_page(page.rpartition("<!-- ")[0])


def keep_whole(text: str) -> markupsafe.Markup:
    """A text with flags, none of which breaks behind its hyphens."""
    flag = markupsafe.Markup('<span class="whole">{}</span>')
    parts = re.split(r"(\S*--\S+)", text)
    return markupsafe.Markup("").join(
        flag.format(part) if place % 2 else part for place, part in enumerate(parts)
    )


def check(folder: pathlib.Path, form: str = "") -> None:
    """Raises ConfigError where a report's folder holds other things, which it would replace.

    Of the form `md` a supplement too that somebody wrote, or that was changed.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ConfigError(
            f"{folder} is a file, where a report's folder must lie: give other --runs"
        )
    if form == "md" and (own := folder / SUPPLEMENT).exists() and not _is_ours(own):
        raise ConfigError(
            f"{own} was written or changed by somebody: move it away, or leave --format=md out"
        )
    if not _holds_report(folder) and any(path.name[0] != "." for path in folder.iterdir()):
        raise ConfigError(
            f"{folder} holds files that are no report, where a report must lie: give other --runs"
        )


def replace(
    folder: pathlib.Path, about: dict[str, Any], write: Callable[[pathlib.Path], None]
) -> None:
    """Puts a report into its folder, whole or not at all, and lists it in the index above.

    `write` writes it into an empty folder, `about` says what the index shows and has the report's
    `hash`. A report of another hash that lies there moves below, to `earlier-HASH`; of one hash
    the newest stays. If `write` fails, everything is as it was. Raises ConfigError where the
    folder holds other things.
    """
    check(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    place = folder.resolve()  # a link to a folder stays a link
    with filelock.FileLock(folder.parent / ".reports.lock"):
        _clear_leftovers(place)
        new = pathlib.Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}."))
        try:
            write(new)
            written = sorted(path for path in new.rglob("*") if path.is_file())
            files = hash_files(new, [path.relative_to(new).as_posix() for path in written])
            atomic.write_text(new / ABOUT, json.dumps({**about, "files": files}, indent=1) + "\n")
            new.chmod(0o755)  # mkdtemp's own mode hides the folder from colleagues
            if place.exists():
                _keep(place, new, about["hash"])
            _swap(new, place)
            index = write_index(folder.parent)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        shared.push(place)
        shared.push(index)


def hash_files(folder: pathlib.Path, names: Iterable[str]) -> dict[str, str]:
    """The checksums of files below a folder, by their names."""
    return {name: hashlib.sha256(atomic.read_bytes(folder / name)).hexdigest() for name in names}


def _clear_leftovers(place: pathlib.Path) -> None:
    """Removes what was left by one who was killed while he wrote; a report that he had just moved
    out of its place comes back. Nobody else writes now.
    """  # fmt: skip
    form = re.compile(re.escape(f".{place.name}.") + r"\w{8}(\.old)?")
    for path in place.parent.iterdir():
        if found := form.fullmatch(path.name):
            if found[1] and not place.exists():
                path.rename(place)
            else:
                shutil.rmtree(path, ignore_errors=True)


def _keep(folder: pathlib.Path, new: pathlib.Path, hash: str) -> None:
    """Copies to the new folder what must outlive the old one: earlier reports, people's files."""
    own = _read_hash(folder)
    for path in folder.iterdir():
        earlier = path.name.startswith(EARLIER)
        if path.name == EARLIER + hash or not (earlier or own == hash):
            continue
        if (new / path.name).exists() or path.name == SUPPLEMENT and _is_ours(path):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.copytree(path, new / path.name, symlinks=True)
        else:
            shutil.copy2(path, new / path.name, follow_symlinks=False)
    if own != hash and _holds_report(folder):
        below = new / f"{EARLIER}{own}"
        ignore = shutil.ignore_patterns(f"{EARLIER}*")
        shutil.copytree(folder, below, symlinks=True, ignore=ignore, dirs_exist_ok=True)
        if (below / PAGE).exists():  # its links to other reports now start one folder deeper
            html = (below / PAGE).read_bytes()
            atomic.write_bytes(below / PAGE, html.replace(b'href="../', b'href="../../'))


def _is_ours(supplement: pathlib.Path) -> bool:
    """Whether it is as it was written: then it is replaced, and goes with its report."""
    return is_sealed(supplement.read_text(encoding="utf-8", errors="replace"))


def _swap(new: pathlib.Path, folder: pathlib.Path) -> None:
    """Puts the new folder in the place of the old one, if there is one, whole on the disk."""
    atomic.sync_tree(new)
    old = new.with_name(f"{new.name}.old")
    if folder.exists():
        folder.rename(old)
    try:
        new.rename(folder)
    except BaseException:
        if old.exists():
            old.rename(folder)
        raise
    atomic.sync_folder(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _holds_report(folder: pathlib.Path) -> bool:
    return any((folder / name).exists() for name in (ABOUT, PAGE, "verdicts.json"))


def _read_hash(folder: pathlib.Path) -> str:
    """The hash of the report there; of its page where an older version wrote none."""
    own, page = read_about(folder)["hash"], folder / PAGE
    if re.fullmatch("[0-9a-f]{6}", own):
        return own
    return hash_of(atomic.read_bytes(page).hex() if page.exists() else "")


def read_about(folder: pathlib.Path) -> dict[str, Any]:
    """What a report's folder says of itself, each key empty where it says nothing."""
    try:
        found = atomic.parse_json(atomic.read_bytes(folder / ABOUT))
    except (OSError, ValueError):
        found = {}
    right = isinstance(found, dict) and all(
        isinstance(found.get(key, empty), type(empty)) for key, empty in SHOWN.items()
    )
    return {**SHOWN, **(found if right else {})}


def write_index(runs: pathlib.Path) -> pathlib.Path:
    """Writes `runs/index.html`, which lists every report, and gives its path."""
    path = runs / INDEX
    html = make_templates().get_template("index.html").render(reports=list_reports(runs))
    atomic.write_text(path, html)
    return path


def list_reports(runs: pathlib.Path) -> list[dict[str, Any]]:
    """Every report below `runs`, by name, with earlier ones behind the one that replaced them."""
    return [
        {
            **read_about(runs / place),
            "name": place.parts[0],
            "earlier": len(place.parts) > 1,
            "link": urllib.parse.quote(os.fsencode(place / PAGE)),
        }
        for place in list_places(runs)
    ]


def list_places(runs: pathlib.Path) -> list[pathlib.Path]:
    """The folders of all reports, below `runs`; earlier ones behind that which replaced them."""
    pages = [*runs.glob(f"*/{PAGE}"), *runs.glob(f"*/{EARLIER}*/{PAGE}")]
    places = [page.parent.relative_to(runs) for page in pages]
    shown = [place for place in places if place.parts[0][0] != "."]
    return sorted(shown, key=lambda place: (place.parts[0], len(place.parts), place))


def list_texts(runs: pathlib.Path) -> set[str]:
    """The hashes of all texts of plug-ins that reports were made with."""
    plugins = [read_about(runs / place).get("plugins") for place in list_places(runs)]
    return {str(hash) for own in plugins if isinstance(own, dict) for hash in own.values()}
