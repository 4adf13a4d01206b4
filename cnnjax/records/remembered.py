"""Names that records have of plug-ins that are not loaded: what is there can be judged."""

from collections.abc import Iterable

from cnnjax.config import datasets, naming, register
from cnnjax.config.config import KNOBS
from cnnjax.records.record import Record


def remember_choices(records: Iterable[Record]) -> None:
    """Registers each name that a record has for a knob and nothing declares, if it can be one."""
    registered = [name for name, knob in KNOBS.items() if knob.registered or name == "measure"]
    reads = {name for name, knob in KNOBS.items() if knob.by_model}
    reads |= {f"{name}={value}" for name, knob in KNOBS.items() for value in knob.model_values}
    for record in records:
        for knob in registered:
            value = record.config.get(knob, ())
            for name in (value,) if isinstance(value, str) else value:
                if naming.NAME.fullmatch(name) and name not in register.names(knob):
                    register.remember(knob, name, reads)
        name = record.config.get("dataset", KNOBS["dataset"].default)
        if not datasets.is_known(name):
            register.remember("dataset", name, reads)
