"""Each known answer is decided anew, with the numbers it should find; a wrong world is noticed."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax.networks import models
from cnnjax.ops import activation, conv, padding, pool
from cnnjax.training import optimizers
from experiments.checks import formulas, sizes, training
from experiments.claims import known_answers

OPTAX = True  # see conftest.py

FINDINGS = {  # verdict and what the finding says, as regular expressions
    "output-size": (
        "refuted",
        [r"m - n \+ 1 is true in 40 of 40 cases with VALID", "in 150 of 965 others",
         r"\+ 1 is true in 1,005 of 1,005", r"refused \(135 of 135\)"],
    ),
    "stride": ("supported", ["in 72 of 72 cases", "rounded up, in 72;"]),
    "local-connectivity": ("supported", ["true in 16 of 16 layers", "1.8 to 144 times"]),
    "parameter-sharing": (
        "refuted",
        ["fewer in 16 of 16 layers", "multiplications in 0: they are as many in 16$"],
    ),
    "relu-formula": ("supported", [r"true of (19\d,\d{3}) of \1 numbers"]),
    "pool-shrinks": (
        "supported",
        ["in 44 of 44 networks", "in 44 of the multiplications", "in 44 with pooling's own",
         "keeps both"],
    ),
    "max-suppresses-noise": (
        "refuted",
        ["maximum mean 1.03 and variance 0.49; our", "250,000 windows", r"0.25 \(average\)",
         r"mean 1.03 and variance 0.49 \(maximum\)"],
    ),
    "fc-probabilities": ("supported", ["in 9,000 of 9,000 rows", "least probability 0;"]),
    "training-iteration": (
        "supported",
        [r"within \de-(0[7-9]|1\d) in all 74 entries", "lowers the loss in 20 of 20 networks",
         "raises it in 20;", "reach (8[5-9]|9[0-9])% of test digits with all four",
         *(rf"({'|'.join(map(str, range(7, 14)))})% without {part}" for part in training.PARTS)],
    ),
    "initial-loss": (
        "refuted",
        [r"is 1.0\d to [12].\d\d times", r"1.[2-8]\d \(CNN, 10 ",
         r"1.[01]\d \(logistic regression, 100 ",
         r"it is (9|1[0-2]).\d times"],
    ),
    "learning-rate": (
        "supported", ["on 20 quadratics", "converges in 80 of 80", "diverges in 80 of 80"]
    ),
}  # fmt: skip


def test_every_known_answer_is_pinned_here():
    assert [known.id for known in known_answers.KNOWN_ANSWERS] == list(FINDINGS)


@pytest.mark.parametrize("known", known_answers.KNOWN_ANSWERS, ids=lambda known: known.id)
def test_known_answer(known):
    verdict, numbers = FINDINGS[known.id]
    outcome = known.check()
    assert outcome.verdict == verdict, outcome.finding
    for number in numbers:
        assert re.search(number, outcome.finding), (number, outcome.finding)


def test_run_checks_gives_an_outcome_a_claim(monkeypatch):
    one, other = (known_answers.KNOWN_ANSWERS[index] for index in (1, 4))
    monkeypatch.setattr(known_answers, "KNOWN_ANSWERS", (one, other))
    outcomes = known_answers.run_checks()
    assert list(outcomes) == [one.id, other.id]
    assert outcomes[other.id] == formulas.check_relu_formula()


def test_a_border_too_many_is_noticed(monkeypatch):
    monkeypatch.setitem(padding.PADDINGS, "VALID", lambda size, span, stride: (0, 1))
    finding = sizes.check_output_size().finding
    assert "true in 0 of 40 cases" in finding and "1,005 of 1,005" not in finding


def test_a_stride_that_keeps_other_cells_is_noticed(monkeypatch):
    right = conv.conv2d
    monkeypatch.setattr(
        conv, "conv2d", lambda *given, **named: right(*given[:2], 1, *given[3:], **named)
    )
    assert formulas.check_stride().verdict == "refuted"


def test_a_relu_that_leaks_is_noticed(monkeypatch):
    monkeypatch.setattr(activation, "relu", jax.nn.leaky_relu)
    assert formulas.check_relu_formula().verdict == "refuted"


@pytest.mark.parametrize(
    "wrong",
    [lambda x: jnp.exp(x) / jnp.exp(x).sum(axis=-1, keepdims=True), jax.nn.sigmoid],
    ids=["overflows", "no sum"],
)
def test_a_softmax_that_overflows_or_sums_to_something_else_is_noticed(monkeypatch, wrong):
    monkeypatch.setattr(models, "probabilities", wrong)
    assert formulas.check_fc_probabilities().verdict == "refuted"


@pytest.mark.parametrize("factor", [-1.0, 1.01, 0.99])
def test_an_update_with_another_sign_or_length_is_noticed(monkeypatch, factor):
    right = optimizers.sgd

    def wrong(numbers, schedule, kernels):
        return right(numbers, lambda step: factor * schedule(step), kernels)

    monkeypatch.setattr(optimizers, "sgd", wrong)
    assert formulas.check_learning_rate().verdict == "refuted"


def test_a_pooling_that_is_not_the_maximum_is_noticed(monkeypatch):
    monkeypatch.setattr(pool, "max_pool", pool.avg_pool)
    assert "variance 0.49 (maximum)" not in formulas.check_max_suppresses_noise().finding


def test_a_wrong_gradient_is_noticed(monkeypatch):
    assert training.compare_gradients()[0] < 1e-7

    def wrong(x):  # ReLU, but a hundredth of its gradient is lost
        return 0.99 * jax.nn.relu(x) + 0.01 * jax.lax.stop_gradient(jax.nn.relu(x))

    monkeypatch.setattr(activation, "relu", wrong)
    assert training.compare_gradients()[0] > 1e-3


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [([1, 0, 0, 0, 0], "supported"), ([1, 0, 1, 0, 0], "refuted"), ([0, 0, 0, 0, 0], "refuted")],
    ids=["each part matters", "the loss does not", "nothing is learned"],
)
def test_a_part_that_can_be_left_out_without_harm_refutes_the_statement(monkeypatch, rows, verdict):
    levels = np.random.default_rng(0).normal([[0.1], [0.9]], 0.02, (2, training.SEEDS))
    monkeypatch.setattr(training, "compare_gradients", lambda: (0.0, 1))
    monkeypatch.setattr(
        training, "follow_gradient", lambda: np.array([(2, 1, 3)] * training.SEEDS).T
    )
    monkeypatch.setattr(training, "train_with_and_without", lambda: levels[rows])
    assert training.check_training_iteration().verdict == verdict


@pytest.mark.parametrize("losses", [(2, 1, 1.5), (2, 2.5, 3)], ids=["no rise", "no fall"])
def test_an_update_of_the_wrong_sign_is_noticed(monkeypatch, losses):
    levels = np.random.default_rng(0).normal([[0.1], [0.9]], 0.02, (2, training.SEEDS))
    monkeypatch.setattr(training, "compare_gradients", lambda: (0.0, 1))
    monkeypatch.setattr(training, "follow_gradient", lambda: np.array([losses] * training.SEEDS).T)
    monkeypatch.setattr(training, "train_with_and_without", lambda: levels[[1, 0, 0, 0, 0]])
    assert training.check_training_iteration().verdict == "refuted"
