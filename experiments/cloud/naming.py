"""What rented machines are called, in a sentence and in a cloud."""

import hashlib

from cnnjax.config import words
from experiments.cloud import machines
from experiments.cloud.flags import SKY, Cloud


def describe(cloud: Cloud) -> str:
    """What is rented, such as `8 machines of v6e-8 (1 VM of 8 chips, spot) on Compute Engine`."""
    own = cloud.machine
    vms = words.count(own.vms, "VM")
    chips = words.count(own.chips_a_vm, "chip")
    size = f"{vms} of {chips}" if own.vms == 1 else f"{vms} of {chips} each"
    spot = ", spot" if cloud.spot else ""
    by = "Compute Engine" if own.api == machines.COMPUTE else "the Cloud TPU API"
    by = "SkyPilot" if cloud.route == SKY else by
    what = f"{words.count(cloud.count, 'machine')} of {own.accelerator}"
    return f"{what} ({size}{spot}) by {by}"


def name_prefix(cloud: Cloud) -> str:
    """What the names of all machines of this sweep begin with, and of no other's."""
    text = "\n".join([cloud.command, cloud.machine.accelerator, cloud.route, str(cloud.count)])
    return f"cnnjax-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:6]}"
