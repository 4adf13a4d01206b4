"""Where and on what training is cut changes no bit: neither in a line nor in a weight."""

import jax
import numpy as np
import pytest

from cnnjax.config.config import KNOBS, override, with_seed
from cnnjax.sweep import runner
from cnnjax.sweep.checkpoints import Checkpoints

OPTAX = True  # see conftest.py
QUICK = {"optimizer": "muon", "clip_norm": 0.5, "norm": "batch"}
SLOW = [
    {"clip_norm": 0.5},
    *({"optimizer": name} for name in KNOBS["optimizer"].choices),
    *({"norm": name} for name in KNOBS["norm"].choices),
    {"model": "mlp"},
    {"lookahead": 3, "norm": "batch"},
    {"ema_decay": 0.9, "schedule": "cosine", "warmup_steps": 4},
    {"dropout": 0.5, "label_smoothing": 0.1, "mixup": 0.2},
    {"dtype": "bfloat16"},
    {"lanes_strategy": "vmap", "norm": "batch"},
    {"feed": "stream", "norm": "batch"},
]


@pytest.mark.parametrize(
    "knobs", [{"optimizer": "muon"}, pytest.param(QUICK, marks=pytest.mark.slow)], ids=str
)
def test_on_how_many_devices_lanes_train_changes_no_bit(
    tiny, digits, compiled_as_for_users, knobs
):  # fmt: skip
    config = override(tiny, {"widths": (16, 32), "steps": 2, "eval_every": 0, **knobs})
    lanes = [with_seed(config, seed) for seed in range(2)]
    _, both = runner.run_lanes(lanes, digits, keep="final")
    (alone,) = runner.run_lanes(lanes[1:], digits, keep="final")
    assert both.wave.strategy["devices"] == 2 and alone.wave.strategy["devices"] == 1
    assert both.metrics == alone.metrics
    jax.tree.map(np.testing.assert_array_equal, both.final.params, alone.final.params)


def train(config, digits, folder, every):
    """Lines and weights of a run that is saved after every so many steps."""
    saving = Checkpoints(lambda _: folder / str(every), every, None if every else 1e9)
    (result,) = runner.run_lanes([config], digits, saving=saving, keep="final")
    weights = jax.tree.map(lambda leaf: leaf.tobytes(), jax.device_get(result.final.params))
    return result.metrics, weights


@pytest.mark.parametrize(
    "knobs", [QUICK, *(pytest.param(knobs, marks=pytest.mark.slow) for knobs in SLOW)], ids=str
)
def test_cuts_change_no_bit(tiny, digits, tmp_path, compiled_as_for_users, knobs):
    config = override(tiny, {"steps": 17, "eval_every": 0, "batch_size": 16, **knobs})
    whole = train(config, digits, tmp_path, None)
    cut = train(config, digits, tmp_path, 7)  # 7, 7 and 3 steps
    assert cut == whole
    if knobs != QUICK:
        assert train(config, digits, tmp_path, 1) == whole
