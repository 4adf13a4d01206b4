"""Streamed training images: what they are follows from seed and step, and nothing is lost."""

import os

import jax
import numpy as np
import pytest

from cnnjax.config.config import Config
from cnnjax.config.datasets import Where
from cnnjax.config.knobs import ConfigError
from cnnjax.data import load, stream, transform
from cnnjax.data.source import Arrays, Example
from cnnjax.sweep import group, meshes, placed, placement, runner
from tests import true_formats

OPTAX = True


def number_of(example, rng):
    return np.int64(example.label), rng.random()


def take(count, batch=6, examples=20, first=0, host=0, hosts=1, seed=3):
    """The labels of some batches, and a random draw of each example."""
    data = Arrays(np.zeros((examples, 1, 1, 1), np.uint8), np.arange(examples))
    batches = stream.make_batches(data, number_of, seed, batch, first, host, hosts)
    found = [next(batches) for _ in range(count)]
    return np.array([labels for labels, _ in found]), np.array([draws for _, draws in found])


@pytest.mark.parametrize("hosts", [2, 4])
def test_hosts_share_each_batch_without_loss(hosts):
    whole, draws = take(10, batch=8)
    shares = [take(10, batch=8, host=host, hosts=hosts) for host in range(hosts)]
    for step in range(10):
        own = np.concatenate([labels[step] for labels, _ in shares])
        np.testing.assert_array_equal(np.sort(own), np.sort(whole[step]))
        np.testing.assert_array_equal(
            np.sort(np.concatenate([each[step] for _, each in shares])), np.sort(draws[step])
        )


@pytest.mark.parametrize("first", [1, 4, 9])
@pytest.mark.parametrize("hosts", [1, 2])
def test_any_step_can_be_the_first(first, hosts):
    whole, draws = take(12, hosts=hosts, host=hosts - 1)
    rest, again = take(12 - first, first=first, hosts=hosts, host=hosts - 1)
    np.testing.assert_array_equal(rest, whole[first:])
    np.testing.assert_array_equal(again, draws[first:])


def test_each_epoch_sees_every_example_once_in_a_new_order():
    labels, draws = take(20, batch=6, examples=20)
    epochs = labels.reshape(-1)[:120].reshape(6, 20)
    assert (np.sort(epochs) == np.arange(20)).all()
    assert len({tuple(epoch) for epoch in epochs}) == 6
    assert len(set(draws.reshape(-1))) == draws.size
    other, _ = take(20, seed=4)
    assert (other != labels).any()


def test_a_batch_that_devices_cannot_share_is_refused():
    with pytest.raises(ConfigError, match="--batch_size=6 cannot be shared by 4 devices"):
        take(1, hosts=4)


def test_batches_of_one_image_are_batches():
    for one, many in zip(take(12, batch=1), take(2), strict=True):
        np.testing.assert_array_equal(one.ravel(), many.ravel())


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """JPEGs of three hues and many sizes, as ImageNet is laid out."""
    return true_formats.write_folder(tmp_path_factory.mktemp("photos"), per_class=20)


@pytest.fixture
def config(photos, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path))
    return Config(
        dataset=f"folder:{photos}", image_size=16, feed="stream", widths=(4, 4), hidden=(8,),
        batch_size=8, steps=12, eval_every=6,
    )  # fmt: skip


def pixels(config, step=0):
    """The first training batch of a run."""
    dataset = load.load_dataset(config, Where())
    examples, shape = dataset.train.examples, dataset.image_shape
    (batches,) = stream.open_streams(config, examples, [config.seed], step, shape)
    return next(batches)


def change(config, **knobs):
    return Config(
        **{**{name: getattr(config, name) for name in config.__dataclass_fields__}, **knobs}
    )


@pytest.mark.parametrize("knobs", [{"crop": 0.3}, {"flip": True}, {"seed": 1}, {"image_size": 12}])
def test_each_knob_reaches_the_images(config, knobs):
    before, _ = pixels(config)
    after, _ = pixels(change(config, **knobs))
    assert before.dtype == np.uint8
    assert before.shape != after.shape or (before != after).any()


def test_flips_are_mirror_images_and_half(config):
    plain, _ = pixels(change(config, batch_size=48))
    flipped, _ = pixels(change(config, batch_size=48, flip=True))
    mirrored = (flipped == plain[:, :, ::-1]).all((1, 2, 3))
    assert (mirrored ^ (flipped == plain).all((1, 2, 3))).all()
    assert 12 < mirrored.sum() < 36


def run(configs, dataset):
    return [result.scores for result in runner.run_lanes(configs, dataset)]


@pytest.mark.slow
def test_a_lane_has_its_bits_alone_and_among_others(config, compiled_as_for_users):
    dataset = load.load_dataset(config, Where())
    lanes = [change(config, seed=seed) for seed in range(3)]
    together = run(lanes, dataset)
    assert together[1] == run(lanes[1:2], dataset)[0]
    assert len({scores["test_loss"] for scores in together}) == 3


@pytest.mark.slow
def test_a_run_learns_from_a_stream(config):
    dataset = load.load_dataset(config, Where())
    (scores,) = run([change(config, steps=60, learning_rate=0.01)], dataset)
    assert scores["test_accuracy"] > 0.8


@pytest.mark.slow
def test_segments_and_chunks_do_not_change_the_numbers(config, monkeypatch):
    dataset = load.load_dataset(config, Where())
    (whole,) = run([change(config, eval_every=0)], dataset)
    (parts,) = run([change(config, eval_every=5)], dataset)
    monkeypatch.setattr(stream, "CHUNK_BYTES", 2 * 8 * 16 * 16 * 3)
    (pieces,) = run([change(config, eval_every=0)], dataset)
    assert whole["test_loss"] == pytest.approx(parts["test_loss"], abs=1e-6)
    assert whole["test_loss"] == pytest.approx(pieces["test_loss"], abs=1e-6)


def test_a_resumed_run_goes_on_with_the_next_batch(config):
    dataset = load.load_dataset(config, Where())
    mesh = meshes.make_group_mesh(config, 1, dataset)
    data = placed.place_data(config, dataset, mesh)
    numbers = placement.stack_numbers([config], mesh, data.spec)
    executables = group.compile_group(config, numbers, data, mesh, 6)
    states = []
    for segment in group.train_group(executables, config, numbers, data, [6, 6]):
        states.append(jax.tree.map(lambda leaf: np.asarray(leaf).copy(), segment.states))
    start = jax.device_put(states[0], numbers["seed"].sharding)
    (rest,) = group.train_group(executables, config, numbers, data, [6], start)
    for one, other in zip(jax.tree.leaves(rest.states), jax.tree.leaves(states[1]), strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    assert 0 <= rest.waiting <= rest.seconds


def test_what_needs_all_images_at_once_is_refused(config):
    dataset = load.load_dataset(config, Where())
    all_ = {"permute_pixels": True, "roll_pixels": 1, "shuffle_labels": True, "draw": "seed"}
    for knobs in ({name: value} for name, value in all_.items()):
        with pytest.raises(ConfigError, match="needs the training images in memory"):
            transform.check(change(config, **knobs), dataset)


def test_size_decides_where_nobody_does(config):
    auto = change(config, feed="auto")
    assert load.load_dataset(auto, Where(), budget=10**9).feed == "memory"
    streamed = load.load_dataset(auto, Where(), budget=100 * 16 * 16 * 3)
    assert streamed.num_train == 54
    (note,) = [note for note in streamed.notes if "streamed" in note]
    assert "exceed what this machine holds" in note and "--feed=stream for the same" in note
    (note,) = [note for note in load.load_dataset(config, Where()).notes if "streamed" in note]
    assert note == "54 training images are streamed"
    assert streamed.fingerprint != load.load_dataset(auto, Where()).fingerprint
    with pytest.raises(ConfigError, match="validation and .* test images take"):
        load.load_dataset(auto, Where(), budget=1000)


def test_floats_are_streamed_as_they_are(config, tmp_path):
    images = np.random.default_rng(0).normal(size=(100, 8, 8, 1)).astype(np.float32)
    np.savez(tmp_path / "own.npz", x=images, y=np.arange(100) % 5)
    floats = change(config, dataset=f"arrays:{tmp_path / 'own.npz'}", image_size=0)
    assert pixels(floats)[0].dtype == np.float32
    (scores,) = run([floats], load.load_dataset(floats, Where()))
    assert np.isfinite(scores["test_loss"])
    mirrored = change(floats, flip=True)
    with pytest.raises(ConfigError, match="need 8-bit pixels"):
        transform.check(mirrored, load.load_dataset(mirrored, Where()))
    assert load.load_dataset(change(floats, feed="auto"), Where(), budget=10_000).feed == "stream"


def test_fewer_examples_are_streamed_when_asked(config):
    fewer = change(config, train_examples=10)
    dataset = transform.transform(fewer, load.load_dataset(fewer, Where()))
    assert dataset.num_train == 10
    assert isinstance(dataset.train.examples[9], Example)
    with pytest.raises(ConfigError, match="--train_examples=100 is more than the 54"):
        transform.check(change(config, train_examples=100), load.load_dataset(config, Where()))
