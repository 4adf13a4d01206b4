"""Small work that is disturbed, done in peace once, and what must come of it."""

import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from experiments.endure import forks
from experiments.endure.forks import Ended
from experiments.endure.outcomes import compare, read_numbers

SMALL = ("--widths=4,4", "--train_examples=100", "--steps=60", "--eval_every=20",
         "--checkpoint_every=20", "--keep=final")  # fmt: skip
PLACES = ("runs", "data", "cache")

Act = Callable[[pathlib.Path], Iterator[str]]  # does something in an empty folder; gives faults


class Trial(NamedTuple):
    """Something that is tried."""

    kind: str
    name: str
    act: Act


class Command(NamedTuple):
    """A command that is disturbed."""

    name: str
    module: str
    flags: tuple[str, ...]
    place: str  # the flag that says where it leaves what it does


SWEEP = Command(
    "sweep", "experiments.ablate", ("--grid=pool=max,avg", "--seeds=2", *SMALL), "--runs"
)
TRAIN = Command("train", "experiments.train", ("--norm=batch", *SMALL), "--workdir")


class Peace(NamedTuple):
    """What commands leave that nobody disturbs: folders NAME, data and cache."""

    folder: pathlib.Path
    numbers: Mapping[str, Mapping[str, str]]  # by the name of the command
    files: Mapping[str, int]  # that a command writes
    sweep: Command = SWEEP
    train: Command = TRAIN

    @property
    def commands(self) -> tuple[Command, Command]:
        return self.sweep, self.train

    def run(
        self, command: Command, place: pathlib.Path, on_disk: Sequence[str] = PLACES,
        before: Callable[[], None] = lambda: None, more: Sequence[str] = (),
    ) -> Ended:  # fmt: skip
        """Runs a command in a folder, of which it uses what `on_disk` names, else that of peace."""
        data, cache = (
            (place if name in on_disk else self.folder) / name for name in ("data", "cache")
        )
        flags = [*command.flags, f"{command.place}={place / command.name}", f"--data_dir={data}"]
        own = [flag.replace("=train/", f"={place}/train/") for flag in more]
        return forks.start(command.module, [*flags, *own], {"XDG_CACHE_HOME": str(cache)}, before)

    def settle(
        self, command: Command, place: pathlib.Path, on_disk: Sequence[str] = PLACES,
        before: Callable[[], None] = lambda: None, more: Sequence[str] = (),
    ) -> Iterator[str]:  # fmt: skip
        """The same command again: it must come to the numbers of peace."""
        ended = self.run(command, place, on_disk, before, more)
        if ended.fault or ended.status:
            yield f"does not go on: {ended.fault or ended.errors}"
        else:
            yield from self.compare(command, place)

    def compare(self, command: Command, place: pathlib.Path) -> list[str]:
        """How numbers in a folder differ from those of peace."""
        return compare(self.numbers[command.name], read_numbers(place / command.name))

    def copy(self, place: pathlib.Path, *names: str) -> None:
        """Copies what peace left, or those of its folders that are named."""
        for name in names or (SWEEP.name, TRAIN.name):
            shutil.copytree(self.folder / name, place / name.removesuffix("-half"))

    def measure(self, command: Command, on_disk: Sequence[str]) -> int:
        """KiB on a disk of what a command leaves, in pages of 4 KiB."""
        names = [command.name if name == "runs" else name for name in on_disk]
        paths = [path for name in names for path in (self.folder / name).rglob("*")]
        return sum(4 + path.stat().st_size // 2**10 // 4 * 4 for path in paths if path.is_file())

    def count_files(self, command: Command) -> int:
        """How many files a command writes, each of which the disk may refuse."""
        return self.files[command.name]


def make_peace(folder: pathlib.Path) -> Peace:
    """Does the work in peace, and half of it, as a kill leaves it, in folders NAME-half."""
    made = Peace(folder, {}, {})
    numbers, files = {}, {}
    for command in (SWEEP, TRAIN):
        count = folder / f"{command.name}.count"
        for path in (folder, folder / command.name):
            path.mkdir(exist_ok=True)
        ended = made.run(command, folder, before=forks.count_syncs(count))
        if ended.status or ended.fault:
            raise SystemExit(f"{command.name} fails in peace: {ended.errors}")
        forks.start("experiments.records", ["--list", f"--runs={folder / SWEEP.name}"])  # an index
        numbers[command.name] = read_numbers(folder / command.name)
        files[command.name] = len(count.read_bytes())
        half = folder / f"{command.name}-half"
        own = command._replace(name=half.name)
        made.run(own, folder, before=forks.end_at("step-", 3 if command == TRAIN else 4))
        if not list(half.rglob("step-*.safetensors")):
            raise SystemExit(f"{command.name} was not interrupted")
    made = made._replace(numbers=numbers, files=files)
    _compile_halves(made)
    return made


def _compile_halves(made: Peace) -> None:
    """Fills the cache with the programs of what goes on from half way, or is trained again."""
    with tempfile.TemporaryDirectory(dir=made.folder) as place:
        made.copy(pathlib.Path(place), *(f"{command.name}-half" for command in made.commands))
        for command in made.commands:
            made.run(command, pathlib.Path(place), ("runs",))
        shutil.rmtree(pathlib.Path(place) / SWEEP.name)
        made.run(SWEEP, pathlib.Path(place), ("runs",), more=["--seeds=1"])


def judge_refusal(ended: Ended, place: pathlib.Path) -> Iterator[str]:
    """What is wrong with how a command ended that met a disk which takes no more."""
    if ended.fault or ended.status not in (0, 1):
        yield f"{ended.fault or ended}"
    elif ended.status and str(place) not in ended.errors:
        yield f"does not name the file: {ended.errors.strip()}"
