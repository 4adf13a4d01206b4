"""What `--help` says: of every flag, of one family of knobs, or of one flag. Imports no JAX."""

import sys
import textwrap
from collections.abc import Mapping, Sequence

from absl import flags

from cnnjax.config import hints, measured, models, register, words
from cnnjax.config.config import KNOBS, fill_in
from cnnjax.config.errors import ConfigError
from cnnjax.config.knobs import Knob, format_value
from cnnjax.config.rules import FAMILIES, OWN, default_of, describe_values, find_obstacle

ASKED = ("help", "h", "helpfull")
MARGIN = " " * 6  # of what is said of a flag
WIDEST = 100
REPEATED = ";\n    repeat this option to specify a list of values"  # as absl says it
BESIDE = {"epochs": "steps"}  # a flag that is no knob, and the one whose family it stands in
BUILT_IN = {
    "flagfile": "Read flags from this file, one a line; a line that begins with # is a comment.",
    "help": "This text; --help=NAME is on one flag",
}


def find_topic(arguments: Sequence[str]) -> str | None:
    """What is asked about: empty for everything, None where nobody asks."""
    for argument in arguments:
        if argument == "--":
            return None
        name, equals, topic = argument.partition("=")
        if name.startswith("-") and name.lstrip("-") in ASKED:
            return topic.strip().lstrip("-") if equals else ""
    return None


def list_families() -> dict[str, type]:
    """The families of knobs by name in small letters."""
    return {family.__name__.lower(): family for family in (*FAMILIES, *OWN.values())}


def render(
    values: flags.FlagValues, description: str, topic: str = "", width: int | None = None
) -> str:
    """Every flag with its type, default and meaning: the script's own, then those of each family.

    Each in the order of definition. Of a `topic`, a family or a flag, alone, with more on each
    choice. Where a --model was given, defaults are that model's. Raises ConfigError on a topic that
    there is not.
    """
    width = min(width or words.find_width(sys.stdout) or WIDEST, WIDEST)
    defined = {flag.name: flag for flag in values._flags().values()}  # listings sort by name
    model = values["model"].value if "model" in defined and values["model"].present else None
    by_family: dict[str, list[flags.Flag]] = {"": []}
    for name, flag in defined.items():
        if name in BESIDE:
            continue
        beside = [more for more in BESIDE if more in defined and BESIDE[more] == name]
        knob = _knob_of(flag)
        own = by_family.setdefault(knob.family.lower() if knob else "", [])
        own += [flag, *(defined[more] for more in beside)]
    families = {name: own for name, own in list_families().items() if name in by_family}
    if topic in defined:
        return "\n".join(_describe_flag(defined[topic], width, model, True))
    if topic in BUILT_IN:
        return "\n".join(_describe_built_in(topic, families, width))
    lines = []
    if not topic:
        lines += [*_wrap_description(description, width), "", "Flags (--name=value):", ""]
        for flag in by_family[""]:
            lines += _describe_flag(flag, width, model)
        for name in BUILT_IN:
            lines += _describe_built_in(name, families, width)
    elif topic.lower() not in families:
        known = [*defined, *BUILT_IN, *families]
        hint = hints.suggest(topic, known, f"the families are {', '.join(families)}")
        raise ConfigError(f"--help={topic}: there is no such flag or family: {hint}")
    for name, family in families.items():
        if topic.lower() in ("", name):
            head = f"{family.__name__}: {(family.__doc__ or '').partition(chr(10))[0]}"
            lines += [""] * bool(lines) + [*words.fold(head, width), ""]
            for flag in by_family[name]:
                lines += _describe_flag(flag, width, model, bool(topic))
    return "\n".join(lines)


def _wrap_description(description: str, width: int) -> list[str]:
    """The paragraphs of a description, as they stand where they are no wider."""
    lines = description.strip().split("\n")
    if max(map(len, lines)) <= width:
        return lines
    paragraphs = "\n".join(lines).split("\n\n")
    return "\n\n".join("\n".join(words.fold(" ".join(part.split("\n")), width, ""))
                       for part in paragraphs).split("\n")  # fmt: skip


def _describe_built_in(name: str, families: Mapping[str, type], width: int) -> list[str]:
    value = "FLAG or FAMILY" if name == "help" else "text"
    meaning = BUILT_IN[name]
    if name == "help":
        meaning += f", or on a family: {', '.join(families)}." if families else "."
        if "network" in families:
            meaning += " With --model=NAME it shows the defaults of that model."
    return [f"  --{name}  ({value}; default: none)", *_wrap(meaning, width)]


def _knob_of(flag: flags.Flag) -> Knob | None:
    """The knob that a flag sets; None for another flag, even of the same name."""
    return getattr(flag.parser, "knob", None)


def _wrap(text: str, width: int, indent: str = "") -> list[str]:
    """Text below a flag."""
    return textwrap.wrap(
        text, width, initial_indent=MARGIN, subsequent_indent=MARGIN + indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _describe_flag(
    flag: flags.Flag, width: int, model: str | None, whole: bool = False
) -> list[str]:
    """One flag: its name, values and default, and below them what it means.

    The `whole` has a line on each choice, and what reads it.
    """
    knob = _knob_of(flag)
    choices = list_choices(knob) if knob and whole else {}
    listed = getattr(flag.parser, "enum_values", ())
    kind = "|".join(listed) or flag.parser.syntactic_help
    help = (flag.help or "").removeprefix(f"<{kind}>: ")  # absl repeats the choices there
    help = help.replace(REPEATED, " May be given several times.")
    if flag.boolean and not listed:
        kind = "true|false"
    if choices:
        kind = "one of those below" if knob and knob.choices else "some of those below"
    default = "none" if flag.default in (None, "", (), []) else str(flag.default_as_str).strip("'")
    said = f"default: {default}"
    if knob and model and model in register.names("model"):
        said = _describe_default(knob, model)
    head = f"  --{flag.name}  ({(kind or 'text').replace('|', ' | ')}; {said})"
    lines = [*words.fold(head, width, MARGIN[2:]), *_wrap(help, width)]
    for line in _describe_readers(knob) if knob and whole else ():
        lines += _wrap(line, width)
    column = max(map(len, choices), default=0) + 2
    for name, meaning in choices.items():
        lines += _wrap(f"{name:{column}}{meaning}", width, " " * column)
    return lines


def _describe_default(knob: Knob, model: str) -> str:
    """A knob's default beside a model, whose own it is, or that the model does not read it."""
    values = fill_in({"model": model})
    default = format_value(default_of(knob.name, values)) or "none"
    obstacle = find_obstacle(knob, values)
    own = knob.name in models.defaults_of(model)
    said = f"default: {default}{f', by {model}' if own else ''}"
    if obstacle is None or obstacle[1] != "model":
        return said
    return f"{default} in {model}, which has no other" if own else f"not read by {model}"


def list_choices(knob: Knob) -> dict[str, str]:
    """The registered names of a knob, each with the first line that it says of itself."""
    if knob.name not in register.CHOICES:
        return {}
    outside = {name: own.help for name, own in register.CHOICES[knob.name].items()}
    known = {**register.scan(knob.name), **outside}
    names = measured.list_names() if knob.name == "measure" else list(known)
    return {name: known[name] for name in names}


def _describe_readers(knob: Knob) -> list[str]:
    """With which models and which other knobs a knob is read."""
    said, names = [], register.names("model")
    readers = models.list_readers(knob.name) if knob.by_model else names
    if len(readers) < len(names):
        others = [name for name in names if name not in readers]
        few = len(readers) <= len(others)
        which = f"--model={' | '.join(readers)}" if few else f"all models but {', '.join(others)}"
        said.append(f"Read by {which}.")
    if knob.used_with:
        pairs = [
            f"--{other}{describe_values(KNOBS[other], allowed)}".replace("|", " | ")
            for other, allowed in knob.used_with.items()
        ]
        said.append(f"Read with {' and '.join(pairs)}.")
    return said
