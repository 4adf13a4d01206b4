"""Flags of --engine=cloud: what is to be rented, by which way, and what is refused."""

import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from absl import flags as absl_flags

from cnnjax.config import flags, numeric
from cnnjax.config.knobs import ConfigError, split_values
from cnnjax.records import shared
from experiments.cloud import checkout, machines

ENGINE = "cloud"
FLEET, SLICE, SKY = ROUTES = ("fleet", "slice", "sky")
TAKEN_OUT = ("engine", "accelerator", "route", "count", "spot", "zone", "project", "script")
OWN = TAKEN_OUT[2:]
SCRIPTS = {FLEET: "rent.sh", SLICE: "rent.sh", SKY: "rent.yaml"}
MOST = 1000  # machines
BUCKET = re.compile(r"gs://[a-z0-9][a-z0-9._-]*[a-z0-9](/[\w.=+-]+)+/?", re.ASCII)
ZONE = re.compile(r"[a-z]+-[a-z]+\d+-[a-z0-9]+")
PROJECT = re.compile(r"[a-z][a-z0-9.:-]*[a-z0-9]")
JOIN_MINUTES = 15  # hosts of a slice that was made anew come minutes apart


class Cloud(NamedTuple):
    """What is to be rented, and what is to run there."""

    machine: machines.Machine
    route: str
    spot: bool
    count: int
    zone: str | None
    project: str | None
    script: pathlib.Path
    runs: str  # gs://BUCKET/...
    command: str  # for a shell in a copy of the checkout

    @property
    def spread(self) -> bool:
        """Whether a machine has several hosts, which are one program."""
        return self.machine.vms > 1


def define_flags(values: absl_flags.FlagValues) -> None:
    """Defines --route, --count, --spot, --zone, --project and --script."""
    absl_flags.DEFINE_enum(
        "route", None, list(ROUTES),
        "With --engine=cloud: a fleet of machines of one host that share the work, one slice of"
        " several hosts as one program, or a job of SkyPilot; none for what suits --accelerator.",
        flag_values=values,
    )  # fmt: skip
    numeric.define_integer(
        values, "count", None, "With --engine=cloud: how many machines; 1 by default.", 1, MOST
    )
    absl_flags.DEFINE_boolean(
        "spot", False, "With --engine=cloud: machines that cost less and may be taken away.",
        flag_values=values,
    )  # fmt: skip
    for name, what in (("zone", "zone, such as us-east5-b"), ("project", "project")):
        absl_flags.DEFINE_string(
            name, None, f"With --engine=cloud: Google Cloud's {what}; none for what the script is"
            " told when it runs.",
            flag_values=values,
        )  # fmt: skip
    absl_flags.DEFINE_string(
        "script", None,
        f"With --engine=cloud: the file to write; none for {SCRIPTS[FLEET]}, of --route=sky"
        f" {SCRIPTS[SKY]}.",
        flag_values=values,
    )  # fmt: skip


def read_flags(values: absl_flags.FlagValues, argv: Sequence[str]) -> Cloud | None:
    """What is to be rented, if anything is. Raises ConfigError on a name that there is not."""
    if values.engine != ENGINE:
        for name in OWN:
            if values[name].present:
                flags.refuse(f"--{name} is of what is rented: give --engine={ENGINE} too")
        return None
    refuse_flags(values, argv)
    refuse_local(values, argv)
    machine = machines.find_machine(values.accelerator)
    route = values.route or (SLICE if machine.vms > 1 else FLEET)
    count = values.count or 1
    refuse_routes(values, machine, route, count)
    return Cloud(
        machine, route, values.spot, count, values.zone, values.project,
        pathlib.Path(values.script or SCRIPTS[route]), values.runs.rstrip("/"),
        make_command(argv, machine.vms > 1),
    )  # fmt: skip


def refuse_flags(values: absl_flags.FlagValues, argv: Sequence[str]) -> None:
    """Ends the program where flags do not go with --engine=cloud."""
    for name in TAKEN_OUT:
        if values[name].present and not flags.is_written(name, argv):
            flags.refuse(f"--{name} stands in a file of flags: give it on the command line")
    for name in ("plan", "status", "judge_only", "probe"):
        if values[name].value:
            flags.refuse(
                f"--{name} is for this machine, and --engine={ENGINE} writes a script: give one"
            )
    if values.price_per_hour is not None:
        flags.refuse(f"--price_per_hour is of a plan: give --plan in place of --engine={ENGINE}")
    if values.time_limit is not None:
        flags.refuse(
            "--time_limit ends as an interruption does, after which machines go on: leave it out,"
            " and stop the script when it is time, which deletes them"
        )
    if values.multihost:
        flags.refuse("--multihost is in the script where a slice has several hosts: leave it out")
    if values.offline:
        flags.refuse("--offline uses no network, by which machines share a bucket: leave it out")
    if values.accelerator is None:
        flags.refuse(f"--engine={ENGINE}: name what to rent, such as --accelerator=v6e-8")
    if not BUCKET.fullmatch(values.runs):
        flags.refuse(
            f"--runs={values.runs}: machines that are rented share a bucket: give"
            " --runs=gs://BUCKET/FOLDER"
        )
    for name, form, like in (("zone", ZONE, "us-east5-b"), ("project", PROJECT, "my-project")):
        value = values[name].value
        if value is not None and not form.fullmatch(value):
            flags.refuse(f"--{name}={value}: give one such as {like}")


def refuse_routes(
    values: absl_flags.FlagValues, machine: machines.Machine, route: str, count: int
) -> None:
    """Ends the program where a machine cannot be had by a route."""
    name, spread = values.accelerator, machine.vms > 1
    if count > 1 and (spread or route == SLICE):
        what = f"a slice of {machine.vms} VMs" if spread else "one machine"
        how = "leave out --count" if spread else "give --route=fleet"
        flags.refuse(f"--count={count}: {name} with --route={route} is {what}: {how}")
    if spread and route == FLEET:
        flags.refuse(
            f"--route=fleet is of machines of one host, and {name} has {machine.vms}: give"
            " --route=slice, or a smaller --accelerator and --count"
        )
    if route == SLICE and not spread:
        flags.refuse(f"--route=slice is of several hosts, and {name} has one: give --route=fleet")
    if route == SKY and machine.runtime is None:
        flags.refuse(
            f"--route=sky knows the Cloud TPU API alone, which has no {name}: give --route="
            f"{SLICE if spread else FLEET}"
        )
    if route == SKY and values.project:
        flags.refuse(
            f"--project={values.project}: SkyPilot takes that of `gcloud config set project`:"
            " leave it out"
        )


def refuse_local(values: absl_flags.FlagValues, argv: Sequence[str]) -> None:
    """Ends the program where a flag names what lies on this machine and would not be copied."""
    for name in ("data_dir", "manual_dir"):
        folder = values[name].value
        if folder and not shared.is_url(folder):
            flags.refuse(
                f"--{name}={folder} lies on this machine: leave it out, and each machine prepares"
                " its own, or name a folder of a bucket (gs://)"
            )
    for flag, path in list_files(values, argv):
        if not checkout.has(path):
            flags.refuse(
                f"{flag} is not on the machines, which get what git has of this checkout: commit"
                f" {path or 'it'} and name it by its path from there"
            )


def list_files(values: absl_flags.FlagValues, argv: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What a command line names that lies on this machine, each with its flag."""
    for name in values.plugin:
        if name.endswith(".py"):
            yield f"--plugin={name}", name
    for argument in argv:
        if argument.lstrip("-").startswith("flagfile="):
            yield argument, argument.partition("=")[2]
    if values.init_from:
        yield f"--init_from={values.init_from}", values.init_from
    try:
        sets = [values.dataset, *split_values(values.datasets or "digits")]
    except ConfigError:  # told when they are read
        sets = [values.dataset]
    for name in sets:
        kind, _, path = name.partition(":")
        if kind in ("folder", "arrays", "idx") and not shared.is_url(path):
            yield f"the data set {name}", path


def make_command(argv: Sequence[str], spread: bool) -> str:
    """The command line as it is on a machine: without what is of renting it."""
    program = list(argv[:2]) if argv[0] == "-m" else ["launch.py"]
    arguments = list(argv[len(program) :])
    kept, rest = [], iter(arguments)
    for argument in rest:
        name, equals, _ = argument.lstrip("-").partition("=")
        if argument == "--":
            kept += [argument, *rest]
        elif not argument.startswith("-") or name.removeprefix("no") not in (*TAKEN_OUT, "spot"):
            kept.append(argument)
        elif not equals and name not in ("spot", "nospot"):
            next(rest, None)
    many = ["--multihost", f"--join_minutes={JOIN_MINUTES}"] if spread else []
    # Before what is positional ends the flags.
    return " ".join(map(flags.quote, [".venv/bin/python", *program, *many, *kept]))
