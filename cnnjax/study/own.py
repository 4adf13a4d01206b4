"""Studies and boards from outside: what `cnnjax.study` and `cnnjax.claim` declare.

A board is a page of statements: claims of the studies that are put on it, and statements that no
study tries. Imports no JAX.
"""

import inspect
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from cnnjax.config import callers, guard, plugins
from cnnjax.config.errors import ConfigError
from cnnjax.records.record import CHECKPOINTS
from cnnjax.study import checking
from cnnjax.study.claims import Study

RESERVED = ("records", "scoreboard", CHECKPOINTS, "leases")  # folders of RUNS that are no study's
LONGEST = 100  # bytes of a folder's name: what file systems allow, with room for what is added
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
    source, line = _find_place()
    own = guard.Own("study", getattr(study, "name", ""), source, line)
    with guard.blame(own):
        if not isinstance(study, Study):
            raise ConfigError(f"cnnjax.study({guard.describe(study)}): give a cnnjax.Study")
        checking.check_study(study)
        check_name(study.name, "study ", ("all", *RESERVED))
        _check_new(own, STUDIES.get(study.name))
        if board:
            check_name(board, "board ")

    def check() -> None:
        with guard.blame(own):
            checking.check_names(study)

    plugins.when_loaded(check)
    STUDIES[study.name] = Owned(study, board, source)
    if board:
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
    source, line = _find_place()
    own = guard.Own("claim", f"{id} of board {board}", source, line)
    with guard.blame(own):
        check_name(board, "board ")
        there = STATEMENTS.setdefault(board, {})
        _check_new(own, there.get(id))
        made = Statement(id, statement, kind, finding, check, source)
        checking.check_fields(made._replace(check=None), str(own))
        if check is not None:
            if not callable(check):
                raise ConfigError(f"{own}: check={check!r}: give a function of nothing")
            if not guard.takes(check):
                raise ConfigError(f"{own}: its check takes {inspect.signature(check)}: write ()")
            made = made._replace(check=guard.wrap(own, check, _check_outcome))
    there[id] = made
    ORDERS.setdefault(board, {})[id] = None


def _check_new(own: guard.Own, there: Owned | Statement | None) -> None:
    """Raises ConfigError where a name is one of another file, or of another part of this one."""
    twice = callers.declares_twice(own.source, own.knob, own.name)
    if there and (there.source != own.source or twice):
        raise ConfigError(f"{own} is there already, in {there.source}: give it another name")


def _check_outcome(own: guard.Own, arguments: Sequence[object], given: Any) -> Any:
    if not (isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], str)):
        raise ConfigError(
            f"{own}: its check gives {guard.describe(given)}: give whether it holds, and a sentence"
        )
    return given


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
    if (
        not re.fullmatch(r"\w[\w.+-]*", name)
        or len(name.encode()) > LONGEST
        or name.lower() in reserved
    ):
        raise ConfigError(
            f"{of}{name} cannot name a report's folder: give letters, digits, - _ . or +, at"
            f" most {LONGEST} bytes, and neither {' nor '.join(reserved)}"
        )


def _find_place() -> tuple[str, int]:
    """The file of the code outside this package that asked, or its module, and the line."""
    frame = sys._getframe()
    while frame.f_back and str(frame.f_globals.get("__name__", "")).startswith("cnnjax."):
        frame = frame.f_back
    source = frame.f_globals.get("__file__") or frame.f_globals.get("__name__", "")
    return str(source), frame.f_lineno
