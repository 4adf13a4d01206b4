"""What a choice may be called: built-in names and those from outside, each declared once.

A decorator is the only place where a name stands; it marks the function that the name stands for.
Names whose functions need JAX are read from the source of their home, unimported, so that `--help`
and a refusal answer at once; `find` imports it. Imports no JAX.
"""

import functools
import importlib
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, TypeVar

from cnnjax.config import callers, contracts, declared, naming
from cnnjax.config.absent import Absent
from cnnjax.config.declared import Declared
from cnnjax.config.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T", int, str)
# Where the built-in names of a knob are declared; of models the Linen modules, as those that are
# layers as data (config/models.py) are imported with the knobs. A corruption is no knob: all that
# there are make up the measure `robustness`.
HOMES = {
    "model": "cnnjax.networks.models",
    "pool": "cnnjax.ops.pool",
    "activation": "cnnjax.ops.activation",
    "norm": "cnnjax.networks.norms",
    "init": "cnnjax.ops.initial",
    "optimizer": "cnnjax.training.optimizers",
    "schedule": "cnnjax.training.schedules",
    "measure": "cnnjax.measures",
    "metric": "cnnjax.measures",
    "augment": "cnnjax.data.augment",
    "corruption": "cnnjax.measures.robustness",
}
# The decorator of a knob where it has one of its own; that of any other is `choice`.
DECORATORS = {
    "model": "model", "pool": "pooling", "activation": "activation",
    "measure": "(?:measure|metric)", "metric": "metric",
}  # fmt: skip


class Choice(NamedTuple):
    """What a name stands for."""

    make: Callable[..., Any]
    help: str  # the first line of its docstring
    source: str  # the file that declares it, where that is none of ours; empty for built-in
    traits: Mapping[str, Any]
    line: int = 0  # of the declaration


# By knob, in the order of declaration.
CHOICES: dict[str, dict[str, Choice]] = {knob: {} for knob in ("model", "dataset", *HOMES)}


@functools.cache
def read_home(knob: str) -> dict[str, Declared]:
    """The built-in names of a knob with what their source declares of them."""
    own = DECORATORS.get(knob)
    said = rf"register\.{own or 'choice'}", "" if own else knob
    return declared.read(HOMES[knob], *said) if knob in HOMES else {}


def scan(knob: str) -> dict[str, str]:
    """The built-in names of a knob with the first line of each docstring, from the source."""
    return {name: own.help for name, own in read_home(knob).items()}


def names(knob: str) -> tuple[str, ...]:
    """All names of a knob: the built-in ones, then those from outside."""
    built_in = read_home(knob)
    return (*built_in, *(name for name in CHOICES[knob] if name not in built_in))


def find(knob: str, name: str) -> Choice:
    """What a name of a knob stands for; the home of a built-in one is imported here."""
    if name not in CHOICES[knob] and knob in HOMES:
        importlib.import_module(HOMES[knob])
    return CHOICES[knob][name]


def list_declared(source: str) -> dict[str, tuple[str, ...]]:
    """By knob, the names that a file from outside declares."""
    found = {
        knob: tuple(name for name, own in known.items() if own.source == source)
        for knob, known in CHOICES.items()
    }
    return {knob: own for knob, own in found.items() if own}


def read_trait(knob: str, name: str, trait: str, default: T) -> T:
    """A trait of a name that is a number or a text, without its home; the default where unknown."""
    if name in CHOICES[knob]:
        return CHOICES[knob][name].traits.get(trait, default)
    own = read_home(knob).get(name)
    return type(default)(own.facts.get(trait, default)) if own else default


def reads(knob: str, name: str, other: str) -> bool:
    """Whether a name reads another knob: by `reads` at its decorator, or as an argument."""
    if name in CHOICES[knob]:
        known = CHOICES[knob][name]
        if isinstance(known.make, Absent):
            return known.make.reads is None or other in known.make.reads
        named = other in inspect.signature(known.make).parameters
        return named or other in known.traits.get("reads", ())
    own = read_home(knob).get(name)
    return own is not None and other in own.reads


def _register(knob: str, name: str, make: F, traits: Mapping[str, Any]) -> F:
    """Raises ConfigError where the name stands for something else already."""
    source, line = callers.find_place(__name__)
    there, twice = CHOICES[knob].get(name), callers.declares_twice(source, knob, name)
    if there is not None and isinstance(there.make, Absent):
        there = None
    own = (source, callers.name_of(make))
    taken = source and (name in scan(knob) or there and twice)
    if taken or there and (there.source, callers.name_of(there.make)) != own:
        raise ConfigError(f"--{knob}={name} is there already: give it another name")
    if source and "reads" in traits:
        naming.check_reads(knob, name, traits["reads"])
    help = (inspect.getdoc(callers.unwrap(make)) or "").partition("\n")[0]
    if there:  # another function, by the same name
        contracts.forget(source)
    new = Choice(make, help, source, traits, line)
    CHOICES[knob][name] = contracts.wrap_choice(knob, name, new)
    return make


def _declare(knob: str, name: str, traits: Mapping[str, Any]) -> Callable[[F], F]:
    """Raises ConfigError where the name cannot be one."""
    naming.check_name(knob, name)
    return lambda make: _register(knob, name, make, traits)


@callers.needs_name
def model(
    name: str,
    *,
    reads: Collection[str],
    defaults: Mapping[str, Any] | None = None,
    small: Mapping[str, Any] | None = None,
    instead: str = "",
    images: tuple[int, int, int] = (8, 8, 1),
) -> Callable[[F], F]:
    """Declares a model: a function of (Config, classes) to its layers as data, or a Linen module.

    `reads` names the knobs that it heeds of those that say `by_model` (each from outside has
    init_gain and freeze), and values that not every model has, such as "padding=published".
    `defaults` are its own of its architecture's knobs, for which a person may give other values;
    `small` makes it one that trains in a test, where `images` [H, W, C] do. `instead` is one for
    small images, where it is not.
    """
    traits = {
        "reads": naming.read_names(name, reads), "defaults": defaults or {}, "small": small or {},
        "instead": instead, "images": images,
    }  # fmt: skip
    return _declare("model", name, traits)


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
    traits = dict(sees=sees, windows=windows, strides=strides, activated=activated, biased=biased)
    return _declare("pool", name, traits)


@callers.needs_name
def choice(knob: str, name: str, **traits: Any) -> Callable[[F], F]:
    """Declares a value of a knob that has no decorator of its own, with what is known of it.

    A schedule is a function of a number of steps to the share of the rate at each; an optimizer of
    (numbers, schedule, kernels) to an optax transformation, with the number of `averages` that it
    keeps of each parameter; a norm of (config, units, train, name) to units; an init of (key,
    shape, dtype) to a kernel; an augment of (key, images) to images; a corruption of (key, images,
    strength, way, pixels) to images, with `strengths` and their `unit`. `reads` names the knobs
    that it heeds of norm_scale, norm_momentum, norm_epsilon and norm_bias_rate (the rate of a
    parameter `bias` of the module `name`), and of an optimizer momentum.
    """
    own = [other for other in HOMES if other not in DECORATORS]
    if knob not in own:
        raise ConfigError(f"choice({knob!r}, {name!r}): give one of {', '.join(own)}")
    return _declare(knob, name, traits)


def activation(name: str, *, pieces: int = 1) -> Callable[[F], F]:
    """Declares a non-linearity: a function of units [..., C].

    It makes one unit of `pieces` neighbouring channels.
    """
    return _declare("activation", name, {"pieces": pieces})


def measure(
    name: str,
    *,
    always: bool = False,
    at_start: bool = False,
    of_training: bool = False,
    finish: Callable[[Mapping[str, Any], Any], Mapping[str, Any]] | None = None,
) -> Callable[[F], F]:
    """Declares what may be measured on a finished run; what always is, is none to ask for.

    A pure function of (model, params, stats, observed, key), on the device, to arrays by name: [],
    one score of the run, or [..., test images]. Where these are no scores yet, `finish` of (these
    in NumPy without padding, spec of the data) gives scores: numbers, values [test images] of which
    the score is the mean, or JSON as it stands. With `at_start` it is of the network before its
    first step, with `of_training` of the finished one; `observed` is then a `Training` of
    measures/observed.py: the run's own training images.
    """
    traits = {"always": always, "at_start": at_start, "of_training": of_training, "finish": finish}
    return _declare("measure", name, {**traits, "of_logits": False})


def dataset(name: str) -> Callable[[F], F]:
    """Declares a data set: a function of nothing to arrays by name, or a TFDS builder class.

    Arrays are x_train, y_train, x_test and y_test [N, H, W] or [N, H, W, C] and [N], as in the
    files of --dataset=arrays:PATH, with x_val and y_val where validation images are not to be held
    out of train, and `class_names` where labels are numbers of these.
    """
    naming.check_name("dataset", name)

    def declare(make: F) -> F:
        from cnnjax.config import datasets  # imports this

        datasets.check_new(name)
        return _register("dataset", name, make, {"builder": inspect.isclass(make)})

    return declare


@callers.needs_name
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
    naming.check_metric(name, margin)
    traits: dict[str, Any] = {
        "label": label or naming.name_plainly(name), "margin": margin, "share": share, "unit": unit,
        "resolution": resolution, "by_image": by_image,
    }  # fmt: skip

    def declare(make: F) -> F:
        if callers.find_source(__name__):
            importlib.import_module("cnnjax.study.metrics")  # a name taken there is refused here
        if contracts.reads_logits(name, make):
            if measure or counts_failures or callable(by_image):
                raise ConfigError(f"metric {name}: one of logits reads nothing else")
            own = {"always": False, "finish": None, "by_image": by_image, "of_logits": True}
            _register("measure", name, make, own)
            return _register("metric", name, make, {**traits, "of_logits": True})
        more = {"measure": measure, "counts_failures": counts_failures}
        return _register("metric", name, make, {**traits, **more})

    return declare
