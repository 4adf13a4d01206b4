"""The page of what a network learned: one file that fetches nothing, and its numbers beside it."""

import pathlib
from collections.abc import Sequence
from typing import Any

from cnnjax.config import words
from cnnjax.config.config import Config
from cnnjax.config.errors import ConfigError
from cnnjax.records.atomic import write_json, write_text
from cnnjax.report import folders
from cnnjax.report.drawing import render_svg
from cnnjax.report.looks import Section

PAGE, NUMBERS = "look.html", "look.json"


def write(
    folder: pathlib.Path, name: str, config: Config, sections: Sequence[Section],
    numbers: dict[str, Any], command: str,
) -> pathlib.Path:  # fmt: skip
    """Writes the page of the run `name` into a folder, and gives its path.

    Raises ConfigError where the folder is a file, or holds another page of that name that cnnjax
    did not write.
    """
    path = folder / PAGE
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file: name a folder")
    if path.exists() and not folders.is_sealed(path.read_text(encoding="utf-8")):
        raise ConfigError(f"{path} was written or changed by somebody: name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / NUMBERS, numbers)
    write_text(path, folders.seal_page(render(name, config, sections, command)))
    return path


def render(name: str, config: Config, sections: Sequence[Section], command: str) -> str:
    """The whole page as one string."""
    environment = folders.make_templates()
    environment.filters["svg"] = render_svg
    parts = words.count(len(sections), "part")
    return environment.get_template("look.html").render(
        name=name, config=config, sections=sections, command=command,
        headline=f"Seed {config.seed}, {config.last_step:,} steps; {parts}.",
    )  # fmt: skip
