"""Weights that a run starts from, in place of drawn ones."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import numpy as safetensors

from cnnjax.config.config import make_config, numbers_of, request_of, structure_of
from cnnjax.config.errors import ConfigError
from cnnjax.networks import count, models
from cnnjax.records import origin, weights
from cnnjax.sweep import final, lanes, placed, runner, start
from cnnjax.training import program
from tests.published import config_of, draw, shapes_of

OPTAX = True


@pytest.fixture
def norm(tiny):
    return dataclasses.replace(tiny, norm="batch", ema_decay=0.5)


@pytest.fixture
def trained(norm, digits, tmp_path):
    """The folder of a short run with batch normalisation, and what it kept."""
    (own,) = runner.run_lanes([norm], digits, keep="final")
    final.save(tmp_path, norm, own.final)
    return tmp_path, own.final


@pytest.fixture(autouse=True)
def read_anew():
    start.forget()


def begin(config, dataset, seed=0):
    """The state before the first step."""
    spec = placed.make_spec(structure_of(config), dataset)
    made = program.make_program(structure_of(config), spec, "cpu")
    own = dataclasses.replace(config, seed=seed)
    return made.init({name: jnp.asarray(value) for name, value in numbers_of(own).items()})


def same(one, two):
    flat = [count.flatten(tree) for tree in (one, two)]
    return flat[0].keys() == flat[1].keys() and all(
        np.array_equal(flat[0][name], flat[1][name]) for name in flat[0]
    )


def test_all_that_is_made_before_the_first_step_sees_the_weights(norm, digits, trained):
    folder, own = trained
    state = begin(dataclasses.replace(norm, init_from=str(folder)), digits, seed=7)
    assert same(state.params, own.params) and same(state.batch_stats, own.stats)
    assert same(state.ema.params, own.params) and same(state.ema.batch_stats, own.stats)
    drawn = begin(norm, digits, seed=7)
    assert not same(drawn.params, own.params)


@pytest.mark.parametrize("name", ["", "final.safetensors"])
def test_a_run_goes_on_from_where_another_ended(norm, digits, trained, name):
    folder, own = trained
    config = dataclasses.replace(norm, init_from=str(folder / name), steps=1, learning_rate=1e-30)
    (again,) = runner.run_lanes([config], digits, keep="final")
    for path, value in count.flatten(own.params).items():
        np.testing.assert_allclose(count.flatten(again.final.params)[path], value, atol=1e-6)


def test_other_classes_have_a_last_layer_of_their_own_and_it_is_said(norm, digits, trained):
    folder, own = trained
    config = dataclasses.replace(norm, init_from=str(folder))
    few = digits._replace(num_classes=4, class_names=("a", "b", "c", "d"))
    found = start.load(config, few.image_shape, 4)
    assert found.drawn and all(name.startswith("head/logits/") for name in found.drawn)
    spec = program.DataSpec(few.image_shape, 4, 10, 0.0, 1.0, start=(found.params, found.stats))
    model = models.make_model(structure_of(config), few.image_shape, 4, "cpu")
    drawn = model.init(jax.random.key(0))
    params, _ = models.set_weights(drawn, spec.start)
    for path, value in count.flatten(params).items():
        whence = drawn[0] if path in found.drawn else own.params
        assert np.array_equal(value, count.flatten(whence)[path])
    (said,) = start.describe(config, few.image_shape, 4)
    assert said.endswith(": its last layer (2 arrays) is drawn anew") and "these 4" in said
    assert start.describe(config, digits.image_shape, digits.num_classes) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"widths": (6, 4)}, r"conv_1/kernel is \[3, 3, 1, 4\], and \[3, 3, 1, 6\] here"),
        ({"widths": (4,)}, "it has conv_2/"),
        ({"norm": "none"}, "it has norm_1/"),
        ({"hidden": (8, 8)}, "is not in it"),
    ],
)
def test_weights_of_another_network_are_refused(norm, digits, trained, given, said):
    folder, _ = trained
    config = dataclasses.replace(norm, init_from=str(folder), **given)
    with pytest.raises(ConfigError, match=f"of another network: .*{said}"):
        start.load(config, digits.image_shape, digits.num_classes)


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_where_there_are_no_weights_it_is_said(norm, digits, tmp_path, name):
    (tmp_path / "runs").mkdir()
    config = dataclasses.replace(norm, init_from=str(tmp_path / "runs" / name))
    with pytest.raises(ConfigError, match="there is no .*: name a file of weights, or the folder"):
        start.load(config, digits.image_shape, digits.num_classes)


def test_the_best_will_do_where_the_last_were_not_kept(norm, digits, trained):
    folder, own = trained
    (folder / "final.safetensors").rename(folder / "best.safetensors")
    config = dataclasses.replace(norm, init_from=str(folder))
    assert same(start.load(config, digits.image_shape, 10).params, own.params)


def test_other_weights_are_another_run_and_the_same_elsewhere_the_same(norm, digits, trained):
    folder, own = trained
    request = request_of(norm)

    def name(init_from):
        start.forget()
        config = dataclasses.replace(norm, init_from=init_from)
        return lanes.open_namer({request: digits})(config)

    before = name(str(folder))
    assert before != name("")
    tree, about = weights.load(folder / "final.safetensors")
    weights.save(folder / "copy.safetensors", tree, {**about, "note": "the same arrays"})
    assert name(str(folder / "copy.safetensors")) == name(str(folder / "final.safetensors"))
    assert name(str(folder / "copy.safetensors")) == before
    tree["params"]["conv_1"]["kernel"] = tree["params"]["conv_1"]["kernel"] + np.float32(1)
    weights.save(folder / "final.safetensors", tree, about)
    assert name(str(folder)) != before


def test_what_becomes_of_the_file_while_a_launch_goes_on_changes_nothing(norm, digits, trained):
    folder, own = trained
    config = dataclasses.replace(norm, init_from=str(folder))
    before = start.describe_origin(config, digits.image_shape, 10)
    (folder / "final.safetensors").unlink()
    assert start.describe_origin(config, digits.image_shape, 10) == before
    assert same(start.load(config, digits.image_shape, 10).params, own.params)
    start.forget()
    with pytest.raises(ConfigError, match="there is no"):
        start.describe_origin(config, digits.image_shape, 10)


def test_runs_of_several_starts_can_be_compared():
    assert "start" in origin.BY_ARM


def test_a_body_without_a_last_layer_is_refused_before_anything_trains():
    config = make_config({"model": "lenet5", "freeze": "body"})
    with pytest.raises(ConfigError, match="--freeze=body needs logits of a linear layer"):
        start.describe(config, (28, 28, 1), 10)


@pytest.mark.parametrize(("classes", "drawn"), [(5, 0), (7, 2)])
def test_published_weights_are_a_start_too(tmp_path, classes, drawn):
    tensors = draw(shapes_of("resnet18"))
    safetensors.save_file(tensors, tmp_path / "resnet18.safetensors")
    path = str(tmp_path / "resnet18.safetensors")
    config = dataclasses.replace(config_of("resnet18"), init_from=path)
    found = start.load(config, (32, 32, 3), classes)
    assert len(found.drawn) == drawn
    kernel = found.params["conv_stem"]["kernel"]
    assert np.array_equal(kernel, tensors["conv1.weight"].transpose(2, 3, 1, 0))
    with pytest.raises(
        ConfigError, match="^--init_from=.*: the weights are not of this --model=vgg"
    ):
        start.load(dataclasses.replace(config_of("vgg11"), init_from=path), (32, 32, 3), classes)


def test_only_the_last_layer_learns_where_the_body_is_frozen(norm, digits, trained):
    folder, own = trained
    config = dataclasses.replace(norm, init_from=str(folder), freeze="body", ema_decay=0.0)
    (tuned,) = runner.run_lanes([config], digits, keep="final")
    before, after = count.flatten(own.params), count.flatten(tuned.final.params)
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    assert moved == {"head/logits/kernel", "head/logits/bias"}
    assert not same(tuned.final.stats, own.stats)  # as --help says


def test_a_gain_of_what_is_not_drawn_is_refused():
    with pytest.raises(ConfigError, match="--init_gain=2.0 does nothing with --init_from: leave"):
        make_config({"init_from": "one", "init_gain": 2.0})


def test_lanes_start_alike_and_part_by_their_seeds(norm, digits, trained):
    folder, _ = trained
    both = [
        dataclasses.replace(norm, init_from=str(folder), seed=seed, seed_order=order)
        for seed, order in ((1, 5), (2, 5), (2, 6))
    ]
    one, two, three = runner.run_lanes(both, digits, keep="final")
    assert same(one.final.params, two.final.params)
    assert not same(two.final.params, three.final.params)
