"""What test_meshes.py asks of eight host devices, in a process of its own: JSON on stdout.

Its programs train as they are; only what is examined at the end is left out, which takes most of
the time to compile.
"""

import json
import os
import re
import sys

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"

import jax
import numpy as np

from cnnjax.config.config import make_config, structure_of
from cnnjax.config.datasets import Where
from cnnjax.data import load
from cnnjax.sweep import placement
from cnnjax.sweep.session import open_session
from cnnjax.training import program

GIVEN = {"widths": (4,), "hidden": (8,), "activation": "tanh", "optimizer": "sgd",
         "learning_rate": 0.1, "train_examples": 64, "batch_size": 16, "steps": 4}  # fmt: skip
NORM = {**GIVEN, "norm": "batch"}
CASES = {
    "one": (GIVEN, "run:1"), "lanes": (GIVEN, "run:8"), "mixed": (GIVEN, "run:2,data:4"),
    "norm_one": (NORM, "run:1"), "norm_data": (NORM, "data:8"),
    "bfloat16": ({**NORM, "dtype": "bfloat16", "lanes_strategy": "map"}, "run:1,data:2"),
}  # fmt: skip
COLLECTIVE = re.compile(
    r"= (.*?) (all-reduce|all-gather|reduce-scatter|all-to-all|collective-\w+)(-start)?\("
)
TYPE = re.compile(r"\b([a-z]+\d+)\[")
LANES = 8


def train(dataset, given, mesh):
    """What eight lanes of a program come to, its mesh, and the collectives of its training."""
    config = make_config(given)
    lanes = [make_config({**given, "seed": seed}) for seed in range(LANES)]
    session = open_session(structure_of(config), lanes, dataset, mesh_asked=mesh)
    found = COLLECTIVE.findall(session.executables.advance.as_text())
    out = {
        "mesh": dict(session.mesh.shape),
        "collectives": sorted({kind for _, kind, _ in found}),
        "types": sorted({own for kinds, *_ in found for own in TYPE.findall(kinds)}),
    }
    if config.dtype == "float32":
        *_, last = session.train(lanes)
        kept = (last.states.params, last.states.batch_stats, last.states.sums, last.validation)
        leaves = jax.tree.leaves(kept)
        out["values"] = [np.asarray(leaf)[:LANES].tolist() for leaf in leaves]
    return out


def main():
    program.make_examine = lambda *arguments: lambda *given: {}
    dataset = load.load_dataset(make_config(GIVEN), Where())
    found = {}
    for name, (given, mesh) in CASES.items():
        if "bfloat16" in given.values():  # in which a CPU computes only where it is told to
            placement.platform_of = lambda mesh: "tpu"
        found[name] = train(dataset, given, mesh)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
