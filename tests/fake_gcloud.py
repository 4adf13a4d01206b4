"""A gcloud for tests: knows what --engine=cloud asks of the real one, and refuses all else.

Its cloud is the folder $FAKE_CLOUD: machines/NAME has the names of its VMs, vms/NAME is the home of
a VM, where commands really run. One machine is taken away once it has recorded something. One whose
name is a file of going/ is neither up nor gone.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

CLOUD = pathlib.Path(os.environ["FAKE_CLOUD"])
MACHINES, VMS, GONE, BUCKET = (CLOUD / name for name in ("machines", "vms", "gone", "bucket"))
VICTIM, TAKEN = 1, CLOUD / "taken"  # which VM, and whether it was
VM_FLAGS = "machine-type provisioning-model image-project image-family maintenance-policy"
VM_FLAGS += " boot-disk-size scopes"
KEEPALIVE = ["-oConnectTimeout", "-oServerAliveCountMax", "-oServerAliveInterval"]
# By command: flags that it needs, and others that it may have. As `gcloud ... --help` has them.
KNOWN = {
    "compute instances create": (f"zone {VM_FLAGS}", "instance-termination-action"),
    "compute instances list": ("zones filter format", ""),
    "compute instances delete": ("zone quiet", ""),
    "compute ssh": ("zone quiet command ssh-flag", ""),
    "compute scp": ("zone quiet scp-flag", ""),
    "compute tpus queued-resources create": (
        "zone node-id accelerator-type runtime-version scopes", "spot",
    ),
    "compute tpus queued-resources list": ("zone format", ""),
    "compute tpus queued-resources delete": ("zone force quiet", ""),
    "compute tpus tpu-vm ssh": ("zone worker quiet command ssh-flag", ""),
    "compute tpus tpu-vm scp": ("zone worker quiet scp-flag", ""),
    "compute resource-policies create workload-policy": (
        "region type accelerator-topology", "",
    ),
    "compute resource-policies list": ("filter format", ""),
    "compute resource-policies delete": ("region quiet", ""),
    "compute instance-templates create": (
        f"instance-template-region {VM_FLAGS}", "instance-termination-action",
    ),
    "compute instance-templates list": ("regions filter format", ""),
    "compute instance-templates delete": ("region quiet", ""),
    "compute instance-groups managed create": (
        "zone template workload-policy size target-size-policy-mode default-action-on-vm-failure",
        "",
    ),
    "compute instance-groups managed list": ("zones filter format", ""),
    "compute instance-groups managed list-instances": ("zone format", ""),
    "compute instance-groups managed delete": ("zone quiet", ""),
}  # fmt: skip


def fail(why):
    with open(CLOUD / "refused", "a") as file:
        file.write(f"{why}: {' '.join(sys.argv[1:])}\n")
    sys.exit(f"ERROR: {why}")


def make(name, vms):
    if os.environ.get("FAKE_NO_ROOM"):
        sys.exit("ERROR: ZONE_RESOURCE_POOL_EXHAUSTED")
    if (MACHINES / name).exists():
        fail("is there already")
    for number, vm in enumerate(vms):
        (VMS / vm).mkdir(parents=True)
        own = int(name.rpartition("-")[2]) + number
        (VMS / vm / "number").write_text(str(own))
    (MACHINES / name).write_text(" ".join(vms))


def drop(name):
    if not (MACHINES / name).exists():
        fail("is not there")
    print(f"Deleting {name}...", file=sys.stderr, flush=True)  # which fails where nobody hears it
    for vm in (MACHINES / name).read_text().split():
        take(vm)
    (MACHINES / name).unlink()
    (CLOUD / "going" / name).unlink(missing_ok=True)


def take(vm):
    """What runs on a VM sees that its home is elsewhere, and ends."""
    if (VMS / vm).exists():
        GONE.mkdir(exist_ok=True)
        (VMS / vm).rename(GONE / f"{vm}.{len(list(GONE.iterdir()))}")


def play():
    """Takes the victim away once it has recorded something."""
    if TAKEN.exists() or not list(BUCKET.glob(f"{VICTIM}-*")):
        return
    for vm in VMS.iterdir():
        if (vm / "number").read_text() == str(VICTIM):
            take(vm.name)
            TAKEN.touch()


def list_machines(pattern, when_up, when_taken):
    play()
    for own in sorted(MACHINES.iterdir()):
        up = all((VMS / vm).exists() for vm in own.read_text().split())
        if re.match(pattern, own.name):
            if (CLOUD / "going" / own.name).exists():
                print(f"{own.name}\tSTOPPING")
            elif up or when_taken:
                print(f"{own.name}\t{when_up if up else when_taken}".rstrip())
            else:
                own.unlink()


def at(vm, command):
    if not (VMS / vm).exists():
        return 255
    home = str(VMS / vm)
    path = f"{CLOUD / 'on-vms'}:/usr/bin:/bin"
    own = {"HOME": home, "PATH": path, "FAKE_CLOUD": str(CLOUD), "TMPDIR": home}
    own |= {name: os.environ[name] for name in ("FAKE_HOSTS", "FAKE_STUCK") if name in os.environ}
    return subprocess.run(["bash", "-c", command], cwd=home, env=own).returncode


def vms_of(name, legacy):
    if legacy and not (MACHINES / name).exists():
        sys.exit(f"ERROR: {name} is not found")
    return (MACHINES / name).read_text().split() if legacy else [name]


def main():
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    flags = dict(word[2:].partition("=")[::2] for word in sys.argv[1:] if word.startswith("--"))
    command = max((own for own in KNOWN if " ".join(words).startswith(own)), key=len, default=None)
    if command is None:
        fail("unknown command")
    names = words[len(command.split()) :]
    needed, allowed = (set(part.split()) for part in KNOWN[command])
    if flags.pop("project", None) != "my-project":
        fail("without its project")
    if lacking := needed - {*flags}:
        fail(f"lacks {sorted(lacking)}")
    if unknown := {*flags} - needed - allowed:
        fail(f"unknown flags {sorted(unknown)}")
    given = sorted(word[11:] for word in sys.argv if word[2:11] in ("ssh-flag=", "scp-flag="))
    if given and [own.partition("=")[0] for own in given] != KEEPALIVE:
        fail("would wait for ever for a machine that went away")
    if flags.get("zone", flags.get("zones", "us-east5-b")) != "us-east5-b":
        fail("another zone")
    if flags.get("region", flags.get("regions", "us-east5")) != "us-east5":
        fail("another region")
    with open(CLOUD / "calls", "a") as file:
        file.write(f"{command} {' '.join(names)}\n")
    for folder in (MACHINES, VMS, BUCKET, CLOUD / "made"):
        folder.mkdir(parents=True, exist_ok=True)
    sys.exit(act(command, names, flags))


def act(command, names, flags):
    *_, noun, verb = command.split()
    legacy = "tpus" in command
    hosts = int(os.environ["FAKE_HOSTS"])
    if verb in ("ssh", "scp"):
        name = names[0] if verb == "ssh" else names[1].partition(":")[0]
        for vm in vms_of(name, legacy):
            if verb == "ssh" and (status := at(vm, flags["command"])):
                return status
            if verb == "scp":
                shutil.copy(names[0], VMS / vm / names[1].partition(":")[2])
        return 0
    if noun in ("resource-policies", "instance-templates") or verb == "workload-policy":
        made = CLOUD / "made" / ("template" if "templates" in command else "policy")
        if verb == "list":
            print(made.read_text() if made.exists() else "")
        elif verb == "delete":
            made.unlink()
        else:
            made.write_text(names[0])
        return 0
    if verb == "list-instances":
        play()
        for vm in vms_of(names[0], True):
            if (VMS / vm).exists():
                print(f"{vm}\tRUNNING")
        return 0
    if verb == "list" and noun == "managed":
        list_machines(flags["filter"].removeprefix("name~"), "", " ")
    elif verb == "list":
        pattern = flags.get("filter", "name~").removeprefix("name~")
        list_machines(pattern, *(("ACTIVE", "SUSPENDED") if legacy else ("RUNNING", "")))
    for name in names:
        if verb == "delete":
            drop(name)
        elif noun == "managed":
            for what in ("template", "workload-policy"):
                kept = CLOUD / "made" / what.removeprefix("workload-")
                if not (kept.exists() and flags[what].endswith(f"/{kept.read_text()}")):
                    fail(f"no such {what}")
            make(name, [f"{name}-x{host}" for host in range(int(flags["size"]))])
        elif legacy:
            make(name, [f"{name}-w{host}" for host in range(hosts)])
        else:
            make(name, [name])
    return 0


if __name__ == "__main__":
    main()
