"""A managed job of SkyPilot, as the YAML that `sky jobs launch` reads."""

import json
import shlex
import textwrap

from experiments.cloud import naming
from experiments.cloud.flags import Cloud
from experiments.cloud.scripts import JOB

YAML = """\
# {about}.
#
#   sky jobs launch {script}          rents, trains, and deletes
#   sky jobs queue; sky jobs logs
#   sky jobs cancel --name {name}
#
# Start it in the checkout of cnnjax that is to be copied. SkyPilot rents anew what is taken away.
name: {name}
workdir: .
num_nodes: {count}

resources:
  infra: {infra}
  accelerators: tpu-{accelerator}
  accelerator_args:
    runtime_version: {runtime}
  use_spot: {spot}
  job_recovery:
    # An interruption after which something new is recorded. One with nothing new is tried again
    # where it is, and ends the job at the third time.
    recover_on_exit_codes: [75]

file_mounts:
  # To look at on a machine: runs are read and written as {runs}, where claims are exclusive.
  /bucket:
    source: gs://{bucket}
    mode: MOUNT

envs:
  RUNS: {runs}
  AGAIN: elsewhere

setup: |
  bash {job} install

run: |
  bash {job} attempts \\
{command}
"""


def make_yaml(cloud: Cloud) -> str:
    """The text of a job."""
    own = cloud.machine
    infra = f"gcp/{cloud.zone.rpartition('-')[0]}/{cloud.zone}" if cloud.zone else "gcp"
    return YAML.format(
        about=naming.describe(cloud),
        script=shlex.quote(str(cloud.script)),
        name=naming.name_prefix(cloud),
        count=cloud.count,
        infra=infra,
        accelerator=own.accelerator,
        runtime=own.runtime,
        spot=json.dumps(cloud.spot),
        runs=cloud.runs,
        bucket=cloud.runs.removeprefix("gs://").partition("/")[0],
        job=JOB,
        command=textwrap.indent(cloud.command, "    "),
    )


def tell(cloud: Cloud) -> list[str]:
    """How a job that was written is run."""
    script = shlex.quote(str(cloud.script))
    return [f"read it, then let SkyPilot rent, train and delete: sky jobs launch {script}"]
