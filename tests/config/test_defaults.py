"""What a run is where nobody said: standardised by channel, pooled, in its model's own way."""

import dataclasses
import pathlib

import numpy as np
import pytest
from absl import flags as absl_flags

from cnnjax.config import flags
from cnnjax.config.config import KNOBS, Config, from_json, make_config, to_json
from cnnjax.config.knobs import ConfigError
from cnnjax.data import prepare, transform
from cnnjax.data.dataset import Split
from cnnjax.networks import cost, notes
from cnnjax.sweep import placed


def test_pixels_are_standardised_by_channel_together_or_not_at_all(tiny, digits):
    rng = np.random.default_rng(0)
    images = rng.normal((10, 100, 200), (1, 5, 0), (60, 8, 8, 3)).round().astype(np.uint8)
    split = Split(images, np.arange(60, dtype=np.int32) % 10)
    colour = digits._replace(train=split, validation=split, test=split)
    pixels, found = images.astype(np.float64), {}
    for choice in KNOBS["standardise"].choices:
        config = dataclasses.replace(tiny, standardise=choice)
        spec = placed.make_spec(config, colour)
        mean, scale = prepare.find_scale(config, spec.mean, spec.std)
        found[choice] = (pixels - mean) / scale
    by_channel = found["channel"].mean(axis=(0, 1, 2)), found["channel"].std(axis=(0, 1, 2))
    np.testing.assert_allclose(by_channel, [[0, 0, 0], [1, 1, 0]], atol=1e-5)  # blue is blank
    together = (pixels - pixels.mean()) / pixels.std()
    np.testing.assert_allclose(found["all"], together, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(found["none"], pixels)
    merged = transform.merge_channels(*transform.find_statistics(tiny, images))
    np.testing.assert_allclose(merged, [pixels.mean(), pixels.std()], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.uint16])
def test_statistics_of_pixels_are_those_of_float64(tiny, dtype):
    rng = np.random.default_rng(1)
    images = (1 + rng.uniform(size=(50, 4, 4, 2)) * 200).astype(dtype)
    mean, std = transform.find_statistics(tiny, images)
    exact = images.astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean(axis=(0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(std, exact.std(axis=(0, 1, 2)), rtol=1e-6)


def test_pooling_follows_every_convolution_where_that_leaves_a_map():
    def poolings(every=0, shape=(8, 8, 1), **fields):
        config = Config(pool_every=every, **fields)
        layers = cost.measure(config, shape, 10).layers
        return [layer.name for layer in layers if layer.name.startswith("pool")]

    assert poolings() == ["pool_1", "pool_2"]
    assert poolings(widths=(4,) * 3) == ["pool_1", "pool_2", "pool_3"]
    # Three halvings of 8 leave one cell: a fourth would find none, every second does.
    assert poolings(widths=(4,) * 4) == ["pool_2", "pool_4"]
    assert poolings(widths=(4,) * 3, padding="VALID", kernel_size=(3,)) == ["pool_3"]
    assert poolings(every=2, widths=(4,) * 3) == ["pool_2"]
    assert poolings(shape=(28, 28, 1), widths=(32, 64)) == ["pool_1", "pool_2"]
    with pytest.raises(ConfigError, match="pool_2: a 2x2 pooling"):  # never silently without any
        poolings(shape=(1, 40, 1))


RECIPES = sorted((pathlib.Path(__file__).parents[2] / "experiments" / "recipes").glob("*.txt"))


def read_recipe(path):
    values = absl_flags.FlagValues()
    flags.define_config(values, Config())
    argv = ["train", f"--flagfile={path}"]
    flags.parse(values, argv, "")
    return make_config(flags.given_config(values))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_a_command_line_with_its_source_and_where_it_differs(path):
    config = read_recipe(path)
    text = path.read_text()
    assert f"--flagfile=experiments/recipes/{path.name}" in text and "Expected:" in text
    assert config.model != "cnn" and "--dataset=" in text


TRAIN_IMAGES = {"cifar10": 45_000, "mnist": 54_000, "mnist1d": 3_600}


@pytest.mark.parametrize(
    ("name", "epochs", "fields"),
    [
        # He et al. 2016, section 4.2: 64,000 steps of 128; decay 1e-4 / (1 - 0.9).
        ("resnet20", 182, {"learning_rate": 0.1, "weight_decay": 1e-3, "shift": 4, "flip": True,
                           "schedule": "step", "steps": 64_000, "batch_size": 128}),
        # Springenberg et al. 2015, section 3.1: decay 1e-3 / (1 - 0.9).
        ("all_cnn_c", 350, {"learning_rate": 0.05, "weight_decay": 1e-2, "dropout": 0.5}),
        # LeCun et al. 1998, section III-B.
        ("lenet5", 20, {"batch_size": 1, "optimizer": "sgd", "activation": "scaled_tanh"}),
        ("resnet18_small", 200, {"weight_decay": 5e-3, "schedule": "cosine", "shift": 4}),
        ("airbench94", 9.9, {"momentum": 0.85, "label_smoothing": 0.2, "shift_fill": "reflect"}),
        ("mnist1d_cnn", 166.7, {"optimizer": "adam", "schedule": "constant"}),
        ("mnist1d_mlp", 166.7, {"learning_rate": 0.01, "hidden": (100, 100)}),
    ],
)  # fmt: skip
def test_a_recipe_trains_as_its_paper_says(name, epochs, fields):
    config = read_recipe(RECIPES[0].parent / f"{name}.txt")
    assert config.model == name
    assert {field: getattr(config, field) for field in fields} == fields
    seen = config.steps * config.batch_size / TRAIN_IMAGES[config.dataset]
    assert seen == pytest.approx(epochs, rel=0.002)


def test_the_help_says_what_a_model_sets_and_what_decay_means():
    assert "experiments/recipes/" in KNOBS["model"].help
    assert "5e-4 is 5e-3 here with a momentum of 0.9" in KNOBS["weight_decay"].help


@pytest.mark.parametrize(
    ("given", "shape", "words"),
    [
        ({"model": "resnet18"}, (8, 8, 1), ("8x8 enlarged to 224x224", "1,734,890,496 MACs",
                                            "--model=resnet18_small")),
        ({"model": "resnet50"}, (32, 32, 3), ("32x32 enlarged to 224x224", "--stem=small")),
        ({"model": "lenet5"}, (28, 28, 1), ("28x28 enlarged to 32x32", "326,520 MACs")),
        ({"image_size": 40}, (1, 40, 1), ()),
        ({"model": "resnet18"}, (300, 224, 3), ()),
        ({"model": "resnet18_small"}, (8, 8, 1), ()),
        ({}, (8, 8, 1), ()),
        ({"widths": (4,) * 4}, (8, 8, 1), ("pools after every 2 convolutions", "8x8")),
        ({"widths": (4,) * 4, "pool_every": 2}, (8, 8, 1), ()),
    ],
)  # fmt: skip
def test_what_a_network_makes_of_small_images_is_said(given, shape, words):
    found = notes.list_notes(make_config(given), shape, 10)
    assert len(found) == bool(words)
    assert all(word in found[0] for word in words)


@pytest.mark.slow
def test_the_plan_of_a_run_and_of_a_study_say_so(call):
    run = call("-m", "experiments.train", "--model=resnet18", "--plan")
    assert run.returncode == 0 and "enlarged to 224x224" in run.stderr
    assert "from the command line: --model=resnet18" in run.stdout
    assert "from the model: --image_size=224" in run.stdout
    study = call(
        "-m", "experiments.ablate", "--grid=model=cnn,lenet5", "--plan", "--widths=4,4,4,4"
    )
    assert study.returncode == 0 and study.stderr.count("enlarged to 32x32") == 1
    assert "pools after every 2 convolutions" in study.stderr
    assert "from the command line: --widths=4,4,4,4" in study.stdout


@pytest.mark.parametrize("model", ["mlp", "mnist1d_mlp"])
@pytest.mark.parametrize(
    "given", [{"activation": "tanh"}, {"norm": "batch"}, {"residual": True}, {"init_gain": 2.0}]
)
def test_an_mlp_without_hidden_layers_refuses_what_only_these_read(model, given):
    (name,) = given
    with pytest.raises(
        ConfigError, match=f"--{name}=.* does nothing with --hidden=: .*--hidden=64"
    ):
        make_config({"model": model, "hidden": (), **given})
    assert make_config({"model": model, "hidden": (8,), **given})
    assert make_config({"model": "cnn", "hidden": (), "activation": "tanh"})
    plain = make_config({"model": model, "hidden": ()})
    assert from_json(to_json(plain)) == plain
