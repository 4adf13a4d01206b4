"""A file in torchvision's layout becomes parameters of ours, whole, or is refused in a line."""

import re

import jax
import numpy as np
import pytest
from safetensors import numpy as safetensors

from cnnjax.config.config import make_config
from cnnjax.config.errors import ConfigError
from cnnjax.networks import published
from cnnjax.records import weights
from tests import here
from tests.published import CLASSES, config_of, draw, shapes_of

SHAPE = (64, 64, 3)


def convert(name, tensors, shape=SHAPE, classes=CLASSES, **given):
    return published.convert(tensors, config_of(name, **given), shape, classes)


@pytest.mark.parametrize("name", published.SETTINGS)
def test_every_parameter_is_filled_and_every_tensor_used(name):
    tensors = draw(shapes_of(name))
    found = convert(name, tensors)
    network = here.make_model(config_of(name), SHAPE, CLASSES)
    expected = jax.eval_shape(network.init, jax.random.key(0))
    assert jax.tree.map(lambda leaf: leaf.shape, found) == jax.tree.map(
        lambda leaf: leaf.shape, expected
    )
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(found))
    used = [own for name, own in tensors.items() if not name.endswith("num_batches_tracked")]
    if name.startswith("resnet"):  # others have a first dense layer for a map of another size
        assert sorted(leaf.sum() for leaf in jax.tree.leaves(found)) == pytest.approx(
            sorted(own.sum() for own in used), rel=1e-4, abs=1e-3
        )
    assert len(jax.tree.leaves(found)) == len(used)


def test_tensors_are_where_their_names_say():
    tensors = draw(shapes_of("resnet50"))
    params, stats = convert("resnet50", tensors)
    # Blocks are 3, 4, 6 and 3: the fourth is the first of the second stage.
    for here_, there in (
        (params["conv_stem"], "conv1"),
        (params["block_1"]["conv_shortcut"], "layer1.0.downsample.0"),
        (params["block_4"]["conv_2"], "layer2.0.conv2"),
        (params["block_4"]["conv_shortcut"], "layer2.0.downsample.0"),
        (params["block_16"]["conv_3"], "layer4.2.conv3"),
    ):
        np.testing.assert_array_equal(
            here_["kernel"].transpose(3, 2, 0, 1), tensors[f"{there}.weight"]
        )
    norm, kept = params["block_7"]["norm_3"], stats["block_7"]["norm_3"]
    for own, name in (
        (norm["scale"], "weight"), (norm["bias"], "bias"),
        (kept["mean"], "running_mean"), (kept["var"], "running_var"),
    ):  # fmt: skip
        np.testing.assert_array_equal(own, tensors[f"layer2.3.bn3.{name}"])
    np.testing.assert_array_equal(params["head"]["logits"]["kernel"], tensors["fc.weight"].T)


@pytest.mark.parametrize(("name", "shape"), [("alexnet", (224, 224, 3)), ("vgg11", (224, 224, 3))])
def test_what_goes_there_and_back_is_the_same(name, shape):
    tensors = draw(shapes_of(name))
    params, _ = convert(name, tensors, shape)
    side = published.HEADS[published.SETTINGS[name]["model"]].side
    for path, layer in published.name_layers(config_of(name)).items():
        own = params
        for part in path.split("/"):
            own = own[part]
        kernel = own["kernel"]
        if kernel.ndim == 4:
            back = kernel.transpose(3, 2, 0, 1)
        elif path == "head/dense_1":  # its rows go through the map cell by cell here
            back = kernel.reshape(side, side, -1, kernel.shape[1]).transpose(3, 2, 0, 1)
            back = back.reshape(kernel.shape[::-1])
        else:
            back = kernel.T
        np.testing.assert_array_equal(back, tensors[f"{layer}.weight"])
        np.testing.assert_array_equal(own["bias"], tensors[f"{layer}.bias"])


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (7, 10), (14, 5)])
def test_an_adaptive_mean_goes_into_the_dense_layer_above(height, width):
    rng = np.random.default_rng(1)
    maps, kernel = rng.normal(size=(height, width, 4)), rng.normal(size=(6, 4 * 49))
    pooled = np.empty((4, 7, 7))
    for row in range(7):
        for column in range(7):
            top, left = row * height // 7, column * width // 7
            bottom, right = -(-(row + 1) * height // 7), -(-(column + 1) * width // 7)
            pooled[:, row, column] = maps[top:bottom, left:right].mean(axis=(0, 1))
    flattened = published.Flattened("dense.weight", 7, maps.shape)
    found = published._arrange("dense.weight", kernel, flattened)
    np.testing.assert_allclose(maps.ravel() @ found, kernel @ pooled.ravel(), rtol=1e-5, atol=1e-5)


def test_a_file_is_read_and_told_from_one_of_ours(tmp_path):
    tensors = draw(shapes_of("resnet18"))
    path = tmp_path / "theirs.safetensors"
    safetensors.save_file(tensors, path)
    read = weights.load(path)
    assert published.is_published(read.tree) and not read.about
    assert published.count_classes(read.tree, config_of("resnet18")) == CLASSES
    params, stats = convert("resnet18", read.tree)
    weights.save(tmp_path / "ours", {"params": params, "stats": stats})
    assert not published.is_published(weights.load(tmp_path / "ours").tree)
    assert not published.is_published(safetensors.load_file(tmp_path / "ours"))
    assert not published.is_published({})


def less(tensors, *names):
    return {name: own for name, own in tensors.items() if name not in names}


FIVE, NO_NUMBER = np.zeros((5, 5), np.float32), np.full(8, np.nan, np.float32)
LAST, FIRST = "classifier.6.weight", "features.0.bias"
REFUSED = {  # what is done to the tensors of alexnet, and how it is refused
    "missing": (lambda own: less(own, LAST), f"of this --model=alexnet_2014: missing {LAST}"),
    "left over": (lambda own: {**own, "aux.weight": FIVE}, "alexnet_2014: left over aux.weight"),
    "shape": (
        lambda own: {**own, "features.0.weight": own["features.0.weight"][:, :, 2:5, 2:5]},
        "of another shape features.0.weight (here 8x3x11x11, in the file 8x3x3x3)",
    ),
    "whole numbers": (
        lambda own: {**own, FIRST: np.zeros(8, np.int8)}, f"{FIRST} is of int8: give weights"
    ),
    "no numbers": (
        lambda own: {**own, FIRST: NO_NUMBER}, f"{FIRST} holds values that are no finite numbers"
    ),
    "nothing": (lambda own: {}, "missing features.0.bias, features.0.weight, features.3.bias, f"),
    "a scalar": (lambda own: {**own, LAST: np.float32(1)}, LAST),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_in_a_line(case):
    change, message = REFUSED[case]
    with pytest.raises(ConfigError, match=re.escape(message)) as error:
        convert("alexnet", change(draw(shapes_of("alexnet"))))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("theirs", "ours", "message"),
    [
        ("resnet34", "resnet18", "they are of resnet34, which is --model=resnet34"),
        ("resnet18", "resnet50", "they are of resnet18, which is --model=resnet18"),
        ("resnet50", "resnet34", "left over layer1.0.conv3.weight"),
        ("vgg16", "vgg11", "they are of vgg16, which is --model=vgg16"),
        ("alexnet", "vgg11", "they are of alexnet, which is --model=alexnet_2014"),
    ],
)
def test_a_file_of_another_network_is_named(theirs, ours, message):
    with pytest.raises(ConfigError, match=f"not of this --model={ours}: ") as error:
        convert(ours, draw(shapes_of(theirs)))
    assert message in str(error.value) and len(str(error.value)) < 500


def test_a_file_of_other_classes_is_refused():
    with pytest.raises(ConfigError, match="^classes: the file has 5, the data 10$"):
        convert("alexnet", draw(shapes_of("alexnet")), classes=10)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("vgg11", {"norm": "batch"}, "nothing for head/norm_dense_1/bias, head/norm_dense_1/scale"),
        ("resnet18", {"norm": "none"}, "left over bn1.weight"),
        ("resnet18", {"stem": "small"}, "conv1.weight (here 8x3x3x3, in the file 8x3x7x7)"),
        ("resnet18", {"bias": False}, "left over fc.bias"),
        ("vgg11", {"hidden": (24,)}, "left over classifier.3"),
        ("vgg11", {"hidden": (24, 24, 24)}, "nothing for head/dense_3/bias, head/dense_3/kernel"),
        ("vgg11", {"head": "global_avg"}, "classifier.0.weight (here 24x64, in the file 24x3136)"),
        ("vgg11", {"width_multiplier": 0.25}, "features.0.weight (here 16x3x3x3, in the file 8x"),
    ],
)
def test_another_variant_of_a_network_is_refused(name, given, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        convert(name, draw(shapes_of(name)), **given)


def test_a_network_that_flattens_has_the_mean_in_its_dense_layer():
    tensors = draw(shapes_of("resnet18"))
    params, _ = convert("resnet18", tensors, head="flatten")
    kernel = params["head"]["logits"]["kernel"].reshape(4, -1, CLASSES)
    np.testing.assert_allclose(kernel.sum(axis=0), tensors["fc.weight"].T, rtol=1e-5)


def test_a_network_without_published_weights_is_refused():
    with pytest.raises(ConfigError, match="no published weights for --model=cnn: give --model=al"):
        published.convert({}, make_config({}), SHAPE, CLASSES)
