"""Training throughput beside the alternatives, as ratios from one run."""

import dataclasses
import json
import pathlib
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags as absl_flags

from cnnjax import config as config_lib
from cnnjax import flags
from cnnjax.config import Config
from experiments import script

DESCRIPTION = """
python -m experiments.benchmark [--lanes=1,2,8] [--json=FILE] [--name=value ...]

Trains the same network with cnnjax and with a plain PyTorch loop (extra `bench`), alternating
round by round, and prints how many times as many examples per second cnnjax trains: the median,
least and greatest ratio of the rounds. Compilation and a first round of each are not counted.
"""


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Measures and prints; gives the exit status."""
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_list("lanes", ["1", "2", "8"], "Runs trained at once.", flag_values=values)
    absl_flags.DEFINE_integer("rounds", 7, "Rounds.", lower_bound=1, flag_values=values)
    absl_flags.DEFINE_string("json", None, "Write the ratios to this file.", flag_values=values)
    flags.define_data_dir(values)
    flags.define_config(values, Config())
    positional = flags.parse(values, argv, DESCRIPTION)
    if positional:
        flags.refuse(f"unexpected {positional[0]!r}: every choice is a flag, such as --lanes=8")
    if not all(text.isdigit() and int(text) > 0 for text in values.lanes):
        flags.refuse(f"--lanes={','.join(values.lanes)} is not allowed: give integers such as 1,8")
    try:
        import torch
    except ImportError:
        print("error: PyTorch is missing: pip install 'cnnjax[bench]'", file=sys.stderr)
        return script.FAILED

    from cnnjax import sweep
    from cnnjax.data import load
    from experiments import opponents

    sweep.configure_jax()
    config = config_lib.make_config(flags.given_config(values))
    data_dir = load.find_data_dir(values.data_dir)
    dataset = load.take_train(load.load_dataset(config.dataset, data_dir), config.train_examples)
    threads = sorted({1, torch.get_num_threads()})
    theirs = {
        f"pytorch, {count} thread{'s'[: count - 1]}": opponents.make_pytorch(config, dataset, count)
        for count in threads
    }
    rows = []
    for lanes in map(int, values.lanes):
        rows += compare(config, lanes, make_ours(config, lanes, dataset), theirs, values.rounds)
    print(f"{'lanes':>5}  {'opponent':20} {'ratio':>6} {'low':>6} {'high':>6}")
    for row in rows:
        print(
            f"{row['lanes']:5}  {row['opponent']:20} {row['ratio']:6.2f} {row['ratio_low']:6.2f}"
            f" {row['ratio_high']:6.2f}"
        )
    if values.json:
        pathlib.Path(values.json).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return script.DONE


def make_ours(config: Config, lanes: int, dataset: Any) -> Callable[[int], None]:
    """A function that takes so many steps of all lanes with the compiled program of a sweep."""
    import jax

    from cnnjax import group

    configs = [dataclasses.replace(config, seed=seed) for seed in range(lanes)]
    mesh = group.make_group_mesh(config, lanes, dataset)
    data = group.place_data(config, dataset, mesh)
    numbers = group.stack_numbers(configs, mesh)
    executables = group.compile_group(config, numbers, data, mesh, [config.steps])
    states = executables.init((numbers,), ())

    def train(num_steps: int) -> None:
        for _ in range(num_steps // config.steps):
            # From the same state each time: a benchmark trains, but need not finish.
            jax.block_until_ready(
                executables.advance[config.steps]((numbers, states), (data.train,))
            )

    return train


def compare(
    config: Config,
    lanes: int,
    ours: Callable[[int], None],
    theirs: dict[str, Callable[[int], None]],
    rounds: int,
) -> list[dict[str, Any]]:
    """Ratios of examples per second, ours over each of theirs, taken in turn."""

    def measure(train: Callable[[int], None], runs: int) -> float:
        begin = time.perf_counter()
        train(config.steps)
        return runs * config.steps * config.batch_size / (time.perf_counter() - begin)

    ratios: dict[str, list[float]] = {name: [] for name in theirs}
    for round_number in range(rounds + 1):
        own = measure(ours, lanes)
        for name, train in theirs.items():
            ratio = own / measure(train, 1)
            if round_number > 0:
                ratios[name].append(ratio)
    return [
        {
            "network": f"{config.dataset} {config.model}",
            "batch_size": config.batch_size,
            "lanes": lanes,
            "opponent": name,
            "ratio": statistics.median(found),
            "ratio_low": min(found),
            "ratio_high": max(found),
        }
        for name, found in ratios.items()
    ]


if __name__ == "__main__":
    script.run(main, "nothing was written")
