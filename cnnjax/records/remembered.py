"""Names that records have of plug-ins that are not loaded: what is there can be listed and judged.

Where the text of a plug-in lies beside them, what it says by literals is known of a name: what a
model reads, a knob's default, a metric's margin. Otherwise it may read any knob.
"""

import contextlib
import inspect
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from cnnjax.config import datasets, families, knobs, naming, register
from cnnjax.config.absent import Absent
from cnnjax.config.config import KNOBS
from cnnjax.config.declared import Declared
from cnnjax.config.errors import ConfigError
from cnnjax.records import kept
from cnnjax.records.kept import Field, Text
from cnnjax.records.record import Record

DECORATORS = {
    "model": register.model, "pool": register.pooling, "activation": register.activation,
    "measure": register.measure, "dataset": register.dataset,
}  # fmt: skip


def remember(records: Iterable[Record], folder: pathlib.Path | None = None) -> None:
    """Registers what records have and nothing declares: each name, if it can be one, and knob.

    In `folder`, that of the records, lie the texts of plug-ins that they were made with.
    """
    records = list(records)
    unknown, fields = _find_names(records), _find_fields(records)
    if not (unknown or fields or any(kept.list_hashes(own.provenance) for own in records)):
        return
    texts: list[Text] = []
    if folder is not None:
        texts = kept.read_texts(folder, [record.provenance for record in records])
    for place, text in enumerate(texts):
        for family, own in text.families.items():
            new = {name: field for name, field in own.items() if name not in KNOBS}
            new = {name: own for name, own in new.items() if own.is_plain or name in fields}
            _remember_family(f"{family}{place}", new, fields, text.source)
    for name, (_, source) in fields.items():
        if name not in KNOBS:
            _remember_family(name, {name: Field(None, None, {})}, fields, source)
    for text in texts:  # all that there are make up a measure, and no config names one
        for knob, name in text.choices:
            if knob == "corruption" and name not in register.names(knob):
                remember_choice(knob, name, text)
    for (knob, name), files in unknown.items():
        asked = ((knob, name), ("metric", name)) if knob == "measure" else ((knob, name),)
        text = next((own for key in asked for own in texts if key in own.choices), None)
        remember_choice(knob, name, text, files)


def _find_names(records: Iterable[Record]) -> dict[tuple[str, str], str]:
    """The knob and the name of each choice that nothing declares, and of which files it may be."""
    asked = [name for name, knob in KNOBS.items() if knob.registered or name == "measure"]
    known = {knob: {*register.names(knob)} for knob in asked}
    found: dict[tuple[str, str], str] = {}
    for record in records:
        for knob in known:
            value = record.config.get(knob, ())
            for name in (value,) if isinstance(value, str) else value:
                if name not in known[knob] and naming.NAME.fullmatch(name):
                    files = " or ".join(kept.list_hashes(record.provenance))
                    found.setdefault((knob, name), files)
    default = KNOBS["dataset"].default
    for name in {record.config.get("dataset", default) for record in records}:
        if not datasets.is_known(name):  # of data no record says the file
            found["dataset", name] = ""
    return found


def _find_fields(records: Iterable[Record]) -> dict[str, tuple[list[Any], str]]:
    """The values of each knob from outside that nothing declares, and of which files it may be.

    A knob of ours that there was once stands in records that used nothing from outside, too.
    """
    found: dict[str, tuple[list[Any], str]] = {}
    former: set[str] = set()
    for record in records:
        if other := [name for name in record.config if name not in KNOBS]:
            hashes = kept.list_hashes(record.provenance)
            if not hashes:
                former |= {*other}
            for name in other if hashes else ():
                values, _ = found.setdefault(name, ([], " or ".join(hashes)))
                value = record.config[name]
                values.append(tuple(value) if isinstance(value, list) else value)
    return {name: own for name, own in found.items() if name not in former}


def remember_choice(knob: str, name: str, text: Text | None = None, files: str = "") -> None:
    """Makes a name of records one that can be judged, by the text that declares it if it is there.

    `files` may be those of the plug-in, in words. A metric of logits is remembered with the measure
    that it is.
    """
    said: Declared | None = None
    if text is not None:
        said = text.choices.get((knob, name)) or text.choices["metric", name]
    plugin, source = (text.plugin, text.source) if text else (files and f"--plugin={files}", "")
    absent = Absent(f"--{knob}={name}", plugin, said and said.reads)
    traits: dict[str, Any] = dict(said.facts) if said else {}
    if knob == "model" and "reads" not in traits:
        traits["reads"] = {name for name, own in KNOBS.items() if own.by_model}
        traits["reads"] |= {f"{name}={own}" for name in KNOBS for own in KNOBS[name].model_values}
    if knob in DECORATORS:
        decorate: Any = DECORATORS[knob]
        known = inspect.signature(decorate).parameters
        decorate(name, **{key: own for key, own in traits.items() if key in known})(absent)
    else:
        register.choice(knob, name, **traits)(absent)
    found = register.CHOICES[knob][name]
    help = said.help if said else ""
    register.CHOICES[knob][name] = found._replace(source=source, help=help)
    if said and knob == "measure" and {"logits", "labels"} <= said.reads and "margin" in traits:
        own = register.Choice(absent, help, source, {**traits, "of_logits": True})
        register.CHOICES["metric"][name] = own


def _remember_family(
    name: str, own: Mapping[str, Field], used: Mapping[str, tuple[list[Any], str]], source: str
) -> None:  # fmt: skip
    """Makes knobs of records knobs that can be judged by; `used` are their values in records."""
    hints, given = {}, {}
    for knob, field in own.items():
        if field.is_plain:
            facts = {key: own for key, own in field.facts.items() if key in knobs.Knob._fields}
            said = {"help": "", **facts}
            hints[knob], given[knob] = field.type, knobs.structure(field.default, **said)
        else:
            values, _ = used[knob]
            hints[knob] = _type_of(values[0])
            given[knob] = knobs.structure(_find_other(values), "")
    made = type(name, (), {"__annotations__": hints, "__module__": source, **given})
    with contextlib.suppress(ConfigError):  # a flag of ours has that name now
        families.family(made)


def _type_of(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple[str, ...] if value and isinstance(value[0], str) else tuple[int, ...]
    return type(value)


def _find_other(values: Iterable[Any]) -> Any:
    """In place of a default that nobody knows, a value that no record has: it is none of theirs."""
    values = list(values)
    kind = type(values[0])
    if kind is bool:
        return not values[0]
    if kind in (int, float):
        return next(kind(own) for own in range(len(values) + 1) if own not in values)
    return "default" if kind is str else ()
