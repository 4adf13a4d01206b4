"""Training throughput beside the alternatives, as ratios from one run."""

import json
import pathlib
import statistics
from collections.abc import Sequence
from typing import Any

from absl import flags as absl_flags

from cnnjax.config import flags, installed, numeric
from cnnjax.config.config import Config, make_config
from cnnjax.config.datasets import Where
from cnnjax.data.dataset import Dataset, take_train
from experiments import script

DESCRIPTION = """
python -m experiments.benchmark [--networks=cnn28 ...] [--lanes=1,2,8] [--name=value ...]

Trains the same network with cnnjax and with each opponent (PyTorch is in the extra `bench`),
alternating round by round, and prints how many times as many examples per second cnnjax trains:
the median, least and greatest ratio of the rounds. Compilation and a first round of each are not
counted. A flag of a run, such as --pool, holds for all networks. With --profile it times each layer
of one run's step instead, forward and backward; with --accelerator what a GPU or TPU does with one
run in each arithmetic, beside PyTorch, and with lanes one after the other and in step; with
--scaling how many times as fast the same lanes train on several devices as on one; with --search
how many trials a minute a search makes, beside Optuna with PyTorch (extras `bench` and `tune`).
"""

# What each network is, and the shape of the random images it gets; None for the digits.
NETWORKS: dict[str, tuple[dict[str, Any], tuple[int, int, int] | None]] = {
    "digits": ({"pool_every": 2, "steps": 400, "eval_every": 0}, None),
    "cnn28": (
        {"widths": (32, 64), "pool_every": 1, "hidden": (256,), "batch_size": 128, "steps": 10,
         "eval_every": 0},
        (28, 28, 1),
    ),
    "resnet18": (
        {"model": "resnet18_small", "batch_size": 128, "steps": 2, "eval_every": 0}, (32, 32, 3)
    ),
    "airbench94": (
        {"model": "airbench94", "batch_size": 128, "steps": 4, "eval_every": 0}, (32, 32, 3)
    ),
}  # fmt: skip
DIGITS = (8, 8, 1)
TRIALS = 64  # of a search
FEW_ROUNDS = 3  # of searches, unless more are asked for
OPPONENTS = ("pytorch", "pytorch_compiled", "pytorch_processes", "flax")


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Measures and prints; gives the exit status."""
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_multi_enum(
        "networks", ["digits"], list(NETWORKS), "Network to train; once each.", flag_values=values
    )
    absl_flags.DEFINE_multi_enum(
        "opponents", ["pytorch", "pytorch_processes", "flax"], OPPONENTS,
        "PyTorch with one thread and with all, compiled, as a process a core; a Flax loop.",
        flag_values=values,
    )  # fmt: skip
    absl_flags.DEFINE_list("lanes", ["1", "2", "8"], "Runs trained at once.", flag_values=values)
    absl_flags.DEFINE_list(
        "batch_sizes", [], "Images per step, such as 32,128,512; each network's own if none.",
        flag_values=values,
    )  # fmt: skip
    numeric.define_integer(values, "rounds", 7, "Rounds.", 1)
    absl_flags.DEFINE_string("json", None, "Write the ratios to this file.", flag_values=values)
    absl_flags.DEFINE_boolean(
        "profile", False, "Time each layer of one run's step instead.", flag_values=values
    )
    absl_flags.DEFINE_string(
        "roofline", None, "With --profile: draw the layers under the machine's roof, as SVG.",
        flag_values=values,
    )  # fmt: skip
    absl_flags.DEFINE_boolean(
        "accelerator", False, "Measure arithmetic, forms and lanes instead.", flag_values=values
    )
    absl_flags.DEFINE_boolean(
        "scaling", False, "Time the same lanes on one device and on more instead.",
        flag_values=values,
    )  # fmt: skip
    absl_flags.DEFINE_boolean(
        "search", False, f"Time searches of {TRIALS} trials instead, {FEW_ROUNDS} rounds.",
        flag_values=values,
    )  # fmt: skip
    numeric.define_number(values, "minutes", 10.0, "With --accelerator: begin nothing after them.")
    flags.define_where(values)
    flags.define_config(values, Config(), without=["epochs"])
    positional = flags.parse(values, argv, DESCRIPTION)
    if positional:
        flags.refuse(f"unexpected {positional[0]!r}: every choice is a flag, such as --lanes=8")
    lanes = parse_counts("lanes", values.lanes)
    given = flags.given_config(values)
    if "batch_size" in given and values.batch_sizes:
        flags.refuse("--batch_sizes is a list of --batch_size: give one of them")
    sizes = parse_counts("batch_sizes", values.batch_sizes)
    configs = [
        (name, make_config({**NETWORKS[name][0], **given, **size}))
        for name in values.networks
        for size in ([{"batch_size": size} for size in sizes] or [{}])
    ]
    if values.roofline and not values.profile:
        flags.refuse("--roofline goes with --profile")
    if values.profile:
        return profile(configs, flags.read_where(values), values.roofline)
    if values.search:
        require_torch()
        from experiments.benchmark import searching

        rounds = values.rounds if values["rounds"].present else FEW_ROUNDS
        write_rows(values.json, searching.measure_all(TRIALS, rounds))
        return script.DONE
    if values.accelerator:
        return measure_accelerator(configs, values.minutes, values.json)
    if values.scaling:
        return measure_scaling(configs, flags.read_where(values), values.rounds, values.json)
    if any(name.startswith("pytorch") for name in values.opponents):
        require_torch()

    from cnnjax.sweep import backend

    backend.configure_jax()
    from experiments.benchmark import profiler

    peak, rows = profiler.measure_peak(), []
    print(f"a 2048 x 2048 matrix product: {peak / 1e9:,.0f} GFLOP/s")
    print(
        f"{'network':10} {'batch':>5} {'lanes':>5}  {'opponent':24} {'ratio':>6} {'low':>6}"
        f" {'high':>6}  {'ours, images/s':>14} {'of peak':>7}"
    )
    for name, config in configs:
        dataset = load_data(name, config, flags.read_where(values))
        rows += measure_network(name, config, dataset, lanes, values.opponents, values.rounds, peak)
    write_rows(values.json, rows)
    return script.DONE


def require_torch() -> None:
    """Ends the program with status 2 where the opponents are not installed."""
    try:
        import torch  # noqa: F401
    except ImportError:
        flags.refuse(f"PyTorch is missing: {installed.how_to_add('bench')}")


def parse_counts(name: str, texts: Sequence[str]) -> list[int]:
    """The numbers of a list flag. Ends the program with status 2 where one is no count."""
    if not all(text.isdigit() and int(text) > 0 for text in texts):
        flags.refuse(f"--{name}={','.join(texts)} is not allowed: give integers such as 1,8")
    return [int(text) for text in texts]


def profile(configs: Sequence[tuple[str, Config]], where: Where, roofline: str | None) -> int:
    """Prints where the time of one run's training step goes; gives the exit status."""
    from cnnjax.sweep import backend

    backend.configure_jax()
    from cnnjax.report.console import open_console
    from experiments.benchmark import profiler, throughput

    peak, bandwidth = profiler.measure_peak(), profiler.measure_bandwidth()
    print(f"peak {peak / 1e9:,.0f} GFLOP/s (matrix product), {bandwidth / 1e9:,.0f} GB/s (copy)")
    for name, config in configs:
        dataset = load_data(name, config, where)
        train = throughput.make_ours(config, 1, dataset)
        seconds = [profiler.time_call(train, config.steps) for _ in range(6)][1:]
        step = statistics.median(seconds) / config.steps
        times = profiler.profile(config, dataset)
        title = f"{name}: {config.batch_size} images a step"
        profiler.print_profile(title, times, step, peak, open_console())
        if roofline:
            path = pathlib.Path(roofline)
            many = path.with_stem(f"{path.stem}-{name}-{config.batch_size}")
            path = path if len(configs) == 1 else many
            picture = profiler.draw_roofline(times, peak, bandwidth)
            path.write_text(picture, encoding="utf-8")
    return script.DONE


def measure_accelerator(
    configs: Sequence[tuple[str, Config]], minutes: float, path: str | None
) -> int:
    """Prints what the device does with our programs on random images; gives the exit status."""
    from cnnjax.sweep import backend

    backend.configure_jax()
    from experiments.benchmark import accelerator, throughput

    shapes = {name: NETWORKS[name][1] or DIGITS for name, _ in configs}
    datasets = {name: throughput.make_random_dataset(shape) for name, shape in shapes.items()}
    accelerator.measure_all(dict(configs), datasets, minutes, path)
    return script.DONE


def measure_scaling(
    configs: Sequence[tuple[str, Config]], where: Where, rounds: int, path: str | None
) -> int:
    """Prints how much faster lanes train on more devices; gives the exit status."""
    from cnnjax.sweep import backend

    backend.configure_jax()
    from experiments.benchmark import scaling

    networks = [(name, config, load_data(name, config, where)) for name, config in configs]
    write_rows(path, scaling.measure_all(networks, rounds))
    return script.DONE


def write_rows(path: str | None, rows: Sequence[dict[str, Any]]) -> None:
    """Rows as JSON, where a file is named."""
    if path:
        pathlib.Path(path).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def load_data(name: str, config: Config, where: Where) -> Dataset:
    """What a network trains on: the digits, or random images of its shape."""
    from cnnjax.data import load
    from experiments.benchmark import throughput

    if (shape := NETWORKS[name][1]) is not None:
        return throughput.make_random_dataset(shape)
    dataset = load.load_dataset(config, where, say=script.print_note)
    return take_train(dataset, config.train_examples)


def measure_network(
    name: str, config: Config, dataset: Dataset, lane_counts: Sequence[int],
    opponents: Sequence[str], rounds: int, peak: float,
) -> list[dict[str, Any]]:  # fmt: skip
    """Measures and prints one network against all opponents, for each number of lanes."""
    from cnnjax.networks import cost
    from experiments.benchmark import throughput

    shape = dataset.image_shape
    flops = 6 * cost.measure(config, shape, dataset.num_classes).macs
    theirs, close = throughput.make_opponents(config, dataset, opponents)
    rows = []
    for lanes in lane_counts:
        ours = throughput.make_ours(config, lanes, dataset)
        for row in throughput.compare(name, config, lanes, ours, theirs, rounds):
            rows.append(row)
            rate = row["examples_per_second"]
            print(
                f"{name:10} {config.batch_size:5} {lanes:5}  {row['opponent']:24}"
                f" {row['ratio']:6.2f} {row['ratio_low']:6.2f} {row['ratio_high']:6.2f}"
                f"  {rate:14,.0f} {flops * rate / peak:7.0%}",
                flush=True,
            )
    close()
    return rows


if __name__ == "__main__":
    script.run(main, "nothing was written")
