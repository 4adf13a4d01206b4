"""Configurations drawn from all knobs: what a plan accepts is trained two steps and evaluated.

    python -m experiments.endure.configs [NUMBER] [SEED]

Networks and data are tiny and their structure is not: any model, any layers, any optimizer, feed
and precision, on embedded, generated and own data of unlike shapes. That a plan accepts what
training refuses is a fault, and so is a plan that ends in anything but a ConfigError.
"""

import contextlib
import os
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest import mock

from cnnjax.config import measured, models, register
from cnnjax.config.config import KNOBS, Config, make_config
from cnnjax.config.datasets import BUILT_IN, Where
from cnnjax.config.errors import ConfigError, RunError
from cnnjax.config.knobs import LARGEST_INTEGER, Knob, format_value
from cnnjax.config.layouts import ResNet
from experiments.endure import child
from experiments.endure.tally import Tally

FULL, TENTH = 200, 20  # configurations that are trained
HASTE = "--xla_backend_optimization_level=0"  # of XLA: programs run once
# XLA ends the process at a flag that it does not know, as newer ones do not know this one.
SIMPLER = {"0.10": " --xla_cpu_use_fusion_emitters=false"}
SECONDS, MANY_SECONDS = 60, 300  # of the CPU; more is a wait. The latter with thousands of images
QUICK = ("cnn",) * 16 + ("mlp", "logistic", "mlp_twin", "local_twin", "lenet5", "lenet5_modern",
                         "all_cnn_c", "mnist1d_cnn", "mnist1d_mlp", "airbench94")  # fmt: skip
OTHERS = tuple(name for name in BUILT_IN if name != "digits")  # thousands of images: by hand
SHAPES = {"grey": (8, 8, 1), "colour": (9, 7, 3), "signal": (1, 24, 1), "speck": (1, 1, 1),
          "broad": (5, 12, 4)}  # fmt: skip
# Where the range of a knob is wide, what is worth a try: ends, and what is tiny enough.
TRIED: Mapping[str, Sequence[Any]] = {
    "seed": (0, 1, 2**31, 2**32 - 1), "seed_init": (-1, 0, 2**32 - 1),
    "seed_order": (-1, 0, 2**32 - 1), "seed_draw": (-1, 0, 2**32 - 1),
    "steps": (2, 2, 2, 1, 3),
    "eval_every": (0, 1, 2, 5, LARGEST_INTEGER),
    "warmup_steps": (0, 1), "stop_at": (0, 0, 1), "patience": (0, 0, 1, 2),
    "lookahead": (0, 0, 1, 2, 5), "whitening_bias_steps": (0, 1, 2),
    "randaugment": (0, 0, 1, 2), "norm_bias_rate": (1e-30, 0.5, 1.0, 64.0, 1e30),
    "batch_size": (1, 1, 2, 3, 4, 7, 16, 21),
    "train_examples": (0, 0, 1, 2, 21, 24),
    "image_size": (0, 0, 0, 1, 2, 3, 8, 13, 32),
    "widths": ((1,), (2,), (3, 5), (4, 4), (8, 2, 4), (1, 1, 1, 1), (6, 16)),
    "hidden": ((), (1,), (3,), (8, 8), (5, 2, 5)),
    "kernel_size": ((1,), (2,), (3,), (4,), (5,), (1, 3), (3, 1), (7, 2)),
    "pad": ((0,), (1,), (2,), (0, 1), (3, 0)),
    "stride": (1, 1, 2, 3), "dilation": (1, 2, 3), "groups": (1, 2, 3),
    "squeeze_ratio": (0, 0, 1, 2, 5),
    "pool_size": (1, 2, 3, 4), "pool_stride": (0, 1, 2, 3), "pool_every": (0, 1, 2, 3),
    "width_multiplier": (0.02, 0.05, 0.1),
    "learning_rate": (1e-30, 1e-3, 0.1, 3.0, 1e30), "weight_decay": (0.0, 1e-3, 10.0, 1e30),
    "clip_norm": (0.0, 1e-30, 1.0, 1e30), "noise": (0.0, 0.1, 1e30),
    "norm_epsilon": (1e-30, 1e-5, 1.0, 1e30), "logit_scale": (1e-30, 0.5, 1.0, 1e30),
    "init_gain": (1e-30, 0.5, 1.0, 1e30), "mixup": (0.0, 1e-30, 0.2, 1.0, 1e30),
    "cutmix": (0.0, 1e-30, 0.2, 1.0, 1e30), "shift": (0, 0, 1, 2, 5), "cutout": (0, 0, 1, 3),
}  # fmt: skip


def draw(random_: random.Random, datasets: Sequence[str]) -> dict[str, Any]:
    """Values of some knobs that go together, as far as a Config tells."""
    dataset = random_.choice(datasets)
    many = dataset in OTHERS
    deep = not many and random_.random() < 0.06  # most of the time would be theirs
    quick = [name for name in QUICK if not (many and name == "airbench94")]
    model = random_.choice([*register.names("model")] if deep else quick)
    kind = dataset.partition(":")[0]
    unread = () if kind == "folder" else ("group_by",)
    unread += () if kind == dataset else ("train_split", "validation_split", "test_split")
    small = {"train_examples": 24, "batch_size": 4, "widths": (4, 4), "hidden": (8,), "steps": 2,
             "width_multiplier": 0.05, "image_size": 0}  # fmt: skip
    given: dict[str, Any] = {"model": model}
    small |= {name: value for name, value in models.small_of(model).items() if model != "cnn"}
    share = random_.choice((0.1, 0.3, 0.6))
    others = [name for name in KNOBS if name not in ("model", "dataset", *unread)]
    chosen = [name for name in others if random_.random() < share]
    random_.shuffle(chosen)
    values = {"dataset": dataset, **{name: draw_value(random_, KNOBS[name]) for name in chosen}}
    for name, value in [*values.items(), *small.items()]:
        tried = {**given, **({} if name in given else {name: value})}
        try:
            make_config(tried)
        except ConfigError:
            continue
        given = tried
    return {"steps": 2, **given}


def draw_value(random_: random.Random, knob: Knob) -> Any:
    """A value that the knob allows by itself, or does not know to be none."""
    if knob.name in TRIED:
        return random_.choice(TRIED[knob.name])
    if knob.name == "group_by":
        return random_.choice((r"\d", "0", ".*"))
    if knob.name.endswith("_split"):
        return random_.choice(("train[:30]", "test[:20]", "train[30:]", "test[5:9]"))
    if knob.type is bool:
        return random_.random() < 0.5
    names = measured.list_names() if knob.name == "measure" else knob.choices
    if knob.type is tuple:
        return tuple(random_.sample(names, min(len(names), random_.randint(0, 2))))
    if names:
        return random_.choice(names)
    low = knob.low if knob.low is not None else 1e-3
    high = knob.high if knob.high is not None else 0.999 if knob.below else 3.0
    return random_.choice((low, high, random_.uniform(low, high), knob.default))


def cut_blocks() -> None:
    """Leaves one block to each stage of the residual networks: all are alike, and take long."""
    for name in register.names("model"):
        row = register.find("model", name)
        plan = row.make(make_config({"model": name}), 10)
        if isinstance(plan, ResNet):
            few = plan._replace(blocks=(1,) * len(plan.blocks))
            own = row._replace(make=lambda config, num_classes, few=few: few)
            register.CHOICES["model"][name] = own


def prepare(folder: Path, full: bool) -> list[str]:
    """Writes data sets of one's own into a folder; gives all that are tried."""
    import numpy as np

    from cnnjax.data import load
    from experiments.endure import folders, idx

    ready = []
    for name in ("digits", *(OTHERS if full else ())):  # of what is not prepared a plan knows less
        with contextlib.suppress(RunError):  # an extra that is not installed
            load.load_dataset(Config(dataset=name), Where())
            ready.append(name)
    rng = np.random.default_rng(0)
    made = [f"folder:{folder / 'images'}", f"idx:{folder / 'idx'}"]
    folders.write(folder / "images", folders.name_files())
    folders.write(folder / "idx", idx.name_files())
    for number, (name, shape) in enumerate(SHAPES.items()):
        splits = {"train": 30, "test": 10}
        arrays: dict[str, Any] = {}
        for split, count in splits.items():
            images = rng.integers(0, 256, (count, *shape), np.uint8)
            if number % 2:
                images = rng.normal(0, 10.0 ** (3 * number), images.shape).astype(np.float32)
            arrays[f"x_{split}"] = images
            arrays[f"y_{split}"] = np.arange(count) % (2 + number)
        np.savez(folder / f"{name}.npz", **arrays)
        made.append(f"arrays:{folder / name}.npz")
    return ["digits"] * 3 + [*made, *ready]


def attempt(given: Mapping[str, Any], where: Where) -> tuple[str, str]:
    """What becomes of a configuration: refused, trained or a fault, and what is said."""
    from cnnjax.runs import train

    config: Config = make_config(given)
    try:
        train.describe_run(config, where)
    except ConfigError as error:
        return "refused", str(error)
    except Exception as error:
        return "fault", f"the plan ends in {child.describe(error)}"
    try:
        result, described = train.train_in_memory(config, where)
    except Exception as error:
        return "fault", f"the plan accepts it and training ends in {child.describe(error)}"
    ended = result.metrics[-1]["step"]
    early = config.patience and ended < config.last_step
    if ended != config.last_step and not early or "test_accuracy" not in described:
        return "fault", "it is not trained to its last step"
    return "trained", "diverged" if described["diverged_at"] else ""


def shrink(given: Mapping[str, Any], said: str, where: Where) -> dict[str, Any]:
    """As few of the values as show the same."""
    kept = dict(given)
    for name in given:
        tried = {own: value for own, value in kept.items() if own != name}
        try:
            found, text = attempt(tried, where)
        except ConfigError:
            continue
        if found == "fault" and text.partition(":")[0] == said.partition(":")[0]:
            kept = tried
    return kept


def try_all(number: int, seed: int, folder: Path, full: bool, say: child.Say) -> None:
    """Draws configurations until so many were trained, and says what becomes of each."""
    from cnnjax.sweep import backend, group

    backend.configure_jax()
    cut_blocks()
    group.CPU_COMPILER_OPTIONS.clear()  # the environment's go for all
    datasets, random_ = prepare(folder, full), random.Random(seed)
    where, done, known = Where(), 0, set()
    while done < number:
        given = draw(random_, datasets)
        flags = [f"--{name}={format_value(value)}" for name, value in given.items()]
        say({"begun": flags})
        start = time.process_time()
        found, said = attempt(given, where)
        seconds = time.process_time() - start
        done += found != "refused"
        say({"seconds": seconds, "status": said if said == "diverged" else found, "said": said})
        if found != "fault":
            if seconds < (MANY_SECONDS if given["dataset"] in OTHERS else SECONDS):
                continue
            said = f"it takes {seconds:.0f} s"
        if (kind := said.partition(": ")[0]) not in known:
            known.add(kind)
            least = shrink(given, said, where) if found == "fault" else given
            say({"fault": said, "argv": [f"--{n}={format_value(v)}" for n, v in least.items()]})


def run(full: bool, seed: int) -> Tally:
    """Tries them in a process of their own, which a fault may end."""
    return child.run("configs", FULL if full else TENTH, seed, "configurations", 2)


def main(argv: Sequence[str]) -> int:
    """Tries them in this process, a line of JSON on stdout for what becomes of each."""
    number, seed = (int(text) for text in (*argv[1:], *(str(TENTH), "0")[len(argv) - 1 :]))
    with tempfile.TemporaryDirectory() as place, mock.patch.dict(os.environ):
        version = metadata.version("jaxlib").rpartition(".")[0]
        own = {"XLA_FLAGS": HASTE + SIMPLER.get(version, "")}
        os.environ.update(XDG_CACHE_HOME=os.path.join(place, "cache"), **own)
        folder = Path(place)
        return child.serve(lambda say: try_all(number, seed, folder, number > TENTH, say))


if __name__ == "__main__":
    sys.exit(main(sys.argv))
