"""A run is a pure function of its Config: trained alone or in company, at once or in pieces."""

import dataclasses
import functools
import math

import jax
import numpy as np
import pytest

from cnnjax.config.config import KNOBS, Config, numbers_of, structure_of
from cnnjax.data.dataset import Dataset
from cnnjax.sweep import group, meshes, placed, placement, runner
from cnnjax.sweep.observer import Observer
from cnnjax.training import program
from tests import here

OPTAX = True  # see conftest.py
compares_bits = pytest.mark.usefixtures("compiled_as_for_users")


def make_functions(config: Config, digits: Dataset):
    data = placed.place_data(config, digits, placement.make_mesh(1))
    functions = here.make_program(structure_of(config), data.spec)
    functions = functions._replace(init=jax.jit(functions.init))  # op by op it takes seconds
    return functions, data, {
        name: placement.DTYPES[KNOBS[name].type](value)
        for name, value in numbers_of(config).items()
    }  # fmt: skip


def train(configs, digits, num_devices=2, mesh=None) -> program.State:
    """The final states of the lanes, on the first `num_devices` devices."""
    structure = structure_of(configs[0])
    mesh = mesh or placement.make_mesh(num_devices)
    data = placed.place_data(structure, digits, mesh)
    numbers = placement.stack_numbers(configs, mesh, data.spec)
    lengths = group.segment_lengths(structure)
    executables = group.compile_group(structure, numbers, data, mesh, max(lengths))
    *_, last = group.train_group(executables, structure, numbers, data, lengths)
    return jax.tree.map(lambda leaf: np.asarray(leaf)[: len(configs)], last.states)


def lane_of(states, lane):
    return jax.tree.map(lambda leaf: leaf[lane], states)


def assert_same_bits(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


@compares_bits
@pytest.mark.slow
@pytest.mark.parametrize("model", ["cnn", "mlp"])
def test_a_lane_has_the_same_bits_alone_among_others_and_on_any_devices(tiny, digits, model):
    if model == "mlp":
        tiny = Config(model="mlp", train_examples=48, batch_size=16, steps=6, eval_every=3)
    lanes = [
        dataclasses.replace(tiny, seed=seed, learning_rate=1e-3 * (1 + seed)) for seed in range(5)
    ]
    together = train(lanes, digits, num_devices=2)
    on_one = train(lanes, digits, num_devices=1)
    assert_same_bits(on_one, together)
    for lane in (0, 3):
        alone = train([lanes[lane]], digits, num_devices=1)
        assert_same_bits(lane_of(alone, 0), lane_of(together, lane))


@compares_bits
@pytest.mark.slow
def test_a_run_in_pieces_has_the_bits_of_a_run_in_one(tiny, digits):
    whole = dataclasses.replace(tiny, eval_every=0)
    pieces = dataclasses.replace(tiny, eval_every=2)
    one, other = (train([config], digits)._replace(sums=None) for config in (whole, pieces))
    assert_same_bits(one, other)


# Another value for each knob of training, with what it needs to matter; see also test_models.py.
OTHER_VALUES = [
    ("train_examples", 32, {}), ("learning_rate", 1e-2, {}), ("batch_size", 8, {}),
    ("steps", 5, {}), ("seed", 1, {}), ("momentum", 0.5, {"optimizer": "momentum"}),
    ("momentum", 0.5, {"optimizer": "nesterov"}), ("weight_decay", 1.0, {"optimizer": "adamw"}),
    ("weight_decay", 1.0, {"optimizer": "muon"}), ("warmup_steps", 3, {}),
    ("clip_norm", 1e-3, {"optimizer": "sgd", "learning_rate": 0.1}), ("label_smoothing", 0.3, {}),
    *[("optimizer", name, {}) for name in KNOBS["optimizer"].choices if name[:4] != "adam"],
    *[("schedule", name, {}) for name in KNOBS["schedule"].choices if name != "cosine"],
    ("lookahead", 2, {}), ("lookahead", 5, {}), ("lookahead", 4, {"ema_decay": 0.9}),
    ("norm_bias_rate", 64.0, {"norm": "batch"}), ("norm_bias_rate", 64.0, {"norm": "layer"}),
    ("norm_bias_rate", 64.0, {"norm": "group", "hidden": (12,)}),
    ("dtype", "bfloat16", {}), ("dropout", 0.5, {}), ("pool", "stochastic", {}),
    ("seed_init", 1, {}), ("seed_order", 1, {}), ("seed_draw", 1, {"draw": "seed"}),
    ("norm", "batch", {}), *[("norm_scale", False, {"norm": norm}) for norm in ("batch", "layer")],
    ("norm_scale", False, {"norm": "group", "hidden": (12,)}),
    ("logit_scale", 0.5, {}), ("flip", True, {}), ("shift", 1, {}),
    ("randaugment", 2, {}), ("randaugment_magnitude", 5.0, {"randaugment": 2}),
    ("flip_alternating", True, {"flip": True}),
    ("rotation", 20.0, {}), ("crop", 0.5, {}), ("jitter", 0.5, {}), ("noise", 0.5, {}),
    ("cutout", 3, {}), ("mixup", 0.2, {}), ("cutmix", 1.0, {}),
    ("mixup", 0.0, {"mixup": 0.2, "cutmix": 1.0}), ("mixup", 1.0, {"mixup": 0.2, "cutmix": 1.0}),
    ("cutmix", 0.0, {"mixup": 0.2, "cutmix": 1.0}), ("cutmix", 0.2, {"mixup": 0.2, "cutmix": 1.0}),
]  # fmt: skip


@pytest.fixture(scope="module")
def step_once(digits):
    """The state after all steps of the pure function, jitted for one lane; the base is of many."""

    @functools.cache
    def run(config):
        functions, data, numbers = make_functions(config, digits)
        advance = jax.jit(functions.advance, static_argnums=4)
        return advance(numbers, functions.init(numbers), data.train, config.steps, config.steps)

    return run


@pytest.mark.slow
@pytest.mark.parametrize(("name", "value", "needs"), OTHER_VALUES)
def test_each_value_changes_the_trained_weights(tiny, step_once, name, value, needs):
    base = dataclasses.replace(tiny, **needs)
    changed = dataclasses.replace(base, **{name: value})
    one, other = (step_once(config).params for config in (base, changed))
    assert one["conv_1"]["kernel"].dtype == other["conv_1"]["kernel"].dtype == np.float32
    assert not np.allclose(one["conv_1"]["kernel"], other["conv_1"]["kernel"], atol=1e-7)


def test_wrong_sign_of_the_update_raises_the_loss(tiny, digits):
    """Claim `training-iteration`: the update goes against the gradient."""
    config = dataclasses.replace(tiny, optimizer="sgd", learning_rate=1e-2, schedule="constant")
    functions, data, numbers = make_functions(config, digits)
    start = functions.init(numbers)
    after = functions.advance(numbers, start, data.train, 1, 1)
    wrong = jax.tree.map(lambda a, b: 2 * a - b, start.params, after.params)
    again = [
        functions.advance(numbers, start._replace(params=params), data.train, 1, 1).sums
        for params in (after.params, wrong)
    ]
    assert float(again[0][0]) < float(after.sums[0]) < float(again[1][0])


def test_loss_before_training_is_about_that_of_a_uniform_guess(digits):
    functions, data, numbers = make_functions(Config(pool_every=2), digits)
    scores = functions.evaluate(functions.init(numbers), data.test)
    assert float(scores.loss / scores.count) == pytest.approx(math.log(10), rel=0.35)


def test_evaluation_counts_every_example_once_and_means_what_it_says(tiny, digits):
    functions, data, numbers = make_functions(tiny, digits)
    state = functions.init(numbers)
    scores = functions.evaluate(state, data.validation)
    images, labels = digits.validation
    model = here.make_model(tiny, data.spec.image_shape, 10)
    standardised = (images.astype(np.float32) - data.spec.mean) / data.spec.std
    logits = model.apply(state.params, state.batch_stats, standardised, None)[0]
    logits = np.asarray(logits, np.float64)
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    losses = -np.log(chances[np.arange(len(labels)), labels])
    assert float(scores.count) == len(labels)
    assert float(scores.correct) == (logits.argmax(axis=1) == labels).sum()
    assert float(scores.loss) == pytest.approx(losses.sum(), rel=1e-4)


def test_one_step_follows_the_gradient_of_the_mean_loss(tiny, digits):
    config = dataclasses.replace(tiny, optimizer="sgd", schedule="constant", learning_rate=1e-3)
    functions, data, numbers = make_functions(config, digits)
    state = functions.init(numbers)
    after = functions.advance(numbers, state, data.train, 1, 1)
    assert int(after.step) == 1 and float(after.sums[2]) == config.batch_size
    # The update is downhill on the batch it saw: the first-order change of the loss is negative.
    again = functions.advance(numbers, after._replace(step=state.step), data.train, 1, 1)
    assert float(again.sums[0]) < float(after.sums[0])


@pytest.mark.slow
def test_training_learns(digits):
    config = Config(train_examples=300, steps=100, widths=(8, 8), pool_every=2, eval_every=0)
    state = lane_of(train([config], digits), 0)
    functions, data, _ = make_functions(config, digits)
    scores = functions.evaluate(state, data.validation)
    assert float(scores.correct / scores.count) > 0.85


def test_segments_are_cut_where_something_is_due(tiny):
    config = dataclasses.replace(tiny, steps=10, eval_every=4)
    assert group.segment_lengths(config) == [4, 4, 2]
    assert group.segment_lengths(config, start=4) == [4, 2]
    assert group.segment_lengths(config, checkpoint_every=5) == [4, 1, 3, 2]
    assert group.segment_lengths(dataclasses.replace(config, eval_every=0)) == [10]
    assert group.segment_lengths(config, start=10) == []
    assert group.segment_lengths(config, most=3) == [2, 2, 2, 2, 2]
    assert group.segment_lengths(config, start=5, most=3) == [1, 2, 2]
    assert group.segment_lengths(dataclasses.replace(config, steps=11), most=3)[-2:] == [2, 3]


def test_lanes_are_grouped_by_structure(tiny):
    configs = [
        dataclasses.replace(tiny, pool=pool, seed=seed)
        for seed in (0, 1)
        for pool in ("max", "avg")
    ]
    groups = runner.group_lanes(configs)
    assert [[lane.seed for lane in each.lanes] for each in groups] == [[0, 1], [0, 1]]
    assert [each.structure.pool for each in groups] == ["max", "avg"]


@pytest.mark.slow
def test_a_sweep_yields_every_lane_and_counts_every_example(tiny, digits):
    configs = [
        dataclasses.replace(tiny, pool=pool, seed=seed)
        for pool in ("max", "avg")
        for seed in range(3)
    ]
    seen = []
    results = list(runner.run_lanes(configs, digits, Observer(on_examples=seen.append)))
    assert {result.config for result in results} == set(configs)
    assert sum(seen) == len(configs) * tiny.steps * tiny.batch_size
    for result in results:
        assert [line["step"] for line in result.metrics] == [3, 6]
        assert result.scores["num_test_examples"] == 1000


def test_a_group_that_fails_does_not_end_the_sweep(tiny, digits):
    good, bad = tiny, dataclasses.replace(tiny, kernel_size=(9,), padding="VALID")
    results = list(runner.run_lanes([bad, good], digits))
    failures = [result for result in results if isinstance(result, runner.Failure)]
    assert [failure.group.structure for failure in failures] == [structure_of(bad)]
    assert "does not fit" in str(failures[0].error)
    assert [result.config for result in results if isinstance(result, runner.Result)] == [good]


def test_a_run_that_diverges_is_an_outcome(tiny, digits):
    wild = dataclasses.replace(tiny, optimizer="sgd", learning_rate=1e30)
    (result,) = runner.run_lanes([wild], digits)
    assert isinstance(result, runner.Result) and result.scores["diverged"]
    assert 0 <= result.scores["test_accuracy"] <= 0.2


@compares_bits
@pytest.mark.slow
def test_lanes_in_step_train_to_the_same_bits_alone_or_among_others(tiny, digits, monkeypatch):
    monkeypatch.setattr(placement, "CHUNK_LANES", 2)
    config = dataclasses.replace(tiny, lanes_strategy="vmap")
    lanes = [dataclasses.replace(config, seed=seed) for seed in range(5)]
    mesh = meshes.make_group_mesh(config, 1, digits)
    assert mesh.shape["run"] == 2  # all devices, whatever the number of lanes
    among, alone = train(lanes, digits, mesh=mesh), train(lanes[3:4], digits, mesh=mesh)
    assert_same_bits(lane_of(among, 3), lane_of(alone, 0))
    in_turn = train([dataclasses.replace(lanes[3], lanes_strategy="map")], digits)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), in_turn, alone)


def test_a_sweep_stops_when_asked(tiny, digits):
    with pytest.raises(runner.Interrupted):
        list(runner.run_lanes([tiny], digits, Observer(should_stop=lambda: True)))


@compares_bits
@pytest.mark.slow
def test_a_sweep_beyond_its_memory_goes_in_waves_to_the_same_numbers(tiny, digits, monkeypatch):
    configs = [dataclasses.replace(tiny, seed=seed) for seed in range(5)]
    whole = {result.config: result for result in runner.run_lanes(configs, digits)}
    waves, train_group = [], group.train_group
    monkeypatch.setattr(placement, "memory_budget", lambda: 1)
    monkeypatch.setattr(
        group, "train_group", lambda *arguments: waves.append(1) or train_group(*arguments)
    )
    seen = []
    for result in runner.run_lanes(configs, digits, Observer(on_examples=seen.append)):
        assert result.metrics == whole.pop(result.config).metrics
    assert not whole and len(waves) == 3  # two lanes at a time, a device each
    assert sum(seen) == 5 * tiny.steps * tiny.batch_size


@pytest.mark.slow
def test_nothing_is_compiled_after_the_first_segment(tiny, digits):
    structure, mesh = structure_of(tiny), placement.make_mesh(1)
    data = placed.place_data(structure, digits, mesh)
    numbers = placement.stack_numbers([tiny], mesh, data.spec)
    lengths = group.segment_lengths(structure)
    executables = group.compile_group(structure, numbers, data, mesh, max(lengths))
    segments = group.train_group(executables, structure, numbers, data, lengths)
    next(segments)
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **_: compiled.append(event) if "compile" in event else None
    )
    assert list(segments) and not compiled
    jax.jit(lambda x: x + 3)(1.0)  # the listener would have heard
    assert compiled
    jax.monitoring.clear_event_listeners()


def test_a_segment_takes_the_place_of_the_one_before(tiny, digits):
    structure, mesh = structure_of(tiny), placement.make_mesh(1)
    data = placed.place_data(structure, digits, mesh)
    numbers = placement.stack_numbers([tiny], mesh, data.spec)
    executables = group.compile_group(structure, numbers, data, mesh, 3)
    first, second = group.train_group(executables, structure, numbers, data, [3, 3])
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(first.states._replace(last=None)))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves((second.states, numbers)))
