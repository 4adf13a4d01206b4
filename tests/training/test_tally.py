"""What a line says of a run's last step, against the same found by hand."""

import dataclasses

import jax
import numpy as np
import pytest

from cnnjax.config.config import Config
from cnnjax.data import prepare
from cnnjax.networks import cost, count
from cnnjax.sweep import runner
from tests import here
from tests.heard import hear_augmented
from tests.training.test_program import make_functions

OPTAX = True  # see conftest.py
NAMES = ("learning_rate", "gradient_norm", "parameter_norm")


def find_norm(leaves) -> float:
    return float(np.sqrt(sum((np.asarray(leaf, np.float64) ** 2).sum() for leaf in leaves)))


def find_by_hand(config: Config, digits, steps: int, only: str = "") -> dict[str, float]:
    """Norms after so many steps: of the gradient by `only` those parameters, of all parameters."""
    functions, data, numbers = make_functions(config, digits)
    before = functions.advance(numbers, functions.init(numbers), data.train, steps - 1, steps)
    with hear_augmented() as heard:
        after = functions.advance(numbers, before, data.train, 1, 1)
    ((images, targets),) = heard
    network = cost.find_network(config, data.spec.image_shape, 10)
    model = here.make_model(network, data.spec.image_shape, 10)
    mean, scale = prepare.find_scale(config, data.spec.mean, data.spec.std)

    def find_loss(params):
        logits, _ = model.apply(params, before.batch_stats, (images - mean) / scale)
        return -(targets * jax.nn.log_softmax(logits)).sum(axis=1).mean()

    grads = count.flatten(jax.grad(find_loss)(before.params))
    own = [leaf for name, leaf in grads.items() if name.startswith(only)]
    assert own
    return {
        "gradient_norm": find_norm(own),
        "parameter_norm": find_norm(jax.tree.leaves(after.params)),
    }


def find_lines(configs, digits, mesh="auto"):
    """The last line of each."""
    done = {own.config: own for own in runner.run_lanes(configs, digits, mesh=mesh)}
    return [{name: done[own].metrics[-1][name] for name in NAMES} for own in configs]


@pytest.mark.parametrize("strategy", ["map", "vmap"])
def test_each_lane_has_the_norms_of_its_own_last_step(tiny, digits, strategy):
    lanes = [
        dataclasses.replace(
            tiny, lanes_strategy=strategy, schedule="constant", seed=seed, learning_rate=rate
        )
        for seed, rate in enumerate((1e-3, 1e-2, 0.1))
    ]
    found = find_lines(lanes, digits)
    for lane, line in zip(lanes, found, strict=True):
        expected = find_by_hand(lane, digits, lane.steps)
        assert line == pytest.approx({"learning_rate": lane.learning_rate, **expected}, rel=1e-4)
    assert len({line["gradient_norm"] for line in found}) == len(lanes)


@pytest.mark.parametrize(
    ("changes", "only"),
    [({"clip_norm": 1e-3}, ""), ({"freeze": "body"}, "head/logits/"), ({"ema_decay": 0.9}, ""),
     ({"weight_decay": 0.1, "optimizer": "adamw"}, "")],
    ids=str,
)  # fmt: skip
def test_norms_are_of_the_trained_parameters_before_clipping(tiny, digits, changes, only):
    config = dataclasses.replace(tiny, **changes)
    (line,) = find_lines([config], digits)
    expected = find_by_hand(config, digits, config.steps, only)
    assert {name: line[name] for name in expected} == pytest.approx(expected, rel=1e-4)


def test_of_a_batch_that_devices_share_it_is_the_norm_of_the_whole_gradient(tiny, digits):
    (alone,), (shared,) = (find_lines([tiny], digits, mesh) for mesh in ("run:1", "data:2"))
    assert shared == pytest.approx(alone, rel=1e-4)
    expected = find_by_hand(tiny, digits, tiny.steps)
    assert {name: shared[name] for name in expected} == pytest.approx(expected, rel=1e-4)


def test_the_learning_rate_is_that_which_the_step_took(tiny, digits):
    """The cosine of Loshchilov and Hutter 2017 after a linear warm-up, by hand."""
    config = dataclasses.replace(
        tiny, steps=8, eval_every=1, schedule="cosine", warmup_steps=3, learning_rate=0.02
    )
    ((done),) = runner.run_lanes([config], digits)
    shares = [*np.array([1, 2, 3]) / 3, *(1 + np.cos(np.pi * np.arange(5) / 5)) / 2]
    assert isinstance(done, runner.Result)
    rates = [line["learning_rate"] for line in done.metrics]
    np.testing.assert_allclose(rates, 0.02 * np.array(shares), rtol=1e-5)


def test_where_an_evaluation_cuts_changes_no_norm(tiny, digits):
    """A line is of its last step, whatever steps were taken at once before it."""
    curves = []
    for every in (1, 2, 6):
        (own,) = runner.run_lanes([dataclasses.replace(tiny, eval_every=every)], digits)
        assert isinstance(own, runner.Result)
        curves.append({line["step"]: [line[name] for name in NAMES] for line in own.metrics})
    assert curves[0][6] == curves[1][6] == curves[2][6] and curves[0][4] == curves[1][4]
    norms = [line[1] for line in curves[0].values()]
    assert len(set(norms)) == len(norms) and min(norms) > 0


def test_of_a_diverged_run_there_are_none(tiny, digits):
    (line,) = find_lines([dataclasses.replace(tiny, learning_rate=1e30)], digits)
    assert [*line.values()] == [None] * 3
