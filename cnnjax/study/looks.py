"""At how many seeds headlines are decided, where a study goes on until they are.

An interval of 95% at every look would err in 15%: what is looked at several times is decided by
intervals whose levels sum to 5% (Bonferroni), the early ones the strictest. Imports no JAX.
"""

from typing import NamedTuple


class Look(NamedTuple):
    """A time at which headlines are decided."""

    seeds: int  # of each arm
    level: float  # two-sided


UNTILS = ("seeds", "decided")  # when an arm has enough of them
LOOKS = (Look(5, 0.005), Look(10, 0.010), Look(20, 0.015), Look(40, 0.020))
