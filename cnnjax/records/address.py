"""What tells lanes and arms apart: the address of a record, the key of its arm, its origin."""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from cnnjax.config import datasets
from cnnjax.config.config import KNOBS, Config, fill_in, to_json
from cnnjax.records import origin
from cnnjax.records.record import Record


class Form(NamedTuple):
    """What the addresses of lanes are made of that differ in their traced numbers alone."""

    names: tuple[str, ...]  # of these numbers, sorted
    texts: tuple[str, ...]  # around and between them


def record_id(config: Config, origin: Mapping[str, Any]) -> str:
    """The address of a lane. `origin` holds all else that can change its numbers."""
    return fill(make_form(config, origin), config)


def make_form(config: Config, origin: Mapping[str, Any]) -> Form:
    """The form of a lane's address, and of all that share its structure and origin.

    It is the text of both as JSON with sorted keys, but for the numbers: of 100,000 lanes each
    has its address in a moment.
    """
    fields = {**to_json(config), "dataset": datasets.without_path(config.dataset)}
    fields["init_from"] = "start" if config.init_from else ""  # the origin tells which weights
    names, texts, text = [], [], "[{"
    for place, (name, value) in enumerate(sorted(fields.items())):
        text += ", " * (place > 0) + f"{json.dumps(name)}: "
        if KNOBS[name].traced:
            names.append(name)
            texts.append(text)
            text = ""
        else:
            text += json.dumps(value, sort_keys=True, allow_nan=False)
    end = json.dumps(origin, sort_keys=True, allow_nan=False)
    return Form(tuple(names), (*texts, f"{text}}}, {end}]"))


def fill(form: Form, config: Config) -> str:
    """The address of a lane whose form it is."""
    values, whole = vars(config), form.texts[0]
    for name, text in zip(form.names, form.texts[1:], strict=True):
        value = values[name]
        if not math.isfinite(value):
            raise ValueError(f"{name}={value} is no number of JSON")
        whole += repr(value) + text  # as JSON has an integer or a float
    return hashlib.sha256(whole.encode()).hexdigest()[:24]


def arm_key(config: Mapping[str, Any]) -> str:
    """What records of one arm share, from the JSON of their configs: all knobs but the seed."""
    return json.dumps({**read_knobs(config), "seed": None}, sort_keys=True)


def read_knobs(config: Mapping[str, Any]) -> dict[str, Any]:
    """A value for every knob, from the JSON of a record's config.

    A knob that a record lacks is younger than it and counts as at its default; a key that is no
    knob is older than the others and does not count.
    """
    known = {name: value for name, value in config.items() if name in KNOBS}
    return known if len(known) == len(KNOBS) else fill_in(known)


def origin_of(record: Record) -> dict[str, Any]:
    """All that can have changed a record's numbers besides the knobs that there are now."""
    former = {name: value for name, value in record.config.items() if name not in KNOBS}
    return {**origin.read(record.provenance), "former_knobs": former}
