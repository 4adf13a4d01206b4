"""Studies and boards from outside: what `cnnjax.study` and `cnnjax.claim` declare.

A board is a page of statements: claims of the studies that are put on it, and statements that no
study tries. Imports no JAX.
"""

import pathlib
import re
import sys
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from cnnjax.config.errors import ConfigError
from cnnjax.study import claims
from cnnjax.study.claims import Study

RESERVED = ("records", "scoreboard", "checkpoints")  # folders of RUNS that are no study's
LONGEST = 100  # letters in a folder's name: what file systems allow, with room for what is added
Check = Callable[[], tuple[bool, str]]
Kind = Literal["cited", "experiment", "not testable here"]


class Owned(NamedTuple):
    """A study from outside."""

    study: Study
    board: str  # on which its claims stand; empty for none
    source: str  # the file that declares it


class Statement(NamedTuple):
    """A statement on a board without a study of its own."""

    id: str
    statement: str
    kind: Kind  # of what is not checked; "experiment" for one that is not yet run
    finding: str
    check: Check | None  # whether it holds, and one sentence with the numbers
    source: str


STUDIES: dict[str, Owned] = {}
STATEMENTS: dict[str, dict[str, Statement]] = {}  # by board
ORDERS: dict[str, dict[str, None]] = {}  # by board, ids in the order of their declaration


def study(study: Study, *, board: str = "") -> Study:
    """Declares a study, which `python launch.py NAME --plugin=FILE` runs.

    With a `board`, its claims stand on the page that `launch.py all --board=NAME` writes. Raises
    ConfigError where the study cannot be, or its name is taken.
    """
    source = _find_source()
    check_name(study.name, f"{pathlib.Path(source).name}: study ", ("all", *RESERVED))
    there = STUDIES.get(study.name)
    if there and there.source != source:
        raise ConfigError(f"{source}: {there.source} has a study {study.name} too: give another")
    try:
        claims.check_study(study)
    except ValueError as error:
        raise ConfigError(f"{source}: {error}") from None
    STUDIES[study.name] = Owned(study, board, source)
    if board:
        check_name(board, "board ")
        ORDERS.setdefault(board, {}).update(dict.fromkeys(claim.id for claim in study.claims))
    return study


def claim(
    id: str, statement: str, *, board: str, kind: Kind = "cited", finding: str = "",
    check: Check | None = None,
) -> None:  # fmt: skip
    """Puts a statement on a board that no study tries: see `Statement` for what it may be.

    A statement that studies try is a Claim of theirs. Raises ConfigError where another file has put
    one of that id there.
    """
    check_name(board, "board ")
    source, there = _find_source(), STATEMENTS.setdefault(board, {})
    if id in there and there[id].source != source:
        raise ConfigError(f"{source}: {there[id].source} has put a claim {id} on {board} too")
    there[id] = Statement(id, statement, kind, finding, check, source)
    ORDERS.setdefault(board, {})[id] = None


def list_studies(board: str) -> list[Study]:
    """The studies on a board."""
    return [own.study for own in STUDIES.values() if own.board == board]


def order_of(board: str, id: str) -> int:
    """The place of a claim on a board."""
    return list(ORDERS[board]).index(id)


def folder_of(board: str) -> str:
    """The folder of a board among the reports; that of the article's where it has no name."""
    return f"board-{board}" if board else "scoreboard"


def check_name(name: str, of: str, reserved: Sequence[str] = RESERVED) -> None:
    """Raises ConfigError unless a report's folder can have this name; `of` says whose it is."""
    if not re.fullmatch(r"\w[\w.+-]*", name) or len(name) > LONGEST or name.lower() in reserved:
        raise ConfigError(
            f"{of}{name} cannot name a report's folder: give letters, digits, - _ . or +, at"
            f" most {LONGEST}, and neither {' nor '.join(reserved)}"
        )


def _find_source() -> str:
    """The file of the code outside this package that asked, or its module where it has none."""
    frame = sys._getframe()
    while frame.f_back and str(frame.f_globals.get("__name__", "")).startswith("cnnjax."):
        frame = frame.f_back
    return str(frame.f_globals.get("__file__") or frame.f_globals.get("__name__", ""))
