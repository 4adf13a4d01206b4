"""Config fields as absl flags, and a command line read with errors that help. Imports no JAX."""

import codecs
import difflib
import os
import re
import shlex
import sys
import textwrap
import traceback
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from absl import flags

from cnnjax.config import plugins
from cnnjax.config.config import KNOBS, Config
from cnnjax.config.datasets import Where
from cnnjax.config.knobs import (
    NOT_ALLOWED,
    ConfigError,
    Knob,
    describe_allowed,
    parse_value,
    printable,
)
from cnnjax.config.knobs import format_value as format_knob
from cnnjax.config.rules import FAMILIES, OWN

BUILT_IN = {
    "flagfile": "Read flags from this file, one a line; a line that begins with # is a comment."
}
MARGIN = " " * 6  # of what --help says of a flag
FLAG_FILE = re.compile(r"--?flagfile(?:=(?P<path>.*))?", re.DOTALL)


class _KnobParser(flags.ArgumentParser):
    """Parses and checks a knob's value as grids do, in place of absl's own parsers."""

    def __init__(self, knob: Knob):
        super().__init__()
        self.knob = knob

    @property
    def syntactic_help(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What the knob takes, with names that were registered since."""
        return describe_allowed(self.knob)

    def parse(self, argument: Any) -> Any:
        if not isinstance(argument, str):
            return argument
        try:
            return parse_value(self.knob, argument)
        except ConfigError as error:
            said = str(error)
            if self.knob.check:  # its own words say more
                raise ValueError(said.partition(": ")[2]) from None
            allowed = said.partition(f"{NOT_ALLOWED}: ")[2]
            raise ValueError(allowed or said.partition(" ")[2]) from None


class _KnobSerializer(flags.ArgumentSerializer):
    def serialize(self, value: Any) -> str:
        return format_knob(value)


def define_config(values: flags.FlagValues, defaults: Config, without: Iterable[str] = ()) -> None:
    """Defines one flag a knob, but for those named in `without`."""
    _define_knobs(values, defaults, [name for name in KNOBS if name not in without])


def _define_knobs(values: flags.FlagValues, defaults: Config, names: Iterable[str]) -> None:
    for knob in map(KNOBS.__getitem__, names):
        flag = flags.Flag(
            _KnobParser(knob), _KnobSerializer(), knob.name, getattr(defaults, knob.name),
            knob.help, boolean=knob.type is bool,
        )  # fmt: skip
        flags.DEFINE_flag(flag, values)


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
    one line on stderr and exits with 2. Raises ConfigError on a flag file that cannot be read.
    """
    arguments = read_flag_files(argv[1:])
    define_plugins(values, arguments)
    if any(argument in ("--help", "-h", "--helpfull") for argument in arguments):
        print(render_help(values, description))
        sys.exit(0)
    try:
        return values([argv[0], *arguments])[1:]
    except flags.Error as error:
        refuse(str(error).removeprefix("ERROR:: "))


def define_plugins(values: flags.FlagValues, arguments: Sequence[str]) -> None:
    """Loads the plug-ins that these arguments name, and defines the flags of their knobs.

    Ends the program with one line where a plug-in cannot be loaded, with --traceback after all that
    Python says of it.
    """
    flags.DEFINE_multi_string(
        "plugin", [],
        "Load choices, knobs and more from outside: FILE.py, package.module or the name of an entry"
        " point; once each.",
        flag_values=values,
    )  # fmt: skip
    flags.DEFINE_boolean(
        "traceback", False, "Show all that Python says of an error in a plug-in.",
        flag_values=values,
    )  # fmt: skip
    early = flags.FlagValues()
    flags.DEFINE_multi_string("plugin", [], "", flag_values=early)
    flags.DEFINE_boolean("traceback", False, "", flag_values=early)
    try:
        early(["", *arguments], known_only=True)
    except flags.Error as error:
        refuse(str(error).removeprefix("ERROR:: "))
    try:
        if early.plugin or plugins.VARIABLE in os.environ:
            plugins.load(early.plugin)
            plugins.load_inherited()
    except ConfigError as error:
        if early.traceback:
            traceback.print_exception(error.__cause__ or error)
        refuse(str(error))
    own = [name for name, knob in KNOBS.items() if knob.source and name not in values]
    if "model" in values:
        _define_knobs(values, Config(), own)


def read_flag_files(arguments: Sequence[str], within: tuple[str, ...] = ()) -> list[str]:
    """`arguments` with the lines of each --flagfile in its place. Raises ConfigError."""
    read, rest = [], list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            return [*read, argument, *rest]
        match = FLAG_FILE.fullmatch(argument)
        if match is None:
            read.append(argument)
            continue
        path = match["path"] or (rest.pop(0) if rest and match["path"] is None else "")
        if not path:
            raise ConfigError("--flagfile names no file: give --flagfile=FILE")
        place = os.path.realpath(os.path.expanduser(path))
        if place in within:
            raise ConfigError(f"--flagfile={path} reads itself: remove that line from it")
        read += read_flag_files(read_flag_file(path), (*within, place))
    return read


def read_flag_file(path: str) -> list[str]:
    """The flags of a file, one a line, without comments (# or //) and empty lines.

    It is UTF-8, with or without a byte-order mark, or UTF-16 with one. Raises ConfigError, naming
    file and line, on other text.
    """
    try:
        with open(os.path.expanduser(path), "rb") as file:
            content = file.read()
    except OSError as error:
        raise ConfigError(f"--flagfile={path} cannot be read: {error.strerror}") from None
    content = content.removeprefix(codecs.BOM_UTF8)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        content = content.decode("utf-16", errors="replace").encode()
    lines = []
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith((b"#", b"//")):
            continue
        try:
            lines.append(line.decode().strip())
        except UnicodeDecodeError as error:
            raise ConfigError(
                f"--flagfile={path}, line {number}: byte {line[error.start]:#x} is no UTF-8: save"
                " the file as UTF-8"
            ) from None
    return lines


def quote_command(arguments: Iterable[str]) -> str:
    """A command line that a shell reads back as these arguments."""
    return " ".join(map(quote, arguments))


def quote(argument: str) -> str:
    r"""One argument for a shell; what cannot be shown as bash and zsh read it, $'\xff'."""
    if printable(argument) == argument:
        return shlex.quote(argument)
    escaped = argument.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{printable(escaped)}'"


def refuse(message: str) -> NoReturn:
    """Ends the program for a wrong command line: one line on stderr, exit status 2."""
    print(f"error: {printable(' '.join(message.split()))}", file=sys.stderr)
    sys.exit(2)


def describe_unknown(kind: str, given: str, known: Sequence[str]) -> str:
    """One line on an unknown name, with the nearest right one."""
    by_lower = {name.lower(): name for name in known}
    nearest = difflib.get_close_matches(given.lower(), by_lower, n=1)
    hint = f"did you mean {by_lower[nearest[0]]}?" if nearest else f"give one of {', '.join(known)}"
    return f"unknown {kind} {given!r}: {hint}"


def render_help(values: flags.FlagValues, description: str) -> str:
    """Every flag with its type, default and meaning: the script's own, then those of each family.

    Each in the order of definition.
    """
    defined = values._flags().values()  # absl's public listings sort by name
    lines = [description.strip(), "", "Flags (--name=value):", ""]
    for flag in defined:
        if flag.name not in KNOBS:
            lines += _describe_flag(flag)
    for name, meaning in BUILT_IN.items():
        lines += [f"  --{name}  (text; default: none)", f"{MARGIN}{meaning}"]
    for family in (*FAMILIES, *OWN.values()):
        own = [flag for flag in defined if flag.name in family.__annotations__]
        if own:
            lines += ["", f"{family.__name__}: {(family.__doc__ or '').partition(chr(10))[0]}", ""]
        for flag in own:
            lines += _describe_flag(flag)
    return "\n".join(lines)


def _describe_flag(flag: flags.Flag) -> list[str]:
    """One flag of `--help`: its name, values and default, and below them what it means."""
    wrapper = textwrap.TextWrapper(94, break_long_words=False, break_on_hyphens=False)
    kind = "|".join(getattr(flag.parser, "enum_values", ())) or flag.parser.syntactic_help
    help = (flag.help or "").removeprefix(f"<{kind}>: ")  # absl repeats the choices there
    if flag.boolean:
        kind = "true|false"
    default = "none" if flag.default in (None, "", ()) else str(flag.default_as_str).strip("'")
    head = f"  --{flag.name}  ({(kind or 'text').replace('|', ' | ')}; default: {default})"
    first, *more = wrapper.wrap(head)
    return [first, *(MARGIN + line for line in (*more, *wrapper.wrap(help)))]
