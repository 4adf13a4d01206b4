"""What whoever runs lanes hears of them, and how he stops them. Imports no JAX."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from cnnjax.config.config import Config
from cnnjax.records.record import Record


class Observer(NamedTuple):
    """What a caller wants to hear while lanes run. Each function may do nothing."""

    on_start: Callable[[int, int], None] = lambda num_lanes, num_examples: None
    on_examples: Callable[[int], None] = lambda num_examples: None
    on_waiting: Callable[[float], None] = lambda share: None
    on_record: Callable[[Record], None] = lambda record: None
    on_note: Callable[[str], None] = lambda text: None  # "warning: " at its start: to be heeded
    should_stop: Callable[[], bool] = lambda: False
    on_saved: Callable[[int], None] = lambda step: None  # a wave in training, after so many steps
    on_lines: Callable[[Config, Sequence[Mapping[str, Any]]], None] = lambda config, curve: None
    # Of a segment: training examples, and seconds; before the lines of the evaluation at its end.
    on_trained: Callable[[int, float], None] = lambda num_examples, seconds: None
    # What takes a segment, given its place among those of its wave and how many these are.
    take: Callable[[int, int, Callable[[], Any]], Any] = lambda place, number, take: take()


QUIET = Observer()
