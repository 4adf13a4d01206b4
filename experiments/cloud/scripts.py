"""The script by which a person rents machines: what is particular in variables, then the parts."""

import pathlib
import shlex
import textwrap

from experiments.cloud import machines, naming
from experiments.cloud.flags import Cloud

PARTS = pathlib.Path(__file__).with_name("parts")
DISK = "200GB"  # of each VM: packages, compiled programs, data, a copy of the store
JOB = "experiments/cloud/job.sh"  # in the checkout
API_PART = {machines.COMPUTE: "compute.sh", machines.LEGACY: "legacy.sh"}
HEAD = """\
#!/usr/bin/env bash
{about}
#
#   bash {script} all       create, watch, delete; deletes also after an error or Ctrl-C
#   bash {script} create    the machines that are not there
#   bash {script} install   the code of REVISION and what it needs, on those that are up
#   bash {script} start     COMMAND, where it does not run; an interruption starts it again
#   bash {script} watch     until it has ended; installs and starts it on machines that are new, and
#                         makes those again that were taken away
#   bash {script} delete    everything; what is left costs money
#
# Run it in the checkout of cnnjax that is to be copied, or say CHECKOUT=FOLDER. It needs git and
# gcloud, which is logged in. What machines say lies in LOGS.
set -euo pipefail

PROJECT={project}
ZONE={zone}
PREFIX={prefix} # of the names of all that is made
COUNT={count}
{hosts}CHECKOUT=${{CHECKOUT:-.}}
REVISION={revision}
RUNS={runs}
JOB={job}
MACHINE=(
{machine}
)
IFS= read -r COMMAND << 'END_OF_COMMAND'
{command}
END_OF_COMMAND
"""


def make_script(cloud: Cloud, revision: str) -> str:
    """The text of a script that rents, trains and deletes."""
    own = cloud.machine
    grouped = cloud.spread and own.api == machines.COMPUTE
    script = plain_name(cloud.script.name)
    about = f"{naming.describe(cloud)}: rents them, trains on them, and deletes them."
    head = HEAD.format(
        about="\n".join(textwrap.wrap(about, 98, initial_indent="# ", subsequent_indent="# ")),
        script=script,
        # What was given is not what the environment, which may be of other work, says.
        project=shlex.quote(cloud.project) if cloud.project else ask_for("PROJECT", script),
        zone=shlex.quote(cloud.zone) if cloud.zone else ask_for("ZONE", script),
        prefix=naming.name_prefix(cloud),
        count=cloud.count,
        hosts=f"HOSTS={own.vms} # of the slice\nTOPOLOGY={own.topology}\n" if grouped else "",
        revision=revision,
        runs=cloud.runs,
        job=JOB,
        machine=textwrap.indent("\n".join(list_options(cloud)), "  "),
        command=cloud.command,
    )
    parts = ["group.sh" if grouped else API_PART[own.api], "common.sh"]
    texts = [(PARTS / part).read_text(encoding="utf-8") for part in parts]
    return "\n".join([head, *texts])


def ask_for(name: str, script: str) -> str:
    """What ends a script with one line where a variable is not set."""
    return f"${{{name}:?say which: {name}=... bash {script} all}}"


def plain_name(name: str) -> str:
    """A file's name as a comment and a message of bash can hold it."""
    return name if shlex.quote(name) == name else "SCRIPT"


def list_options(cloud: Cloud) -> list[str]:
    """What gcloud is told of each machine."""
    own = cloud.machine
    if own.api == machines.LEGACY:
        spot = ["--spot"] if cloud.spot else []
        return [
            f"--accelerator-type={own.accelerator}", f"--runtime-version={own.runtime}", *spot,
            "--scopes=https://www.googleapis.com/auth/cloud-platform",
        ]  # fmt: skip
    model = ["SPOT", "--instance-termination-action=DELETE"] if cloud.spot else ["STANDARD"]
    return [
        f"--machine-type={own.machine_type}",
        f"--provisioning-model={model[0]}",
        *model[1:],
        f"--image-project={own.image_project}",
        f"--image-family={own.image}",
        "--maintenance-policy=TERMINATE",
        f"--boot-disk-size={DISK}",
        "--scopes=cloud-platform",
    ]


def tell(cloud: Cloud) -> list[str]:
    """How a script that was written is run."""
    lacking = [
        f"{name.upper()}=..." for name in ("project", "zone") if getattr(cloud, name) is None
    ]
    run = " ".join([*lacking, f"bash {shlex.quote(str(cloud.script))}"])
    return [
        f"read it, then run all of it: {run} all",
        "or in steps: create, install, start, watch, delete; what is there costs money until it is"
        " deleted",
    ]
