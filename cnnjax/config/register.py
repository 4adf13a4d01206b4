"""What a choice may be called: built-in names and those from outside, each declared once.

A decorator is the only place where a name stands; it marks the function that the name stands for.
Names whose functions need JAX are read from the source of their home, unimported, so that `--help`
and a refusal answer at once; `find` imports it. Imports no JAX.
"""

import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, TypeVar

from cnnjax.config import declared
from cnnjax.config.declared import Declared
from cnnjax.config.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])
PACKAGE = __name__.partition(".")[0]
# Where the built-in names of a knob are declared; models are imported with the knobs.
HOMES = {
    "pool": "cnnjax.ops.pool", "activation": "cnnjax.ops.activation", "measure": "cnnjax.measures",
    "metric": "cnnjax.measures",
}  # fmt: skip
DECORATORS = {
    "pool": "pooling", "activation": "activation", "measure": "(?:measure|metric)",
    "metric": "metric",
}  # fmt: skip
METRICS = "cnnjax.study.metrics"  # declares those that read records, and imports NumPy


class Choice(NamedTuple):
    """What a name stands for."""

    make: Callable[..., Any]
    help: str  # the first line of its docstring
    source: str  # the file that declares it, where that is none of ours; empty for built-in
    traits: Mapping[str, Any]


# By knob, in the order of declaration.
CHOICES: dict[str, dict[str, Choice]] = {
    "model": {}, "dataset": {}, **{knob: {} for knob in HOMES}
}  # fmt: skip


@functools.cache
def read_home(knob: str) -> dict[str, Declared]:
    """The built-in names of a knob with what their source declares of them."""
    return declared.read(HOMES[knob], rf"register\.{DECORATORS[knob]}") if knob in HOMES else {}


def scan(knob: str) -> dict[str, str]:
    """The built-in names of a knob with the first line of each docstring, from the source."""
    return {name: own.help for name, own in read_home(knob).items()}


def names(knob: str) -> tuple[str, ...]:
    """All names of a knob: the built-in ones, then those from outside."""
    return tuple({**scan(knob), **CHOICES[knob]})


def find(knob: str, name: str) -> Choice:
    """What a name of a knob stands for; the home of a built-in one is imported here."""
    if name not in CHOICES[knob] and knob in HOMES:
        importlib.import_module(HOMES[knob])
    return CHOICES[knob][name]


def _register(knob: str, name: str, make: F, traits: Mapping[str, Any]) -> F:
    """Raises ConfigError where the name stands for something else already."""
    module = make.__module__
    source = ""
    if module.partition(".")[0] != PACKAGE:
        source = getattr(sys.modules.get(module), "__file__", None) or module
    there = CHOICES[knob].get(name)
    taken = source and name in scan(knob)
    if taken or there and (there.source, there.make.__qualname__) != (source, make.__qualname__):
        raise ConfigError(
            f"{source or module}: --{knob}={name} is there already: give it another name"
        )
    help = (inspect.getdoc(make) or "").partition("\n")[0]
    CHOICES[knob][name] = Choice(make, help, source, traits)
    return make


def model(
    name: str,
    *,
    reads: Collection[str],
    defaults: Mapping[str, Any] | None = None,
    small: Mapping[str, Any] | None = None,
) -> Callable[[F], F]:
    """Declares a model: a function of (Config, classes) to its layers as data, or a Linen module.

    `reads` names the knobs that it heeds of those that say `by_model`, and values that not every
    model has, such as "padding=published". `defaults` are its own of the knobs of its architecture,
    for which a person may give another value; `small` makes it one that trains in a test.
    """
    traits = {"reads": frozenset(reads), "defaults": defaults or {}, "small": small or {}}
    return lambda make: _register("model", name, make, traits)


def pooling(
    name: str,
    *,
    sees: Callable[[int], int] = lambda size: size,
    windows: bool = True,
    strides: bool = False,
    activated: bool = False,
    biased: bool = False,
) -> Callable[[F], F]:
    """Declares a pooling: a function of (maps [N, H, W, C], size, stride, padding).

    By keyword, where its signature names them, it is given `param(name, initializer, shape)` for
    what it learns, `key` (None in evaluation), the knob `count_padding` and `platform`. `sees` is
    how many cells of an axis one window sees, `windows` whether it has any, `strides` whether the
    convolution below it moves by its stride instead, `activated` whether the run's activation
    follows, `biased` whether it adds one.
    """
    traits = {
        "sees": sees, "windows": windows, "strides": strides, "activated": activated,
        "biased": biased,
    }  # fmt: skip
    return lambda make: _register("pool", name, make, traits)


def activation(name: str, *, pieces: int = 1) -> Callable[[F], F]:
    """Declares a non-linearity: a function of units [..., C].

    It makes one unit of `pieces` neighbouring channels.
    """
    return lambda make: _register("activation", name, make, {"pieces": pieces})


def measure(
    name: str,
    *,
    always: bool = False,
    finish: Callable[[Mapping[str, Any], Any], Mapping[str, Any]] | None = None,
) -> Callable[[F], F]:
    """Declares what may be measured on a finished run; what always is, is none to ask for.

    A pure function of (model, params, stats, observed, key), on the device, to arrays by name: [],
    one score of the run, or [..., test images]. Where these are no scores yet, `finish` of (these
    in NumPy without padding, spec of the data) gives scores: numbers, values [test images] of which
    the score is the mean, or JSON as it stands.
    """
    traits = {"always": always, "finish": finish, "of_logits": False}
    return lambda make: _register("measure", name, make, traits)


def dataset(name: str) -> Callable[[F], F]:
    """Declares a data set: a function of nothing to arrays by name, or a TFDS builder class.

    Arrays are x_train, y_train, x_test and y_test [N, H, W] or [N, H, W, C] and [N], as in the
    files of --dataset=arrays:PATH, with x_val and y_val where validation images are not to be held
    out of train, and `class_names` where labels are numbers of these.
    """

    def declare(make: F) -> F:
        from cnnjax.config import datasets  # imports this

        datasets.check_new(name)
        return _register("dataset", name, make, {"builder": inspect.isclass(make)})

    return declare


def metric(
    name: str,
    *,
    margin: float,
    label: str = "",
    share: bool = False,
    unit: str = "",
    resolution: float | Callable[[Any], float] = 0.0,
    by_image: bool | Callable[[Any], Any] = False,
    measure: str = "",
    counts_failures: bool = False,
) -> Callable[[F], F]:
    """Declares what a study may compare: a function of `(record)` or of `(logits, labels)`.

    Its arguments' names decide. It gives one number a run; with `by_image` one for each test image
    [N], of which the metric is the mean, and comparisons then answer for other images too. One of
    logits [N, classes] and labels [N], in NumPy, is a measure as well: a study that names it asks
    for it. `margin` is the least difference that matters, `share` whether the number is shown in
    per cent, `unit` its unit where it is none, `resolution` the least step between two numbers. One
    of a record gives NaN for images that do not count, and None where there is nothing to read; it
    may say what `measure` it reads, and where `by_image` is itself a function of a record, it gives
    the mean of what that gives.
    """
    traits: dict[str, Any] = {
        "label": label or name_plainly(name), "margin": margin, "share": share, "unit": unit,
        "resolution": resolution, "by_image": by_image,
    }  # fmt: skip

    def declare(make: F) -> F:
        arguments = [*inspect.signature(make).parameters]
        if make.__module__.partition(".")[0] != PACKAGE:
            importlib.import_module(METRICS)  # so that a name that is taken is refused here
        if arguments == ["logits", "labels"]:
            if measure or counts_failures or callable(by_image):
                raise ConfigError(f"metric {name}: one of logits reads nothing else")
            own = {"always": False, "finish": None, "by_image": by_image, "of_logits": True}
            _register("measure", name, make, own)
            return _register("metric", name, make, {**traits, "of_logits": True})
        if arguments[:1] != ["record"]:
            raise ConfigError(
                f"metric {name} takes {arguments}: write (record) or (logits, labels)"
            )
        more = {"measure": measure, "counts_failures": counts_failures}
        return _register("metric", name, make, {**traits, **more})

    return declare


def name_plainly(name: str) -> str:
    """A metric's name in words."""
    return name.replace("_", " ")
