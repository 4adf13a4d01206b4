"""What is rented under an accelerator's name, by the table machines.json beside this file."""

import functools
import json
import pathlib
from typing import Any, NamedTuple

from cnnjax.config import slices
from cnnjax.config.errors import ConfigError

TABLE = pathlib.Path(__file__).with_name("machines.json")
COMPUTE, LEGACY = "compute", "legacy"  # Compute Engine, and the Cloud TPU API that it replaces


class Machine(NamedTuple):
    """A slice of TPUs as it is rented."""

    accelerator: str  # as the Cloud TPU API calls it
    chips: int
    topology: str  # such as 4x4
    vms: int  # of the slice
    chips_a_vm: int
    api: str  # COMPUTE or LEGACY
    machine_type: str | None  # of a VM, of Compute Engine
    image: str | None  # a family of images, of Compute Engine
    image_project: str
    runtime: str | None  # of the Cloud TPU API; None where that has no such machine


@functools.cache
def read_table() -> dict[str, Any]:
    """The table, with its date and sources."""
    return json.loads(TABLE.read_text(encoding="utf-8"))


def find_machine(name: str) -> Machine:
    """What is rented as --accelerator=NAME.

    Raises ConfigError, with the name that is meant, where there is none.
    """
    own, table = slices.find_slice(name), read_table()
    kind, _, shape = own.topology.partition(":")
    row = table["kinds"][kind]
    several = own.chips > max(row["alone"])
    if not several and own.chips not in row["alone"]:
        number = int(own.name.rpartition("-")[2]) // own.chips * min(row["alone"])
        raise ConfigError(
            f"--accelerator={name} is no machine that is rented: the smallest is"
            f" {row['prefix']}-{number}"
        )
    a_vm = row["beside_others"] if several else own.chips
    machine_type = row.get("machine_type")
    return Machine(
        accelerator=f"{row['prefix']}-{own.name.rpartition('-')[2]}",
        chips=own.chips,
        topology=shape,
        vms=own.chips // a_vm,
        chips_a_vm=a_vm,
        api=row["api"],
        machine_type=machine_type and machine_type.format(chips=a_vm),
        image=row.get("image"),
        image_project=table["image_project"],
        runtime=row["runtime"],
    )
