"""The mean of logits over views of an image, by hand and everywhere where images are judged."""

import dataclasses

import jax
import numpy as np
import pytest

from cnnjax.config.config import Config
from cnnjax.networks import models
from cnnjax.networks.views import VIEWS
from tests import here
from tests.training.test_program import make_functions

OPTAX = True  # see conftest.py
SHAPE, CLASSES = (8, 6, 2), 10


def list_views(image, views):
    """Views of one image [H, W, C] with the share of each, cell by cell (Jordan 2024)."""
    height, width, _ = image.shape
    moves = (
        [(0, 0, 1.0)] if views != "mirror_shift" else [(0, 0, 0.5), (1, 1, 0.25), (-1, -1, 0.25)]
    )

    def cell(place, size):
        place = -place if place < 0 else place
        return 2 * (size - 1) - place if place >= size else place

    for down, right, share in moves:
        moved = np.empty_like(image)
        for row in range(height):
            for column in range(width):
                moved[row, column] = image[cell(row - down, height), cell(column - right, width)]
        if views == "one":
            yield share, moved
        else:
            yield share / 2, moved
            yield share / 2, moved[:, ::-1]


@pytest.mark.parametrize("views", VIEWS)
def test_an_answer_is_the_mean_over_views(views):
    config = Config(views=views, pool_every=2)
    network = here.make_model(config, SHAPE, CLASSES)
    params, stats = jax.jit(network.init)(jax.random.key(0))
    images = np.random.default_rng(0).normal(size=(3, *SHAPE)).astype(np.float32)
    found = np.asarray(models.answer(network, params, stats, images))
    for image, logits in zip(images, found, strict=True):
        expected = np.zeros(CLASSES)
        for share, seen in list_views(image, views):
            expected += share * np.asarray(network.apply(params, stats, seen[None], None)[0][0])
        np.testing.assert_allclose(logits, expected, atol=2e-5)


@pytest.mark.parametrize("shape", [(1, 9, 1), (9, 1, 1), (1, 1, 1)])
def test_an_axis_of_one_cell_stays(shape):
    images = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    views = VIEWS["mirror_shift"](jax.numpy.asarray(images))
    assert [own.shape for _, own in views] == [images.shape] * 6
    assert sum(share for share, _ in views) == 1


def test_evaluation_and_examination_judge_by_views_and_training_does_not(tiny, digits):
    plain = dataclasses.replace(tiny, steps=2, eval_every=0)
    found = {}
    for views in VIEWS:
        config = dataclasses.replace(plain, views=views)
        functions, data, numbers = make_functions(config, digits)
        state = functions.advance(numbers, functions.init(numbers), data.train, 2, 2)
        examined = jax.jit(functions.examine)(state, data.validation, data.test)
        loss = float(functions.evaluate(state, data.validation).loss)
        found[views] = state.params, loss, np.asarray(examined["probability"])
    for views in ("mirror", "mirror_shift"):
        jax.tree.map(np.testing.assert_array_equal, found["one"][0], found[views][0])
        assert abs(found["one"][1] - found[views][1]) > 1e-3
        assert not np.allclose(found["one"][2], found[views][2], atol=1e-4)
