"""What no device does: seconds and memory of judging records and of planning lanes.

python -m experiments.benchmark.verdicts

Writes made-up records of 40 arms x 20 seeds into a temporary folder, reads and judges them; then
plans 100,000 lanes: of a thousand arms that share ten networks, and of one arm. Each in a process
of its own, one after another.
"""

import pathlib
import resource
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

from cnnjax.config.config import Config, request_of, to_json
from cnnjax.measures.packing import pack_values
from cnnjax.records import archive, index
from cnnjax.records.record import Record, write_record
from cnnjax.study import claims, judge, plan
from cnnjax.study.arms import make_base, make_lanes
from cnnjax.study.claims import Study

ORIGIN = {"platform": "cpu", "device_kind": "cpu", "program": "made up", "data": "made up"}
GRIDS: dict[str, dict[str, tuple[Any, ...]]] = {
    "judge": {
        "pool": ("max", "avg", "l2", "mixed", "stochastic", "blur", "subsample", "decimate"),
        "activation": ("relu", "elu", "gelu", "silu", "tanh"),
    },
    "plan": {
        "learning_rate": tuple(i / 1000 for i in range(1, 11)),
        "kernel_size": tuple((i,) for i in range(1, 11)),
        "batch_size": tuple(range(16, 26)),
    },
    "one": {"learning_rate": (0.01,)},
}
NUM_SEEDS = {"judge": 20, "plan": 100, "one": 100_000}
NUM_IMAGES = 10_000


def make_study(name: str) -> tuple[Study, Config]:
    """The full grid of that name, with its base."""
    grid = GRIDS[name]
    found = claims.make_factorial_claims(grid) if name == "judge" else ()
    study = Study(name, "How long?", {}, claims.cross(grid), found)
    return study, make_base(study, {})


def write_records(runs: pathlib.Path, study: Study, base: Config, num_seeds: int) -> None:
    """A record of every lane, with scores drawn at random."""
    rng = np.random.default_rng(0)
    for number, lane in enumerate(make_lanes(study, base, num_seeds)):
        right = rng.random(NUM_IMAGES) < 0.95
        scores = {
            "test_accuracy": float(right.mean()), "num_test_examples": NUM_IMAGES, "failed": False,
            "by_image": {"test_accuracy": pack_values(right)},
        }  # fmt: skip
        lines = [{"step": step, "validation_accuracy": 0.9} for step in range(50, 401, 50)]
        cost = {"parameters": 100, "macs": 2000, "receptive_field": 6, "map_shape": [4, 4, 8],
                "examples_per_second": 5000.0, "compile_seconds": 3.0}  # fmt: skip
        provenance = {"origin": ORIGIN, "date": "2026-01-01", "packages": {}}
        write_record(runs, Record(f"{number:024x}", to_json(lane), scores, lines, cost, provenance))


def run(name: str) -> str:
    """One line on judging or planning the study of that name."""
    study, base = make_study(name)
    count = f"{len(study.arms):,} arms x {NUM_SEEDS[name]:,} seeds"
    if name == "judge":
        with tempfile.TemporaryDirectory() as folder:
            runs = pathlib.Path(folder)
            write_records(runs, study, base, NUM_SEEDS[name])
            begin = time.process_time()
            index.list_heads(runs)
            indexed = time.process_time()
            lanes = make_lanes(study, base, NUM_SEEDS[name])
            (stock,) = archive.list_complete(lanes, index.list_heads(runs))
            records = index.open_heads(runs, stock.records)
            read = time.process_time()
            judge.judge(study, base, records)
        words = (
            f"indexed in {indexed - begin:.2f} s, read in {read - indexed:.2f} s,"
            f" judged in {time.process_time() - read:.2f} s"
        )
    else:
        begin = time.process_time()
        plan.make_plan(study, base, NUM_SEEDS[name], {request_of(base): ((8, 8, 1), 10)})
        words = f"planned in {time.process_time() - begin:.2f} s"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return f"{count}: {words} of processor time, {peak:,.0f} MiB at most"


def main() -> None:
    """Runs each in a process of its own, for its peak of memory."""
    for name in sys.argv[1:]:
        print(run(name), flush=True)
    for name in () if sys.argv[1:] else GRIDS:
        subprocess.run([sys.executable, "-m", "experiments.benchmark.verdicts", name], check=True)


if __name__ == "__main__":
    main()
