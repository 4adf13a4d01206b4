"""A study and its records made by hand, so that what is true of them is known."""

import numpy as np

from cnnjax.config.config import Config, request_of, to_json
from cnnjax.records.record import Record
from cnnjax.study import claims
from cnnjax.study import judge as judge_lib
from cnnjax.study.arms import make_base, make_lanes
from cnnjax.study.claims import Claim, Comparison, Study

MAX, AVG = {"pool": "max"}, {"pool": "avg"}
SAME, VALID = {"padding": "SAME"}, {"padding": "VALID"}
ORIGIN = {"platform": "cpu", "device_kind": "cpu", "program": "abc", "data": "def"}
# What every record that is read has, and no more.
SCORES = {"num_test_examples": 1000}
LINES = [{"step": 1, "validation_accuracy": 0.5}]
COST = {"parameters": 1, "macs": 1, "receptive_field": 1, "map_shape": [1, 1, 1]}
PROVENANCE = {"origin": ORIGIN, "date": "2026-01-01", "packages": {}}
GRID = {"pool": ("max", "avg"), "padding": ("SAME", "VALID")}
CLAIM = Claim(
    "planted",
    "Max beats average by far.",
    (
        Comparison({"pool": "max"}, {"pool": "avg"}, ">", "two points"),
        Comparison({"padding": "SAME"}, {"padding": "VALID"}, "=", "equivalent"),
    ),
)
BASE = {"train_examples": 300, "measure": ("robustness",)}
STUDY = Study("made-by-hand", "Which?", BASE, claims.cross(GRID), (CLAIM,))
INFOS = {request_of(Config()): ((8, 8, 1), 10)}
EFFECTS = {"max": 0.02, "avg": 0.0}  # padding has none


def make_records(num_seeds=20, effects=EFFECTS, spread=0.003, own=STUDY):
    base = make_base(own, {})
    rng = np.random.default_rng(0)
    luck = rng.normal(0, 0.01, num_seeds)  # shared by the arms of a seed
    records = []
    for index, config in enumerate(make_lanes(own, base, num_seeds)):
        accuracy = 0.9 + effects[config.pool] + luck[config.seed] + rng.normal(0, spread)
        metrics = [
            {"step": step, "validation_accuracy": accuracy - 1 / step, "train_loss": 1 / step}
            for step in (50, 100)
        ]
        scores = {"test_accuracy": accuracy, "test_loss": 0.3, "num_test_examples": 1000,
                  "failed": False, "diverged": False, "diverged_at": None, "initial_loss": 2.3,
                  "num_train_examples": 300, "num_pool_examples": 600,
                  "drawn_by_seed": True}  # fmt: skip
        parameters = 100 if config.padding == "SAME" else 80
        cost = {"parameters": parameters, "macs": 2000, "receptive_field": 6,
                "map_shape": [4, 4, 8]}  # fmt: skip
        provenance = {"origin": ORIGIN, "date": f"2026-01-0{1 + index % 2}",
                      "packages": {"jax": "0.10.2"}}  # fmt: skip
        records.append(Record(f"id{index}", to_json(config), scores, metrics, cost, provenance))
    return records


def judge(records, own=STUDY):
    return judge_lib.judge(own, make_base(own, {}), records)


def compare(a, b, relation=">", metric="", records=None, arms=STUDY.arms, **given):
    """The verdict on one comparison of records made by hand."""
    claim = Claim("one", "One comparison.", (Comparison(a, b, relation, "none", metric, **given),))
    own = STUDY._replace(claims=(claim,), arms=arms)
    return judge(make_records(own=own) if records is None else records, own).verdicts[0]


def fail(record):
    """The record of a run that failed: it has no score but that it did."""
    facts = {"failed": True, "initial_loss": 2.3, "diverged_at": 7, "num_test_examples": 1000}
    return record._replace(scores={**dict.fromkeys(record.scores), **facts})
