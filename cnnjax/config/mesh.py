"""How devices are shared out, in the words of --mesh. Imports no JAX."""

from typing import NamedTuple

from cnnjax.config.errors import ConfigError
from cnnjax.config.words import read_integer

AUTO = "auto"
AXES = ("run", "data")  # lanes, and the images of a batch
EXAMPLE = f"give {AUTO}, or devices for lanes and for each batch, such as run:4,data:2"


class MeshShape(NamedTuple):
    """Devices along each axis."""

    run: int | None  # over which lanes are spread; None for all that there are
    data: int  # that share each batch

    def __str__(self) -> str:
        """As --mesh takes it."""
        named = [f"run:{self.run}"] if self.run else []
        return ",".join([*named, f"data:{self.data}"] if self.data > 1 or not named else named)


def parse_mesh(text: str) -> MeshShape | None:
    """What is asked for; None where it is left to sizes. Raises ConfigError where it cannot be.

    An axis that is not named takes what is left: `run` all other devices, `data` none but one.
    """
    if text.strip() == AUTO:
        return None
    sizes: dict[str, int] = {}
    for part in text.split(","):
        axis, _, size = (own.strip() for own in part.partition(":"))
        if axis not in AXES or axis in sizes:
            reason = "stands there twice" if axis in sizes else f"is no axis: {' and '.join(AXES)}"
            raise ConfigError(f"--mesh={text}: {axis!r} {reason}; {EXAMPLE}")
        try:
            sizes[axis] = read_integer(size)
        except ValueError:
            sizes[axis] = 0
        if sizes[axis] < 1:
            raise ConfigError(f"--mesh={text}: {axis}:{size} is no number of devices; {EXAMPLE}")
    return MeshShape(sizes.get("run"), sizes.get("data", 1))
