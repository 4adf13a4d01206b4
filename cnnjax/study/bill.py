"""What groups would take of a slice of TPUs, and for how much, at least: arithmetic alone."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from cnnjax.config.config import Config
from cnnjax.config.slices import Slice


class Wave(NamedTuple):
    """Lanes that train at once, and what their programs take of a device."""

    lanes: int  # places that are filled, on all devices
    device_bytes: int  # 0 where the compiler does not say
    code_bytes: int = 0
    collectives: dict[str, int] = {}
    seconds: float = 0.0  # that compiling took


class Forecast(NamedTuple):
    """What a group would take of a slice."""

    structure: Config
    num_lanes: int
    least: int  # lanes of the smallest wave
    waves: tuple[Wave, ...]  # that were tried: each but the last was too large
    fits: bool  # whether the last was not
    step_seconds: float | None  # of a step of a chunk of lanes on a device, at least
    in_turn: Wave | None = None  # what fits by --lanes_strategy=map, where nothing else does
    devices_a_chip: int = 1
    lane_steps: float | None = None  # in the mean; None for those of the schedule
    error: str = ""  # why the compiler, or we before it, refused the group

    def of_chip(self, wave: Wave) -> int:
        """Bytes that a wave takes of each chip; 0 where the compiler does not say."""
        return wave.device_bytes * self.devices_a_chip

    @property
    def seconds(self) -> float | None:
        """For which the group trains on the whole slice, at least; None where nothing is known."""
        if not self.fits or self.step_seconds is None:
            return None
        wave = self.waves[-1].lanes
        rounds = math.ceil(self.num_lanes / wave) * (wave // self.least)
        return rounds * (self.lane_steps or self.structure.steps) * self.step_seconds


class Total(NamedTuple):
    """What all groups would take of a slice, one after the other, at least."""

    seconds: float  # on the whole slice
    chip_hours: float
    dollars: float | None  # None without a price
    num_known: int  # groups that are in it


def sum_up(forecasts: Sequence[Forecast], slice: Slice, price: float | None = None) -> Total:
    """The least that groups take, for a `price` of the whole slice in dollars an hour."""
    known = [own.seconds for own in forecasts if own.seconds is not None]
    seconds = sum(known)
    dollars = None if price is None else price * seconds / 3600
    return Total(seconds, slice.chips * seconds / 3600, dollars, len(known))
