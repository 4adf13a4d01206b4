"""What is from outside is called through here: a mistake of it is one line with its place.

The place is the last line of a plug-in that led to an error, or else that of the declaration: so
it is where the arguments do not fit, or where what is given back is of no use. Imports no JAX.
"""

import contextlib
import functools
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from numbers import Real
from typing import Any, NamedTuple

from cnnjax.config import callers
from cnnjax.config.errors import ConfigError, PluginError, RunError

WORDS = {"pool": "pooling", "dataset": "data set", "init": "initial kernel"}


class Own(NamedTuple):
    """A choice from outside, and where it was declared."""

    knob: str
    name: str
    source: str
    line: int
    traits: Mapping[str, Any] = {}

    def __str__(self) -> str:
        knob = "metric" if self.traits.get("of_logits") else self.knob
        return f"{WORDS.get(knob, knob)} {self.name}"


def wrap(own: Own, make: Callable[..., Any], check: Callable[..., Any] | None) -> Any:
    """The function, whose errors are those of a choice, and what it gives as `check` gives it.

    `check` is of (own, arguments, given), and raises ConfigError where that is of no use.
    """

    @functools.wraps(make, updated=())
    def call(*arguments: Any, **named: Any) -> Any:
        with blame(own, make):
            given = make(*arguments, **named)
            return check(own, arguments, given) if check else given

    return call


@contextlib.contextmanager
def blame(own: Any, make: Any = None) -> Iterator[None]:
    """Within, an error is one of this choice: PluginError, with its place.

    `own` has the source and the line of its declaration; one of ours is not blamed.
    """
    try:
        yield
    except (PluginError, RunError):
        raise
    except (Exception, SystemExit) as error:  # whoever calls sys.exit is not asked here
        if not own.source:
            raise
        raise PluginError(f"{find_place(error, own, make)}: {say(error)}") from error


def find_place(error: BaseException, own: Any, make: Any = None) -> str:
    """The last line of a choice's files that led to an error, or that of its declaration."""
    from cnnjax.config import texts  # imports the register, which imports this

    files = {own.source, *texts.read_paths(own.source)}
    code = getattr(callers.unwrap(make), "__code__", None)
    files |= {code.co_filename} if code else set()
    return callers.find_line(error, files) or f"{own.source}:{own.line}"


def say(error: BaseException) -> str:
    """An error in one line; of ours the words alone."""
    said = (str(error).strip().splitlines() or ["no more is said"])[0]
    return said if isinstance(error, ConfigError) else f"{type(error).__name__}: {said}"


def mistake(own: Any, said: str) -> Exception:
    """What to raise where a choice was found to be wrong after it was called."""
    return PluginError(f"{own.source}:{own.line}: {said}") if own.source else ValueError(said)


def describe(given: Any) -> str:
    """A value in a few words, such as float32 [8, 4] or a text."""
    if given is None or isinstance(given, (bool, int, float)):
        return repr(given)
    if hasattr(given, "shape") and hasattr(given, "dtype"):
        return f"{given.dtype} {list(given.shape)}"
    if isinstance(given, str):
        return f"the text {given[:40]!r}"
    kind = given if inspect.isclass(given) else type(given)
    return f"the class {kind.__name__}" if inspect.isclass(given) else f"a {kind.__name__}"


def takes(
    make: Callable[..., Any], *arguments: str, named: Collection[str] = (), **always: Any
) -> bool:
    """Whether a function can be called with so many arguments, and those by keyword that it names.

    As far as that is known of a function in C.
    """
    try:
        taken = inspect.signature(make)
    except (ValueError, TypeError):
        return True
    try:
        own = {name: None for name in named if name in taken.parameters}
        taken.bind(*arguments, **own, **always)
    except TypeError:
        return False
    return True


def find_definition(make: Any) -> str:
    """The file and the first line of a function; empty where it has none."""
    code = getattr(callers.unwrap(make), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else ""


def is_float(given: Any) -> bool:
    """Whether it is an array of floats of any precision."""
    name = str(getattr(given, "dtype", ""))
    return hasattr(given, "shape") and name.startswith(("float", "bfloat")) and name != "float0"


def is_number(given: Any) -> bool:
    """Whether it is one number, also as an array without axes."""
    if hasattr(given, "shape") and hasattr(given, "dtype"):
        kinds = ("float", "bfloat", "int", "uint", "bool")
        return tuple(given.shape) == () and str(given.dtype).startswith(kinds)
    return isinstance(given, Real)
