"""What a choice from outside must be, by kind: its arguments, and what it gives.

A wrong signature is refused where it is declared, what it gives where it is called. Imports no JAX:
arrays are known by their shapes and types.
"""

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from types import NoneType
from typing import Any

from cnnjax.config import fitting, guard, layouts, naming
from cnnjax.config.errors import ConfigError
from cnnjax.config.guard import Own

# What a choice is called with, by position.
ARGUMENTS = {
    "model": ("config", "num_classes"), "dataset": (),
    "pool": ("maps", "size", "stride", "padding"), "activation": ("units",),
    "norm": ("config", "units", "train", "name"),
    "init": ("key", "shape", "dtype"), "optimizer": ("numbers", "schedule", "kernels"),
    "schedule": ("steps",), "measure": ("model", "params", "stats", "observed", "key"),
    "augment": ("key", "images"), "corruption": ("key", "images", "strength", "way", "pixels"),
}  # fmt: skip
NAMED = {"pool": ("param", "key", "count_padding", "platform")}  # where a signature names them
KNOWN = {  # what `choice` may say of a name besides
    "norm": ("reads", "after", "biased"),
    "init": ("reads", "logits", "depthwise", "spread", "power", "bound"),
    "optimizer": ("reads", "averages"), "schedule": ("reads",), "augment": ("reads",),
    "corruption": ("strengths", "unit", "ways"),
}  # fmt: skip

TYPES: dict[str, Any] = {  # what decorators say of a name, where no other rule is for it
    "always": bool, "averages": int, "biased": bool, "activated": bool, "counts_failures": bool,
    "by_image": bool | Callable, "defaults": Mapping, "finish": Callable | NoneType, "instead": str,
    "label": str, "measure": str, "pieces": int, "resolution": float | Callable, "sees": Callable,
    "share": bool, "small": Mapping, "strides": bool, "unit": str, "ways": int, "windows": bool,
    "reads": Collection, "after": bool, "logits": str, "depthwise": str, "power": float,
    "spread": Callable, "bound": Callable,
}  # fmt: skip

# What keeps something of choices by their names: called with the file of one that is declared anew.
REMEMBERED: list[Callable[[str], None]] = []


def forget(source: str) -> None:
    """Lets go of what was read and found of the choices of a file, or a notebook's cells."""
    for own in REMEMBERED:
        own(source)


def wrap_choice(knob: str, name: str, choice: Any) -> Any:
    """A choice as the register has it; of one from outside, functions are guarded.

    Raises ConfigError where that cannot be called as a choice of its kind is.
    """
    if not choice.source:
        return choice
    own = guard.Own(knob, name, choice.source, choice.line, choice.traits)
    return choice._replace(make=_wrap_make(own, choice.make), traits=_wrap_traits(own))


def _wrap_make(own: Own, make: Callable[..., Any]) -> Callable[..., Any]:
    """What stands for the function; a builder class of TFDS is left as it is."""
    if not callable(make):
        raise ConfigError(f"{own} is {guard.describe(make)}: declare a function")
    if inspect.isclass(make) and own.knob == "dataset":
        if not hasattr(make, "download_and_prepare"):
            given = guard.describe(make)
            raise ConfigError(f"{own} is {given}: declare a function, or a builder of TFDS")
        return make
    of_logits = own.traits.get("of_logits")
    if own.knob in ARGUMENTS and not of_logits:
        _check_signature(own, make)
    _check_traits(own)
    check = _check_metric if of_logits else CHECKS.get(own.knob)
    return guard.wrap(own, make, check)


def _wrap_traits(own: Own) -> dict[str, Any]:
    """Its traits, of which functions are guarded as it is."""
    return {
        name: guard.wrap(own, value, TRAITS.get(name)) if callable(value) else value
        for name, value in own.traits.items()
    }


def reads_logits(name: str, make: Callable[..., Any]) -> bool:
    """Whether a metric is of (logits, labels). Raises ConfigError where it is not of (record)."""
    if not callable(make):
        raise ConfigError(f"metric {name} is {guard.describe(make)}: declare a function")
    arguments = [*inspect.signature(make).parameters]
    if arguments == ["logits", "labels"]:
        return True
    if arguments[:1] != ["record"]:
        raise ConfigError(f"metric {name} takes {arguments}: write (record) or (logits, labels)")
    return False


def _check_signature(own: Own, make: Callable[..., Any]) -> None:
    wanted, named = ARGUMENTS[own.knob], NAMED.get(own.knob, ())
    if not guard.takes(make, *wanted, named=named):
        also = f" and by keyword, where it wants them, {', '.join(named)}" if named else ""
        taken = inspect.signature(make)
        raise ConfigError(f"{own} takes {taken}: write ({', '.join(wanted)}){also}")


def _check_traits(own: Own) -> None:
    """Those of `choice`, which takes any: the other decorators name theirs."""
    known = KNOWN.get(own.knob)
    if unknown := sorted(set(own.traits) - set(known or own.traits)):
        may = ", ".join(known or ())
        raise ConfigError(f"{own}: {unknown[0]} says nothing here: it may say {may}")
    for name, value in own.traits.items():
        if not fitting.fits(value, TYPES.get(name, Any)):
            raise ConfigError(f"{own}: {name}={value!r}: give {fitting.describe(TYPES[name])}")
    for name in ("defaults", "small"):
        naming.check_reads(f"{name} of model", own.name, own.traits.get(name, ()))
    strengths = own.traits.get("strengths")
    if own.knob == "corruption" and not (isinstance(strengths, Sequence) and len(strengths) > 1):
        raise ConfigError(f"{own}: give strengths=(0.0, 0.5, 1.0), the first of no corruption")


def _like(own: Own, given: Any, shape: Any, what: str) -> Any:
    if not guard.is_float(given) or tuple(given.shape) != tuple(shape):
        raise ConfigError(
            f"{own} gives {guard.describe(given)}: give {what} {list(shape)}, of floats"
        )
    return given


def _check_activation(own: Own, arguments: Any, given: Any) -> Any:
    *before, channels = arguments[0].shape
    return _like(own, given, (*before, channels // own.traits.get("pieces", 1)), "units")


def _check_pooling(own: Own, arguments: Any, given: Any) -> Any:
    shape = tuple(getattr(given, "shape", ()))
    if not guard.is_float(given) or len(shape) != 4 or shape[0] != arguments[0].shape[0]:
        raise ConfigError(
            f"{own} gives {guard.describe(given)} for maps {list(arguments[0].shape)}: give maps"
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
        raise ConfigError(f"{own} gives {guard.describe(given)}: give a function of the step")

    def check(own: Own, arguments: Any, share: Any) -> Any:
        if not guard.is_number(share):
            raise ConfigError(f"{own} gives {guard.describe(share)} at a step: give one number")
        return share

    return guard.wrap(own, given, check)


def _check_optimizer(own: Own, arguments: Any, given: Any) -> Any:
    if not (isinstance(given, tuple) and getattr(given, "_fields", ()) == ("init", "update")):
        raise ConfigError(
            f"{own} gives {guard.describe(given)}: give an optax.GradientTransformation"
        )

    def check(own: Own, arguments: Any, updated: Any) -> Any:
        if not isinstance(updated, tuple) or len(updated) != 2:
            raise ConfigError(f"{own} gives {guard.describe(updated)}: give (updates, state)")
        wanted, found = _list_shapes(arguments[0]), _list_shapes(updated[0])
        if wrong := sorted({*wanted.items()} ^ {*found.items()}):
            path = wrong[0][0]
            raise ConfigError(
                f"{own} gives {found.get(path)} for {path}: give an update of the gradient's shape,"
                f" {wanted.get(path)}"
            )
        _check_state(own, arguments[1], updated[1])
        return updated

    made: Any = given
    init, update = guard.wrap(own, made.init, None), guard.wrap(own, made.update, check)
    return made._replace(init=init, update=update)


def _check_state(own: Own, given: Any, updated: Any) -> None:
    """A state has arrays of the same shapes and types after each step."""
    import jax

    (wanted, layout), (found, other) = (jax.tree.flatten(state) for state in (given, updated))
    if layout != other:
        raise ConfigError(f"{own} gives a state of other parts than it took: keep the same ones")
    for before, after in zip(map(jax.typeof, wanted), map(jax.typeof, found), strict=True):
        if (before.shape, before.dtype) != (after.shape, after.dtype):
            before, after = guard.describe(before), guard.describe(after)
            raise ConfigError(
                f"{own} gives {after} in its state for {before}: keep the shape and the type"
            )


def _list_shapes(tree: Any, path: str = "") -> dict[str, str]:
    """Shapes by path of a tree of arrays, as text."""
    if isinstance(tree, Mapping):
        own = (_list_shapes(leaf, f"{path}/{name}".strip("/")) for name, leaf in tree.items())
        return {key: shape for found in own for key, shape in found.items()}
    return {path: guard.describe(tree) if tree is None else str(list(getattr(tree, "shape", ())))}


def _check_model(own: Own, arguments: Any, given: Any) -> Any:
    if isinstance(given, (layouts.ResNet, layouts.Dense)) or type(given) is tuple:
        return given
    if inspect.isclass(given) or not callable(getattr(given, "apply", None)):
        raise ConfigError(
            f"{own} gives {guard.describe(given)}: give a Linen module, such as Network()"
        )
    if not callable(given) or not guard.takes(given.__call__, "images", train=False):
        name = type(given).__name__
        raise ConfigError(f"{own}: give {name} a method __call__(self, images, train)")
    return given


def _check_measure(own: Own, arguments: Any, given: Any) -> Any:
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise ConfigError(f"{own} gives {guard.describe(given)}: give arrays by name, in a dict")
    for name, value in given.items():
        if not hasattr(value, "ndim"):
            raise ConfigError(f"{own} gives {guard.describe(value)} as {name}: give an array")
    return given


def _check_finish(own: Own, arguments: Any, given: Any) -> Any:
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise ConfigError(
            f"{own}: finish gives {guard.describe(given)}: give scores by name, in a dict"
        )
    for name, value in given.items():
        if not (isinstance(value, Mapping) or hasattr(value, "ndim") or guard.is_number(value)):
            raise ConfigError(
                f"{own}: finish gives {guard.describe(value)} as {name}: give a number"
            )
    return given


def _check_metric(own: Own, arguments: Any, given: Any) -> Any:
    """One number, or one for each test image; None of a record that has none."""
    import numpy as np  # for which --help need not wait

    by_image, of_record = own.traits.get("by_image") is True, not own.traits.get("of_logits")
    value = np.asarray(given)
    known = value.dtype.kind in "fiub" or guard.is_float(value)
    if known and value.ndim == by_image or given is None and of_record:
        return given  # how many there are is looked at where the images are known
    what = "one number for each test image, [N]" if by_image else "one number"
    raise ConfigError(f"{own} gives {guard.describe(given)}: give {what}")


def _check_images(own: Own, arguments: Any, given: Any) -> Any:
    if given is not None and getattr(given, "ndim", 0) != 1:
        raise ConfigError(
            f"{own}: by_image gives {guard.describe(given)}: give a number for each test image [N]"
        )
    return given


def _check_number(own: Own, arguments: Any, given: Any) -> Any:
    if not guard.is_number(given):
        raise ConfigError(f"{own}: a trait gives {guard.describe(given)}: give one number")
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
