"""A trace of one segment of training, which XProf and Perfetto open."""

import pathlib
from collections.abc import Callable
from typing import Any

import jax

NAME = "cnnjax segment"  # in a trace, all of the segment and of the evaluation at its end


def list_traces(folder: pathlib.Path) -> list[pathlib.Path]:
    """The traces in a folder that Perfetto opens, the oldest first."""
    return sorted(folder.glob("plugins/profile/*/perfetto_trace.json.gz"))


def make_tracer(folder: pathlib.Path) -> Callable[[int, int, Callable[[], Any]], Any]:
    """The `take` of an observer that writes a trace of one segment below a folder.

    That is the second of the first wave, or the only one: programs were compiled before. Below
    `plugins/profile/DATE` it has an `.xplane.pb` for XProf and `perfetto_trace.json.gz`.
    """
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0  # what the program does, and no call in Python
    traced: list[int] = []

    def take(place: int, number: int, segment: Callable[[], Any]) -> Any:
        if traced or place != min(1, number - 1):
            return segment()
        traced.append(place)
        folder.mkdir(parents=True, exist_ok=True)
        with (
            jax.profiler.trace(folder, create_perfetto_trace=True, profiler_options=options),
            jax.profiler.TraceAnnotation(NAME),
        ):
            return jax.block_until_ready(segment())

    return take
