"""What may be measured on a finished run, by name. Imports no JAX.

A measure is a function below `@register.measure("name")`, of the package in a file of `measures`.
"""

from cnnjax.config import register
from cnnjax.config.errors import ConfigError

# What a failed run still says.
FACTS = (
    "failed", "initial_loss", "largest_eigenvalue", "diverged", "diverged_at", "trained_steps",
    "num_test_examples", "num_train_examples", "num_pool_examples", "drawn_by_seed",
)  # fmt: skip


def read_built_in() -> dict[str, str]:
    """The measures of the package that are for the asking, and what they say of themselves."""
    found = register.read_home("measure")
    return {name: own.help for name, own in found.items() if not own.facts.get("always")}


def list_names() -> list[str]:
    """The measures that may be asked for."""
    known = register.CHOICES["measure"].items()
    others = (name for name, own in known if not own.traits["always"])
    return list(dict.fromkeys((*read_built_in(), *others)))


def check(name: str) -> None:
    """Raises ConfigError unless a measure of that name may be asked for."""
    if name not in list_names():
        always = name in register.names("measure")
        why = "is measured always: leave it out, or" if always else "is not allowed:"
        raise ConfigError(f"--measure={name} {why} give {describe_names()}")


def describe_names() -> str:
    """The measures that may be asked for, in words."""
    return f"{'|'.join(list_names())}, or several with commas between"
