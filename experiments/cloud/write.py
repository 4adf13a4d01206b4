"""Writes the file by which machines are rented, and says how it is run."""

from cnnjax.config import flags, words
from cnnjax.config.knobs import printable
from experiments import script
from experiments.cloud import checkout, naming, scripts, sky
from experiments.cloud.flags import SKY, Cloud


def write(cloud: Cloud) -> int:
    """Writes a script or a job, prints what it is, and gives the exit status.

    What is there already is not written over: it may be all that can delete machines.
    """
    revision, changed = checkout.find_revision()
    by_sky = cloud.route == SKY
    text = sky.make_yaml(cloud) if by_sky else scripts.make_script(cloud, revision)
    path = cloud.script
    try:
        with open(path, "x", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
    except FileExistsError:
        if path.is_dir() or path.read_bytes() != text.encode("utf-8", "surrogateescape"):
            flags.refuse(
                f"--script={path} is there already, and may be what deletes other machines: remove"
                " it if those are gone, or give --script=FILE"
            )
    words.say(printable(f"{path}: {naming.describe(cloud)}"))
    for line in (sky if by_sky else scripts).tell(cloud):
        words.say(printable(line))
    if changed and not by_sky:
        script.print_note(f"files changed since {revision[:12]} are not on the machines: commit")
    return script.DONE
