"""Config fields as absl flags, and a command line read with errors that help. Imports no JAX."""

import difflib
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from absl import flags

from cnnjax.config import KNOBS, Config
from cnnjax.knobs import ConfigError, Knob, describe_allowed, parse_value
from cnnjax.knobs import format_value as format_knob
from cnnjax.names import Where

BUILT_IN = {"flagfile": "Read flags from this file, one a line."}


class _KnobParser(flags.ArgumentParser):
    """Parses and checks a knob's value, for types that absl does not check as Config does."""

    def __init__(self, knob: Knob):
        super().__init__()
        self.knob = knob
        self.syntactic_help = describe_allowed(knob)

    def parse(self, argument: Any) -> Any:
        if not isinstance(argument, str):
            return argument
        try:
            return parse_value(self.knob, argument)
        except ConfigError as error:
            own = self.knob.check and str(error).partition(": ")[2]  # its own words say more
            raise ValueError(own or f"give {self.syntactic_help}") from None


class _KnobSerializer(flags.ArgumentSerializer):
    def serialize(self, value: Any) -> str:
        return format_knob(value)


def define_config(values: flags.FlagValues, defaults: Config, without: Iterable[str] = ()) -> None:
    """Defines one flag a field of Config, but for those named in `without`."""
    for knob in KNOBS.values():
        if knob.name in without:
            continue
        default = getattr(defaults, knob.name)
        if knob.type is bool:
            flags.DEFINE_boolean(knob.name, default, knob.help, flag_values=values)
        elif knob.choices:
            flags.DEFINE_enum(knob.name, default, knob.choices, knob.help, flag_values=values)
        else:
            flags.DEFINE(
                _KnobParser(knob), knob.name, default, knob.help, values, _KnobSerializer()
            )


def define_where(values: flags.FlagValues) -> None:
    """Defines the flags that say where data lie."""
    flags.DEFINE_string(
        "data_dir", None,
        "Folder of prepared data sets, here or remote (gs://, s3://); none for TFDS_DATA_DIR, or"
        " else the user's cache.",
        flag_values=values,
    )  # fmt: skip
    flags.DEFINE_string(
        "manual_dir", None, "Folder of files that were downloaded by hand.", flag_values=values
    )
    flags.DEFINE_boolean(
        "skip_bad_files", False, "Leave out files of folder:PATH that are no whole images.",
        flag_values=values,
    )  # fmt: skip


def read_where(values: flags.FlagValues) -> Where:
    """Where the command line says that data lie."""
    return Where(values.data_dir, values.manual_dir, values.skip_bad_files)


def given_config(values: flags.FlagValues) -> dict[str, Any]:
    """The Config fields that were set on the command line."""
    return {name: values[name].value for name in KNOBS if name in values and values[name].present}


def find_sources(values: flags.FlagValues, argv: Sequence[str]) -> dict[str, set[str]]:
    """The Config fields that were set, by whence: the command line, or a file of flags."""
    written = {argument.lstrip("-").partition("=")[0] for argument in argv[1:]}
    given = set(given_config(values))
    direct = {name for name in given if name in written or f"no{name}" in written}
    return {"command line": direct, "recipe": given - direct}


def parse(values: flags.FlagValues, argv: Sequence[str], description: str) -> list[str]:
    """Reads `argv` (program name first) into `values` and gives the positional arguments.

    `--help` prints `description` and every flag, and exits with 0. A wrong command line prints
    one line on stderr and exits with 2.
    """
    if any(argument in ("--help", "-h", "--helpfull") for argument in argv[1:]):
        print(render_help(values, description))
        sys.exit(0)
    try:
        return values(list(argv))[1:]
    except flags.Error as error:
        refuse(str(error).removeprefix("ERROR:: "))


def refuse(message: str) -> NoReturn:
    """Ends the program for a wrong command line: one line on stderr, exit status 2."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


def describe_unknown(kind: str, given: str, known: Sequence[str]) -> str:
    """One line on an unknown name, with the nearest right one."""
    nearest = difflib.get_close_matches(given, known, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"give one of {', '.join(known)}"
    return f"unknown {kind} {given!r}: {hint}"


def render_help(values: flags.FlagValues, description: str) -> str:
    """Every flag with its type, default and meaning, in the order of definition."""
    lines = [description.strip(), "", "Flags (--name=value):", ""]
    for flag in values._flags().values():  # absl's public listings sort by name
        kind = "|".join(getattr(flag.parser, "enum_values", ())) or flag.parser.syntactic_help
        help = flag.help.removeprefix(f"<{kind}>: ")  # absl repeats the choices there
        if flag.boolean:
            kind = "true|false"
        default = "none" if flag.default in (None, "") else str(flag.default_as_str).strip("'")
        head = f"  --{flag.name}  ({(kind or 'text').replace('|', ' | ')}; default: {default})"
        lines += textwrap.wrap(head, 98, subsequent_indent="      ")
        lines += textwrap.wrap(help, 94, initial_indent="      ", subsequent_indent="      ")
    for name, meaning in BUILT_IN.items():
        lines += [f"  --{name}  (text; default: none)", f"      {meaning}"]
    return "\n".join(lines)
