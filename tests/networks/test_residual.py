"""Shortcut and branch of a residual block agree in size and place, whatever the border is."""

import jax
import numpy as np
import pytest

from cnnjax.config.config import Config, make_config
from cnnjax.config.knobs import ConfigError
from cnnjax.networks import cost, modules
from cnnjax.ops.padding import PADDINGS
from tests import here
from tests.small import RESNETS, cut_blocks, make_small

BORDERS = [
    *({"padding": name} for name in PADDINGS),
    *({"padding": "explicit", "pad": (cells,)} for cells in (0, 1, 2)),
    {"padding": "explicit", "pad": (0, 2)},
    *({"padding": "FULL", "fill": fill} for fill in ("edge", "circular", "partial")),
]


def apply_block(config: Config, maps, stride: int, features: int, bottleneck: bool = False):
    """A block with no activation whose kernels all copy: its output, and that of its branch."""
    block = modules.Block(config, features, stride, bottleneck, 0.0, here.PLATFORM, name="block_1")
    seen = {}

    def record(next_function, args, kwargs, context):
        output = next_function(*args, **kwargs)
        if context.method_name == "__call__":
            seen[context.module.name] = output
        return output

    with modules.nn.intercept_methods(record):
        output = block.init_with_output(jax.random.key(0), maps, False)[0]
    return np.asarray(output), np.asarray(seen["conv_3" if bottleneck else "conv_2"])


@pytest.mark.parametrize("border", BORDERS, ids=str)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
def test_the_shortcut_is_the_middle_of_what_the_branch_sees(border, stride, size):
    """With kernels that copy their middle cell both are one, and the sum is its double."""
    config = make_config(
        {"model": "resnet20", "norm": "none", "activation": "identity", "init": "dirac", **border}
    )
    maps = np.random.default_rng(0).normal(size=(2, *size, 4)).astype(np.float32)
    output, branch = apply_block(config, maps, stride, 4)
    if border.get("fill") not in ("partial", "circular"):  # one rescales, one wraps what is wrapped
        np.testing.assert_allclose(output, 2 * branch, atol=1e-6)
    assert output.shape == branch.shape


@pytest.mark.parametrize(
    ("border", "size", "rows"),
    [({"padding": "VALID"}, 8, range(2, 6)), ({"padding": "HALF"}, 8, range(8)),
     ({"padding": "SAME"}, 8, range(8)), ({"padding": "CEIL"}, 7, range(2, 5)),
     ({"padding": "explicit", "pad": (0, 1)}, 8, range(2, 6))],
    ids=str,
)  # fmt: skip
def test_an_unlearned_shortcut_is_the_map_without_what_the_branch_lost(border, size, rows):
    config = make_config({"model": "resnet20", "norm": "none", "activation": "identity", **border})
    maps = np.random.default_rng(0).normal(size=(2, size, size, 4)).astype(np.float32)
    output, branch = apply_block(config, maps, 1, 4)
    columns = range(size) if border.get("pad") == (0, 1) else rows
    np.testing.assert_allclose(
        output - branch, maps[:, rows.start : rows.stop, columns.start : columns.stop], atol=1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize("border", BORDERS[:-3], ids=str)
@pytest.mark.parametrize("model", RESNETS)
def test_every_residual_network_has_every_border_or_says_why_not(model, border, monkeypatch):
    """A border changes no kernel: a projection is where channels or the stride change alone."""
    cut_blocks(monkeypatch, first=2)
    config, plain = (make_small(model, image_size=1000, **own) for own in (border, {}))
    if model == "resnet50" and border.get("pad", (0,)) != (0,):
        with pytest.raises(ConfigError, match="leaves a kernel of 1 nothing to see"):
            cost.measure(config, (8, 8, 1), 10)
        return
    found, expected = (cost.measure(each, (8, 8, 1), 10) for each in (config, plain))
    assert found.parameters == expected.parameters


def test_a_sum_of_unlike_shapes_is_refused_even_where_one_could_be_spread():
    with pytest.raises(ValueError, match="block_3: a shortcut of 3x3x8 and a branch of 1x1x8"):
        modules.add(np.ones((2, 3, 3, 8)), np.ones((2, 1, 1, 8)), "block_3")


def test_a_reflection_that_a_shortcut_has_not_is_one_line():
    config = make_small("resnet20", padding="FULL", fill="reflect", image_size=2)
    with pytest.raises(ConfigError, match="reflect cannot fill a border of 2 cells"):
        cost.measure(config, (8, 8, 1), 10)


@pytest.mark.slow
@pytest.mark.parametrize("border", BORDERS[:6], ids=str)
def test_trains_with_every_border(border, monkeypatch):
    cut_blocks(monkeypatch, first=2)
    config = make_small("resnet20", image_size=84, **border)
    network = here.make_model(config, (8, 8, 1), 10)
    params, stats = jax.eval_shape(network.init, jax.random.key(0))
    images = jax.ShapeDtypeStruct((2, 8, 8, 1), np.float32)
    grads = jax.eval_shape(
        jax.grad(lambda p, x: network.apply(p, stats_of(stats), x, jax.random.key(0))[0].sum()),
        params, images,
    )  # fmt: skip
    assert grads == params


def stats_of(shapes):
    return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
