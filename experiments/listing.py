"""What there is to ask for, in parts: studies, models, data sets, knobs, claims. No JAX."""

import json
import sys
from collections.abc import Iterator
from typing import Any

from absl import flags as absl_flags

from cnnjax.config import datasets, installed, register, words
from cnnjax.config.config import KNOBS, find_knob
from cnnjax.config.help import list_choices
from cnnjax.config.knobs import describe_allowed
from cnnjax.study.claims import Study

# By part, the keys of --json; in the order of the whole listing, what is asked for most first.
PARTS = {
    "studies": ("studies",),
    "models": ("models",),
    "data": ("datasets", "dataset_sources"),
    "knobs": ("knobs",),
    "claims": ("claims",),
}
# The data sets of TFDS that most people mean; the others follow by name.
MOST_USED = (
    "mnist", "fashion_mnist", "kmnist", "emnist", "cifar10", "cifar100", "svhn_cropped", "stl10",
    "imagenet2012", "imagenette", "imagewoof", "imagenet_resized", "tiny_imagenet", "food101",
    "caltech101", "oxford_flowers102", "oxford_iiit_pet", "stanford_dogs", "cars196", "eurosat",
    "patch_camelyon", "places365_small", "i_naturalist2021",
)  # fmt: skip
COLUMN = 24  # of a name
BELOW = " " * (COLUMN + 3)  # before what stands below what is said of it


class _PartParser(absl_flags.ArgumentParser):
    """Parses the part of a listing; without one, as of a boolean flag, it is the whole."""

    enum_values = tuple(PARTS)
    syntactic_help = "|".join(PARTS)

    def parse(self, argument: Any) -> str:
        if argument in ("true", True):
            return "all"
        if argument in ("false", False, ""):
            return ""
        if argument.lower() in (*PARTS, "all"):
            return argument.lower()
        raise ValueError(f"give --list, or --list={self.syntactic_help}")


def define_flags(values: absl_flags.FlagValues) -> None:
    """Defines --list and --json."""
    flag = absl_flags.Flag(
        _PartParser(), absl_flags.ArgumentSerializer(), "list", "",
        "List what there is, or a part of it: --list=studies.", boolean=True,
    )  # fmt: skip
    absl_flags.DEFINE_flag(flag, values)
    absl_flags.DEFINE_boolean("json", False, "With --list: as JSON.", flag_values=values)


def print_list(part: str, as_json: bool) -> None:
    """Prints a part, or `all` of what there is."""
    if as_json:
        found = collect()
        keys = [key for key in found if key != "studies"] if part == "all" else PARTS[part]
        json.dump({key: found[key] for key in keys}, sys.stdout, indent=1)
        print()
        return
    own = {"studies": _list_studies, "models": _list_models, "data": _list_data,
           "knobs": _list_knobs, "claims": _list_claims}  # fmt: skip
    width = words.find_width(sys.stdout)
    parts = list(PARTS) if part == "all" else [part]
    for place, name in enumerate(parts):
        for line in (*([""] if place else []), *own[name]()):
            indent = "" if line.startswith(BELOW) else " " * (COLUMN + 1)
            print("\n".join(words.fold(line, width, indent)))


def collect() -> dict[str, Any]:
    """What there is, as JSON has it."""
    return {
        "claims": _find_claims(),
        "datasets": _name_datasets(),
        "dataset_sources": datasets.load_sources(),
        "models": list(find_knob("model").choices),
        "knobs": {
            name: list(knob.choices) or describe_allowed(knob) for name, knob in KNOBS.items()
        },
        "studies": [{"name": own.name, "question": own.question} for own in _find_studies()],
    }


def _find_studies() -> list[Study]:
    from experiments import claims

    return list(claims.find_studies().values())


def _find_claims() -> list[dict[str, str]]:
    from experiments import scoreboard

    return scoreboard.list_claims(_find_studies())


def _name_datasets() -> list[str]:
    others = sorted(set(datasets.load_sources()) - set(datasets.BUILT_IN))
    return [*datasets.BUILT_IN, *register.names("dataset"), *others]


def _line(name: str, text: str) -> str:
    return f"  {name:{COLUMN}} {text}"


def _list_studies() -> Iterator[str]:
    yield installed.name_commands("Studies (python launch.py STUDY):")
    yield from (_line(own.name, own.question) for own in _find_studies())


def _list_claims() -> Iterator[str]:
    yield "Claims:"
    for claim in _find_claims():
        yield _line(claim["id"], claim["claim"])
        yield BELOW + claim["status"]


def _list_models() -> Iterator[str]:
    yield "Models (--model):"
    yield from (_line(*own) for own in list_choices(find_knob("model")).items())


def _list_data() -> Iterator[str]:
    yield "Data (--dataset; source, licence and citation of each by --list=data --json):"
    yield from (_line(kind, form.partition(", ")[2] or form)
                for kind, form in (("folder:PATH", datasets.FILES["folder"]),
                                   ("arrays:PATH", datasets.FILES["arrays"]),
                                   ("idx:PATH", datasets.FILES["idx"])))  # fmt: skip
    known = _name_datasets()
    likely = (*register.names("dataset"), *datasets.BUILT_IN, *MOST_USED)
    first = [name for name in likely if name in known]
    for name in dict.fromkeys((*first, *known)):
        about = datasets.load_sources().get(name) or datasets.describe(name)
        licence = about["licence"].split("\n")[0]
        needs = "preparing it needs TensorFlow" if about.get("needs_tensorflow") else ""
        said = "; ".join(filter(None, (licence, needs)))
        yield _line(name, about["source"] + (f" ({said})" if said else ""))


def _list_knobs() -> Iterator[str]:
    yield "Knobs (--help=NAME says what one means, --help=FAMILY what those of a family do):"
    for name, knob in KNOBS.items():
        yield _line(name, describe_allowed(knob).replace("|", " | "))
