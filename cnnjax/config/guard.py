"""Choices from outside are called through here: a mistake of theirs is one line with its place.

The place is the last line of a plug-in that led to an error, or else that of the declaration: so
it is where the arguments do not fit, or where what is given back is of no use. Imports no JAX.
"""

import contextlib
import functools
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from numbers import Real
from typing import Any, NamedTuple

from cnnjax.config import callers, layouts
from cnnjax.config.errors import ConfigError, PluginError, RunError

# What a choice is called with, by position; `by keyword` is left to who calls it.
ARGUMENTS = {
    "model": ("config", "num_classes"), "dataset": (), "pool": ("maps", "size", "stride", "padding"),
    "activation": ("units",), "norm": ("config", "units", "train", "name"),
    "init": ("key", "shape", "dtype"), "optimizer": ("numbers", "schedule", "kernels"),
    "schedule": ("steps",), "measure": ("model", "params", "stats", "observed", "key"),
    "augment": ("key", "images"), "corruption": ("key", "images", "strength", "way", "pixels"),
}  # fmt: skip
NAMED = {"pool": ("param", "key", "count_padding", "platform")}  # where a signature names them
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


def wrap_choice(knob: str, name: str, choice: Any) -> Any:
    """A choice from outside as the register has it, its functions guarded."""
    own = Own(knob, name, choice.source, choice.line, choice.traits)
    return choice._replace(make=wrap(own, choice.make), traits=wrap_traits(own))


def wrap(own: Own, make: Callable[..., Any]) -> Callable[..., Any]:
    """The function, its errors and what it gives in the words of this module.

    Raises ConfigError where it cannot be called as a choice of its kind is. A builder class of TFDS
    is left as it is.
    """
    if not callable(make):
        raise ConfigError(f"{own} is {describe(make)}: declare a function")
    if inspect.isclass(make) and own.knob == "dataset":
        return make
    of_logits = own.traits.get("of_logits")
    if own.knob in ARGUMENTS and not of_logits:
        _check_signature(own, make)
    check = _check_metric if of_logits else CHECKS.get(own.knob)
    return _wrap(own, make, check)


def wrap_traits(own: Own) -> dict[str, Any]:
    """Its traits, of which functions are guarded as it is."""
    return {
        name: _wrap(own, value, TRAITS.get(name)) if callable(value) else value
        for name, value in own.traits.items()
    }


def _wrap(own: Own, make: Callable[..., Any], check: Callable[..., Any] | None) -> Any:
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
    except Exception as error:
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


def takes(make: Callable[..., Any], *arguments: str, named: Collection[str] = ()) -> bool:
    """Whether a function can be called with so many arguments, and those by keyword that it names.

    As far as that is known of a function in C.
    """
    try:
        taken = inspect.signature(make)
    except (ValueError, TypeError):
        return True
    try:
        taken.bind(*arguments, **{name: None for name in named if name in taken.parameters})
    except TypeError:
        return False
    return True


def find_definition(make: Any) -> str:
    """The file and the first line of a function; empty where it has none."""
    code = getattr(callers.unwrap(make), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else ""


def _check_signature(own: Own, make: Callable[..., Any]) -> None:
    wanted, named = ARGUMENTS[own.knob], NAMED.get(own.knob, ())
    if not takes(make, *wanted, named=named):
        also = f" and by keyword, where it wants them, {', '.join(named)}" if named else ""
        taken = inspect.signature(make)
        raise ConfigError(f"{own} takes {taken}: write ({', '.join(wanted)}){also}")


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


def _like(own: Own, given: Any, shape: Any, what: str) -> Any:
    if not is_float(given) or tuple(given.shape) != tuple(shape):
        raise ConfigError(f"{own} gives {describe(given)}: give {what} {list(shape)}, of floats")
    return given


def _check_activation(own: Own, arguments: Any, given: Any) -> Any:
    *before, channels = arguments[0].shape
    return _like(own, given, (*before, channels // own.traits.get("pieces", 1)), "units")


def _check_pooling(own: Own, arguments: Any, given: Any) -> Any:
    shape = tuple(getattr(given, "shape", ()))
    if not is_float(given) or len(shape) != 4 or shape[0] != arguments[0].shape[0]:
        raise ConfigError(
            f"{own} gives {describe(given)} for maps {list(arguments[0].shape)}: give maps"
            " [N, H', W', C], of floats"
        )
    if 0 in shape:
        raise ConfigError(f"{own} leaves nothing of maps {list(arguments[0].shape)}: {list(shape)}")
    return given


def _check_second(own: Own, arguments: Any, given: Any) -> Any:
    what = "units" if own.knob == "norm" else "images"
    return _like(own, given, arguments[1].shape, what)


def _check_kernel(own: Own, arguments: Any, given: Any) -> Any:
    return _like(own, given, arguments[1], "a kernel")


def _check_schedule(own: Own, arguments: Any, given: Any) -> Any:
    if not callable(given):
        raise ConfigError(f"{own} gives {describe(given)}: give a function of the step")

    def check(own: Own, arguments: Any, share: Any) -> Any:
        if not is_number(share):
            raise ConfigError(f"{own} gives {describe(share)} at a step: give one number")
        return share

    return _wrap(own, given, check)


def _check_optimizer(own: Own, arguments: Any, given: Any) -> Any:
    if not (isinstance(given, tuple) and getattr(given, "_fields", ()) == ("init", "update")):
        raise ConfigError(f"{own} gives {describe(given)}: give an optax.GradientTransformation")

    def check(own: Own, arguments: Any, updated: Any) -> Any:
        if not isinstance(updated, tuple) or len(updated) != 2:
            raise ConfigError(f"{own} gives {describe(updated)}: give (updates, state)")
        wanted, found = _list_shapes(arguments[0]), _list_shapes(updated[0])
        if wrong := sorted({*wanted.items()} ^ {*found.items()}):
            path = wrong[0][0]
            raise ConfigError(
                f"{own} gives {found.get(path)} for {path}: give an update of the gradient's shape,"
                f" {wanted.get(path)}"
            )
        return updated

    wrapped = _wrap(own, given.init, None), _wrap(own, given.update, check)
    return type(given)(*wrapped)


def _list_shapes(tree: Any, path: str = "") -> dict[str, str]:
    """Shapes by path of a tree of arrays, as text."""
    if isinstance(tree, Mapping):
        own = (_list_shapes(leaf, f"{path}/{name}".strip("/")) for name, leaf in tree.items())
        return {key: shape for found in own for key, shape in found.items()}
    return {path: describe(tree) if tree is None else str(list(getattr(tree, "shape", ())))}


def _check_model(own: Own, arguments: Any, given: Any) -> Any:
    if isinstance(given, (layouts.ResNet, layouts.Dense)) or type(given) is tuple:
        return given
    if inspect.isclass(given) or not callable(getattr(given, "apply", None)):
        raise ConfigError(f"{own} gives {describe(given)}: give a Linen module, such as Network()")
    method = getattr(type(given), "__call__", None)
    if method is None or not takes(method, "self", "images", named=("train",)):
        name = type(given).__name__
        raise ConfigError(f"{own}: give {name} a method __call__(self, images, train)")
    return given


def _check_measure(own: Own, arguments: Any, given: Any) -> Any:
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise ConfigError(f"{own} gives {describe(given)}: give arrays by name, in a dict")
    for name, value in given.items():
        if not hasattr(value, "ndim"):
            raise ConfigError(f"{own} gives {describe(value)} as {name}: give an array")
    return given


def _check_finish(own: Own, arguments: Any, given: Any) -> Any:
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise ConfigError(f"{own}: finish gives {describe(given)}: give scores by name, in a dict")
    for name, value in given.items():
        if not (isinstance(value, Mapping) or hasattr(value, "ndim") or is_number(value)):
            raise ConfigError(f"{own}: finish gives {describe(value)} as {name}: give a number")
    return given


def _check_metric(own: Own, arguments: Any, given: Any) -> Any:
    """One number, or one for each test image; None of a record that has none."""
    import numpy as np  # for which --help need not wait

    by_image, of_record = own.traits.get("by_image") is True, not own.traits.get("of_logits")
    value = np.asarray(given)
    known = value.dtype.kind in "fiub" or is_float(value)
    if known and value.ndim == by_image or given is None and of_record:
        return given  # how many there are is looked at where the images are known
    what = "one number for each test image, [N]" if by_image else "one number"
    raise ConfigError(f"{own} gives {describe(given)}: give {what}")


def _check_images(own: Own, arguments: Any, given: Any) -> Any:
    if given is not None and getattr(given, "ndim", 0) != 1:
        raise ConfigError(
            f"{own}: by_image gives {describe(given)}: give a number for each test image [N]"
        )
    return given


def _check_number(own: Own, arguments: Any, given: Any) -> Any:
    if not is_number(given):
        raise ConfigError(f"{own}: a trait gives {describe(given)}: give one number")
    return given


CHECKS: dict[str, Callable[..., Any]] = {
    "activation": _check_activation, "pool": _check_pooling, "norm": _check_second,
    "init": _check_kernel, "schedule": _check_schedule, "optimizer": _check_optimizer,
    "augment": _check_second, "corruption": _check_second, "model": _check_model,
    "measure": _check_measure, "metric": _check_metric,
}  # fmt: skip
TRAITS: dict[str, Callable[..., Any]] = {
    "finish": _check_finish, "by_image": _check_images, "resolution": _check_number,
    "sees": _check_number,
}  # fmt: skip
