"""What a record holds, field by field, so that who reads one need not ask whether it is so.

A check takes a value and gives where it is wrong: None where it is right, "" where it is of another
kind itself, else the place within it, such as ".scores.failed". Imports no JAX.
"""

import re
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cnnjax.config import rules
from cnnjax.records import origin

Check = Callable[[Any], str | None]
MOST = sys.float_info.max  # JSON has longer numbers, and NaN
PACKED = re.compile(r"(u?int|float)\d+:.*", re.DOTALL)  # of `packing`


def is_a(*kinds: type, least: float = -MOST, most: float = MOST) -> Check:
    """A plain value of one of these types; numbers are finite, and a truth value is none."""

    def check(value: Any) -> str | None:
        number = type(value) in (int, float)
        return None if type(value) in kinds and (not number or least <= value <= most) else ""

    return check


def either(*checks: Check) -> Check:
    """What one of these allows."""
    return lambda value: None if any(check(value) is None for check in checks) else ""


def maybe(check: Check) -> Check:
    """Such a value, or null."""
    return lambda value: None if value is None else check(value)


def listed(check: Check, least: int = 0) -> Check:
    """A list of at least so many such values."""

    def find(value: Any) -> str | None:
        if not isinstance(value, list) or len(value) < least:
            return ""
        return _first((f"[{place}]", check(own)) for place, own in enumerate(value))

    return find


def fields(needed: Mapping[str, Check], known: Mapping[str, Check], others: Check) -> Check:
    """An object with what is needed; what is known may be missing, and others may be there."""
    checks = {**known, **needed}

    def find(value: Any) -> str | None:
        if not isinstance(value, dict):
            return ""
        lacking = next((name for name in needed if name not in value), None)
        if lacking is not None:
            return f".{lacking}"
        return _first((f".{name}", checks.get(name, others)(own)) for name, own in value.items())

    return find


def named(check: Check) -> Check:
    """An object of such values, by whatever names."""
    return fields({}, {}, check)


def _first(found: Iterable[tuple[str, str | None]]) -> str | None:
    return next((place + wrong for place, wrong in found if wrong is not None), None)


def _of_robustness(value: Any) -> str | None:
    """What a run scored at each strength of a corruption."""
    own = {"strengths": listed(NUMBER, 1), "accuracy": listed(SHARE, 1)}
    wrong = fields(own, {}, ANYTHING)(value)
    unlike = wrong is None and len(value["strengths"]) != len(value["accuracy"])
    return ".accuracy" if unlike else wrong


def ANYTHING(value: object) -> None:  # noqa: N802
    """What nobody reads, or who does asks first what it is."""


NUMBER, SHARE = is_a(int, float), is_a(int, float, least=0, most=1)
COUNT, MANY = is_a(int, least=0, most=2**63 - 1), is_a(int, least=1, most=2**63 - 1)
TEXT, FLAG = is_a(str), is_a(bool)
PLAIN = is_a(str, bool, int, float)
VALUE = either(PLAIN, listed(PLAIN))  # of a knob
KINDS: Mapping[type, Check] = {bool: FLAG, int: is_a(int), float: NUMBER, str: TEXT}
KNOBS = {
    name: listed(KINDS[knob.item]) if knob.type is tuple else KINDS[knob.type]
    for name, knob in rules.KNOBS.items()
}
FACT = maybe(either(VALUE, named(maybe(VALUE))))
CONFIG = fields(
    {"seed": COUNT, "steps": COUNT, "eval_every": COUNT},
    {**KNOBS, "stop_at": COUNT},
    VALUE,  # of another time, or from outside
)
MEASURE = maybe(either(NUMBER, FLAG, named(ANYTHING)))  # one from outside may give an object
OUTCOME = {"failed": FLAG, "diverged_at": maybe(COUNT), "test_accuracy": maybe(SHARE)}
SPLITS = {
    "diverged": maybe(FLAG),
    "num_train_examples": maybe(COUNT), "num_pool_examples": maybe(COUNT),
    "drawn_by_seed": maybe(FLAG), "best_step": maybe(COUNT), "trained_steps": maybe(COUNT),
    "validation_accuracy": maybe(SHARE), "validation_loss": maybe(NUMBER),
    "by_image": maybe(named(TEXT)), "robustness": maybe(named(_of_robustness)),
}  # fmt: skip
SCORES = fields({"num_test_examples": MANY}, {**OUTCOME, **SPLITS}, MEASURE)
LINE = fields({"step": COUNT, "validation_accuracy": maybe(SHARE)}, {}, maybe(NUMBER))
SIZES = {"parameters": COUNT, "macs": COUNT, "receptive_field": maybe(COUNT),
         "map_shape": listed(COUNT)}  # fmt: skip
SPEEDS = {"examples_per_second": maybe(NUMBER), "compile_seconds": maybe(NUMBER)}
ORIGIN = fields(
    {},
    {
        "data": maybe(TEXT), "feed": maybe(TEXT), "plugins": maybe(named(TEXT)),
        "versions": maybe(named(TEXT)),
    },
    FACT,
)  # fmt: skip
WHENCE = {"origin": either(TEXT, ORIGIN)}
MIXED = {"mixed": maybe(listed(TEXT))}  # of a run that went on elsewhere
STARTED = fields(WHENCE, MIXED, ANYTHING)  # the provenance of a run that is in training
PROVENANCE = fields(
    {**WHENCE, "date": TEXT, "packages": named(TEXT)},
    {
        **dict.fromkeys(origin.FORMER.values(), maybe(TEXT)),
        **MIXED,
        "num_devices": maybe(COUNT),
        "class_names": maybe(listed(TEXT)),
        "texts": maybe(named(TEXT)),
        "files": maybe(named(TEXT)),
        "seconds": maybe(NUMBER),
    },
    ANYTHING,
)
RECORD = fields(
    {
        "id": TEXT, "config": CONFIG, "scores": SCORES, "metrics": listed(LINE, 1),
        "cost": fields(SIZES, SPEEDS, maybe(VALUE)), "provenance": PROVENANCE,
    },
    {}, ANYTHING,
)  # fmt: skip

# What is in result.json: scores, sizes and provenance side by side.
RESULT = fields(
    {**OUTCOME, "num_test_examples": MANY, "num_parameters": COUNT, "provenance": PROVENANCE},
    SPLITS, maybe(either(MEASURE, TEXT)),
)  # fmt: skip


def find_fault(record: Mapping[str, Any]) -> str | None:
    """Where a record is none, such as 'scores.by_image.label'; None where it is one."""
    wrong = RECORD(record)
    if wrong is None:
        wrong = _first(
            (f".scores.by_image.{name}", _of_images(name, text, record))
            for name, text in (record["scores"].get("by_image") or {}).items()
        )
    return None if wrong is None else wrong.removeprefix(".")


def _of_images(name: str, text: str, record: Mapping[str, Any]) -> str | None:
    """Values of single images: one a test image, or of the split that chooses."""
    scores, classes = record["scores"], record["provenance"].get("class_names")
    from cnnjax.records.packed import unpack_values  # and NumPy, for which --help does not wait

    try:
        values = unpack_values(text) if PACKED.fullmatch(text) else None
    except (TypeError, ValueError, zlib.error):
        values = None
    if values is None or name in ("label", "cluster") and values.dtype.kind == "f":
        return ""
    if name == "label" and classes and not ((values >= 0) & (values < len(classes))).all():
        return ""
    if name in ("test_accuracy", "validation_accuracy"):
        if not ((values >= 0) & (values <= 1)).all():  # NaN is neither
            return ""
    known = name == "validation_accuracy" or len(values) == scores["num_test_examples"]
    return None if known else ""
