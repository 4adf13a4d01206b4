"""How lanes share the devices: in turn or in step, in whole chunks, as many as fit the memory."""

import dataclasses
import functools

import jax
import pytest

from cnnjax.config.config import make_config, structure_of
from cnnjax.networks import cost
from cnnjax.sweep import meshes, placed, placement, runner, session
from cnnjax.training import program
from tests.training.test_program import make_functions

OPTAX = True  # see conftest.py


def test_a_chunk_of_lanes_follows_from_the_structure_alone(tiny):
    count = functools.partial(
        placement.count_chunk, spec=program.DataSpec((8, 8, 1), 10, 48, 0.0, 1.0), platform="cpu"
    )
    assert count(tiny) == count(dataclasses.replace(tiny, lanes_strategy="map")) == 1
    in_step = dataclasses.replace(tiny, lanes_strategy="vmap")
    assert count(in_step) == placement.CHUNK_LANES == 32
    measured = cost.measure(in_step, (8, 8, 1), 10)
    full = min(
        placement.CHUNK_MACS // measured.macs, placement.CHUNK_BYTES // measured.activation_bytes
    )  # images
    assert count(dataclasses.replace(in_step, batch_size=full // 8)) == 8
    assert count(dataclasses.replace(in_step, batch_size=2 * full)) == 1


@pytest.mark.parametrize(("platform", "strategy"), [("cpu", "map"), ("gpu", "vmap")])
def test_auto_takes_the_strategy_of_the_platform(tiny, platform, strategy):
    assert placement.find_strategy(tiny, platform) == strategy
    other = "vmap" if strategy == "map" else "map"
    assert (
        placement.find_strategy(dataclasses.replace(tiny, lanes_strategy=other), platform) == other
    )


@pytest.mark.parametrize(
    ("platform", "chunk", "form", "settled"),
    [
        ("gpu", 32, "auto", "patches"), ("gpu", 1, "auto", "auto"), ("gpu", 32, "native", "native"),
        ("tpu", 32, "auto", "auto"), ("cpu", 32, "auto", "auto"),
    ],
)  # fmt: skip
def test_convolutions_of_lanes_in_step_are_patches_on_a_gpu(tiny, platform, chunk, form, settled):
    structure = dataclasses.replace(tiny, conv_form=form)
    found = placement.settle_form(structure, platform, chunk)
    assert found == dataclasses.replace(tiny, conv_form=settled)


@pytest.mark.parametrize(
    "given",
    [{"model": "mlp"}, {"model": "logistic"}, {"conv": "unshared"}, {"model": "local_twin"}],
)
def test_networks_without_such_convolutions_train_in_step_on_a_gpu_as_they_are(given):
    structure = structure_of(make_config(given))
    assert placement.settle_form(structure, "gpu", 32) == structure


def test_fewer_images_are_evaluated_at_once_where_lanes_are_in_step(digits):
    structure = structure_of(make_config({"widths": (256,), "kernel_size": (1,)}))
    assert placement.count_chunk(structure, digits, "gpu") == 32  # of 64 KiB a layer and image
    assert placement.count_at_once(structure, digits, "cpu") == 256
    assert placement.count_at_once(structure, digits, "gpu") == 128


def test_what_did_not_fit_says_what_may():
    lane = structure_of(make_config({}))
    said = str(placement.refuse(32, lane, RuntimeError("RESOURCE_EXHAUSTED")))
    assert said.startswith("32 lanes at once, the fewest, did not fit the memory: give")
    assert "--lanes_strategy=map" in said
    one_by_one = dataclasses.replace(lane, lanes_strategy="map")
    assert "map" not in str(placement.refuse(2, one_by_one, MemoryError()))


@pytest.mark.slow
def test_a_group_is_compiled_in_the_form_of_its_platform(tiny, digits, monkeypatch):
    made = []

    def make(structure, *arguments):
        made.append(structure.conv_form)
        return real(structure, *arguments)

    real = program.make_program
    monkeypatch.setattr(program, "make_program", make)
    monkeypatch.setattr(placement, "platform_of", lambda mesh: "gpu")
    session.open_session(tiny, [tiny], digits)
    assert made[-1] == "patches"


@pytest.mark.slow
def test_lanes_fill_whole_chunks(tiny, digits, monkeypatch):
    monkeypatch.setattr(placement, "CHUNK_LANES", 4)
    tiny = dataclasses.replace(tiny, lanes_strategy="vmap")
    lanes = [dataclasses.replace(tiny, seed=seed) for seed in range(3)]
    mesh = meshes.make_group_mesh(tiny, 3, digits)
    numbers = placement.stack_numbers(lanes, mesh, placed.make_spec(tiny, digits))
    assert numbers["seed"].tolist() == [0, 1, 2, 2, 2, 2, 2, 2]
    assert [result.config for result in runner.run_lanes(lanes, digits)] == lanes


def test_the_memory_of_a_wave_is_bounded_by_what_its_state_takes(tiny, digits, monkeypatch):
    spec = placed.make_spec(tiny, digits)
    functions, _, numbers = make_functions(tiny, digits)
    state = sum(leaf.nbytes for leaf in jax.tree.leaves(functions.init(numbers)))
    monkeypatch.setattr(placement, "memory_budget", lambda: 30 * state)
    mesh = placement.make_mesh(2)
    assert placement.fit_wave(tiny, 60, spec, mesh) == 20
    assert placement.fit_wave(tiny, 64, spec, mesh) == 16  # no place stays empty
    assert placement.fit_wave(tiny, 7, spec, mesh) == 7


def test_lanes_that_take_long_go_a_few_at_a_time(tiny, digits):
    """So that an interruption leaves most of them finished."""
    spec, mesh = placed.make_spec(tiny, digits), placement.make_mesh(2)
    seconds = placement.seconds_of_step(tiny, spec, "cpu")
    steps = int(placement.STRETCH_SECONDS / seconds)
    waves = [
        placement.fit_wave(dataclasses.replace(tiny, steps=steps // part), 24, spec, mesh)
        for part in (1, 3, 100)
    ]
    assert waves == [2, 6, 24]
    assert placement.count_most(tiny, 2, spec, mesh) == steps
    assert placement.count_most(tiny, 6, spec, mesh) == steps // 3
