"""What stands for a function of a plug-in that is not loaded. Imports no JAX."""

from typing import Any, NamedTuple, NoReturn

from cnnjax.config.errors import ConfigError


class Absent(NamedTuple):
    """What records were made with and nothing declares: a name to judge them by, and no more."""

    name: str  # such as --pool=gem
    plugin: str = ""  # that declared it, in words; empty where nobody knows
    reads: frozenset[str] | None = None  # knobs that it heeds; None where nobody knows

    def __call__(self, *arguments: Any, **named: Any) -> NoReturn:
        """Raises ConfigError, whatever is asked of it."""
        flag = self.plugin or "--plugin=FILE.py"
        raise ConfigError(f"{self.name} is of a plug-in that is not loaded: {flag}")
