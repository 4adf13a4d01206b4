"""Config fields as absl flags, and a command line read with errors that help. Imports no JAX."""

import os
import shlex
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from absl import flags

from cnnjax.config import epochs, flagfiles, help, hints, installed, offline, plugins, words
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


class _EpochsParser(flags.ArgumentParser):
    """Parses a number of epochs, exactly."""

    syntactic_help = epochs.ALLOWED

    def parse(self, argument: Any) -> Any:
        try:
            return epochs.parse(argument) if isinstance(argument, str) else argument
        except ConfigError:
            raise ValueError(f"give {epochs.ALLOWED}") from None


def define_config(values: flags.FlagValues, defaults: Config, without: Iterable[str] = ()) -> None:
    """Defines one flag a knob, and --epochs, but for those named in `without`."""
    _define_knobs(values, defaults, [name for name in KNOBS if name not in without])
    if "epochs" not in without:
        flags.DEFINE(
            _EpochsParser(), "epochs", None,
            "Passes over the training images, in place of --steps: as many steps as they take,"
            " rounded up, in each arm of a study by its own images and --batch_size.",
            flag_values=values, serializer=flags.ArgumentSerializer(),
        )  # fmt: skip


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
    flags.DEFINE_boolean(
        "offline", False, "Use no network: refuse data that would have to be fetched.",
        flag_values=values,
    )  # fmt: skip


def read_where(values: flags.FlagValues) -> Where:
    """Where the command line says that data lie."""
    return Where(values.data_dir, values.manual_dir, values.skip_bad_files, values.offline)


def given_config(values: flags.FlagValues) -> dict[str, Any]:
    """The Config fields that were set on the command line."""
    return {name: values[name].value for name in KNOBS if name in values and values[name].present}


def find_sources(values: flags.FlagValues, argv: Sequence[str]) -> dict[str, set[str]]:
    """The Config fields that were set, by whence: the command line, or a file of flags.

    Steps that are those of --epochs are by a source of their own.
    """
    given = set(given_config(values))
    direct = {name for name in given if is_written(name, argv)}
    sources = {"command line": direct, "recipe": given - direct}
    if "epochs" in values and values["epochs"].present:
        whence = "command line" if is_written("epochs", argv) else "recipe"
        sources[f"--epochs={values.epochs} of the {whence}"] = {"steps"}
    return {source: names for source, names in sources.items() if names}


def is_written(name: str, argv: Sequence[str]) -> bool:
    """Whether a flag stands on the command line itself."""
    written = {argument.lstrip("-").partition("=")[0] for argument in argv[1:]}
    return name in written or f"no{name}" in written


def read_epochs(values: flags.FlagValues, argv: Sequence[str]) -> epochs.Epochs | None:
    """The epochs asked for, None where there are steps.

    Of a recipe and a command line the command line counts, and what the other says is forgotten.
    Raises ConfigError where one of them gives both.
    """
    if not values["epochs"].present:
        return None
    if values["steps"].present:
        direct = is_written("epochs", argv)
        if direct == is_written("steps", argv):
            raise ConfigError(
                f"--epochs={values.epochs} and --steps={values.steps} both say how long a run is:"
                " give one of the two"
            )
        values["steps" if direct else "epochs"].unparse()
        if not direct:
            return None
    return epochs.Epochs(values.epochs)


def parse(
    values: flags.FlagValues, argv: Sequence[str], description: str,
    remember: Callable[[Sequence[str]], None] | None = None,
) -> list[str]:  # fmt: skip
    """Reads `argv` (program name first) into `values` and gives the positional arguments.

    What `remember` registers, given the arguments once plug-ins are loaded, is a choice as well.

    `--help` prints `description` and every flag, or those that it asks for, and exits with 0; of
    what stands beside it, a wrong --model alone is refused. A wrong command line prints one line on
    stderr and exits with 2. Raises ConfigError on a flag file that cannot be read.
    """
    topic = help.find_topic(argv[1:])
    given = [argument for argument in argv[1:] if help.find_topic([argument]) is None]
    arguments = flagfiles.read(given)
    define_plugins(values, arguments, remember)
    if topic is not None:
        if "model" in values:
            _read_model(values, arguments)
        print(help.render(values, description, topic))
        sys.exit(0)
    try:
        return _read(values, [argv[0], *arguments])[1:]
    except flags.UnrecognizedFlagError as error:
        meant = hints.find_meant(error.flagname, [*values, *help.BUILT_IN])
        hint = f"did you mean --{meant}?" if meant else "--help lists all that there are"
        hint = hints.ELSEWHERE.get(error.flagname, hint)
        refuse(f"unknown flag --{error.flagname}: {hint}")
    except flags.Error as error:
        refuse(str(error).removeprefix("ERROR:: "))


def _read(values: flags.FlagValues, argv: Sequence[str], known_only: bool = False) -> list[str]:
    """As absl reads them, whose error of --noquiet=1 is none of its own."""
    try:
        return values(argv, known_only=known_only)
    except ValueError as error:
        text = str(error).partition(" does not take an argument")[0]
        name = text.lstrip("-").partition("=")[0]
        raise flags.Error(f"{text} is not allowed: give --{name} alone") from None


def _read_model(values: flags.FlagValues, arguments: Sequence[str]) -> None:
    """Reads --model alone, whatever else is wrong; ends the program if there is no such one."""
    early = flags.FlagValues()
    _define_knobs(early, Config(), ["model"])
    try:
        _read(early, ["", *arguments], known_only=True)
    except flags.Error as error:
        refuse(str(error).removeprefix("ERROR:: "))
    if early["model"].present:
        values(["", f"--model={early.model}"])


def define_plugins(
    values: flags.FlagValues, arguments: Sequence[str],
    remember: Callable[[Sequence[str]], None] | None = None,
) -> None:  # fmt: skip
    """Loads the plug-ins that these arguments name, and defines the flags of their knobs.

    Ends the program with one line where a plug-in cannot be loaded, with --traceback after all that
    Python says of it.
    """
    flags.DEFINE_multi_string(
        "plugin", [],
        "Load choices, knobs and more from outside: FILE.py, package.module or the name of an entry"
        " point.",
        flag_values=values,
    )  # fmt: skip
    flags.DEFINE_boolean(
        "traceback", False, "Show all that Python says of an error in a plug-in.",
        flag_values=values,
    )  # fmt: skip
    early = flags.FlagValues()
    flags.DEFINE_multi_string("plugin", [], "", flag_values=early)
    for name in ("traceback", "offline"):
        flags.DEFINE_boolean(name, False, "", flag_values=early)
    try:
        _read(early, ["", *arguments], known_only=True)
    except flags.Error as error:
        refuse(str(error).removeprefix("ERROR:: "))
    if early.offline and "offline" in values:
        offline.close_network()
    try:
        if early.plugin or plugins.VARIABLE in os.environ:
            plugins.load(early.plugin)
            plugins.load_inherited()
        if remember is not None:
            remember(arguments)
    except ConfigError as error:
        if early.traceback:
            traceback.print_exception(error.__cause__ or error)
        refuse(str(error))
    own = [name for name, knob in KNOBS.items() if knob.source and name not in values]
    if "model" in values:
        _define_knobs(values, Config(), own)


def quote_command(arguments: Iterable[str]) -> str:
    """A command line that a shell reads back as these arguments."""
    return installed.name_commands(" ".join(map(quote, arguments)))


def quote(argument: str) -> str:
    r"""One argument for a shell; what cannot be shown as bash and zsh read it, $'\xff'."""
    if printable(argument) == argument:
        return shlex.quote(argument)
    escaped = argument.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{printable(escaped)}'"


def refuse(message: str) -> NoReturn:
    """Ends the program for a wrong command line: one line on stderr, exit status 2."""
    line = printable(" ".join(message.split()))
    words.say(f"error: {words.shorten(line)}", sys.stderr)
    sys.exit(2)


def describe_unknown(kind: str, given: str, known: Sequence[str]) -> str:
    """One line on an unknown name, with the nearest right one."""
    hint = hints.suggest(given, known, f"give one of {', '.join(known)}")
    return f"unknown {kind} {given!r}: {hint}"
