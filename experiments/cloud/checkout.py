"""The checkout that is copied to machines, as git has it."""

import os
import pathlib
import subprocess

from cnnjax.records import provenance

ROOT = pathlib.Path(__file__).parents[2]
NEWEST = "HEAD"


def find_revision() -> tuple[str, bool]:
    """The commit that machines get, and whether files were changed since.

    The newest one of wherever the script is run, where this is no checkout.
    """
    found = provenance.code_revision(pathlib.Path(__file__))
    if found is None:
        return NEWEST, False
    return found.removesuffix("+"), found.endswith("+")


def has(path: str) -> bool:
    """Whether git has a file, or something in a folder, of this path from the checkout's root."""
    if os.path.isabs(path) or ".." in pathlib.PurePath(path).parts:
        return False
    try:
        found = subprocess.run(
            ["git", "-C", os.fspath(ROOT), "ls-files", "--", f":(literal){path}"],
            capture_output=True, text=True, check=True, timeout=10,
        )  # fmt: skip
    except (OSError, ValueError, subprocess.SubprocessError):  # no checkout: who runs it knows
        return provenance.code_revision(pathlib.Path(__file__)) is None
    return bool(found.stdout)
