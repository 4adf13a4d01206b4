"""A class by its number or name, as metrics of one class write it."""

import re
from collections.abc import Sequence

from cnnjax.config import hints
from cnnjax.config.errors import ConfigError
from cnnjax.config.naming import RECALL


def name_class(text: str) -> str:
    """A class's name as part of a metric's: letters, digits and _, such as golden_retriever."""
    return re.sub(r"\W+", "_", text).strip("_")


def find_class(asked: str, class_names: Sequence[str]) -> int:
    """The number of a class from its number, or from its name as `name_class` writes it.

    Raises ConfigError where no class has that name, or more than one.
    """
    known = [name_class(name) for name in class_names]
    if asked.isdecimal() and (int(asked) < len(known) or asked not in known):
        return int(asked)
    if known.count(asked) != 1:
        several = asked in known
        hint = hints.suggest(asked, () if several else known, "give its number")
        which = "several classes have" if several else "no class has"
        raise ConfigError(f"{RECALL}{asked}: {which} that name: {hint}")
    return known.index(asked)
