"""The same training by Flax as its examples write it: Linen layers, optax, a jitted step."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from cnnjax.config.config import Config, numbers_of
from cnnjax.data.dataset import Dataset
from experiments.benchmark import baselines


class CNN(nn.Module):
    """The configurable CNN."""

    config: Config
    num_classes: int

    @nn.compact
    def __call__(self, x: Any, train: bool) -> Any:
        config, size = self.config, (self.config.pool_size,) * 2
        pool = {"max": nn.max_pool, "avg": nn.avg_pool}[config.pool]
        activate = {"relu": nn.relu, "tanh": jnp.tanh}[config.activation]
        for index, width in enumerate(config.widths, start=1):
            window = (config.kernel_size[0], config.kernel_size[-1])
            x = activate(nn.Conv(width, window, padding=config.padding)(x))
            if index % (config.pool_every or 1) == 0:
                x = pool(x, size, strides=size)
        x = x.reshape(x.shape[0], -1)
        for features in config.hidden:
            x = activate(nn.Dense(features)(x))
        return nn.Dense(self.num_classes)(x)


class ResNet18(nn.Module):
    """ResNet-18 for small images."""

    num_classes: int

    @nn.compact
    def __call__(self, x: Any, train: bool) -> Any:
        def convolve(x: Any, features: int, cells: int, stride: int) -> Any:
            x = nn.Conv(features, (cells, cells), stride, cells // 2, use_bias=False)(x)
            return nn.BatchNorm(use_running_average=not train, momentum=0.9)(x)

        x = nn.relu(convolve(x, 64, 3, 1))
        for stage, features in enumerate((64, 128, 256, 512)):
            for number in range(2):
                stride = 2 if stage and not number else 1
                branch = nn.relu(convolve(x, features, 3, stride))
                branch = convolve(branch, features, 3, 1)
                if x.shape != branch.shape:
                    x = convolve(x, features, 1, stride)
                x = nn.relu(x + branch)
        return nn.Dense(self.num_classes)(x.mean(axis=(1, 2)))


class Airbench94(nn.Module):
    """airbench94, over a fixed first layer; its initial kernels are Flax's."""

    filters: np.ndarray  # [2, 2, channels, features]
    num_classes: int

    @nn.compact
    def __call__(self, x: Any, train: bool) -> Any:
        def normalise(x: Any) -> Any:
            norm = nn.BatchNorm(not train, momentum=0.6, epsilon=1e-12, use_scale=False)
            return nn.gelu(norm(x), approximate=False)

        x = jax.lax.conv_general_dilated(
            x, jnp.asarray(self.filters), (1, 1), "VALID",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )  # fmt: skip
        bias = self.param("bias", nn.initializers.zeros, self.filters.shape[-1:])
        x = nn.gelu(x + bias.reshape(1, 1, 1, -1), approximate=False)
        for features in (64, 256, 256):
            x = nn.Conv(features, (3, 3), use_bias=False)(x)
            x = normalise(nn.max_pool(x, (2, 2), strides=(2, 2)))
            x = normalise(nn.Conv(features, (3, 3), use_bias=False)(x))
        x = nn.max_pool(x, (3, 3), strides=(3, 3)).reshape(x.shape[0], -1)
        return nn.Dense(self.num_classes, use_bias=False)(x) / 9


def make_network(config: Config, images: np.ndarray, num_classes: int) -> nn.Module:
    """The run's network for these standardised images [N, H, W, C]."""
    if config.model == "cnn":
        return CNN(config, num_classes)
    if config.model == "airbench94":
        return Airbench94(baselines.whiten(images), num_classes)
    return ResNet18(num_classes)


def make_flax(config: Config, dataset: Dataset) -> baselines.Train:
    """A loop over a jitted step, with batches gathered by NumPy.

    Raises ConfigError for choices that this opponent does not have.
    """
    baselines.check_known(config)
    images, labels = baselines.standardise(dataset), dataset.sample.labels
    network = make_network(config, images, dataset.num_classes)
    optimizer = optax.adam(config.learning_rate)
    key = jax.random.key(numbers_of(config)["seed_init"])
    variables: Any = network.init(key, images[:1], train=False)
    params, stats = variables["params"], variables.get("batch_stats", {})
    state = (params, stats, optimizer.init(params))

    @jax.jit
    def step(state: tuple, images: Any, labels: Any) -> tuple:
        params, stats, opt_state = state

        def find_loss(params: Any) -> Any:
            logits, updated = network.apply(
                {"params": params, "batch_stats": stats}, images, train=True,
                mutable=["batch_stats"],
            )  # fmt: skip
            losses = optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels)
            return losses.mean(), updated.get("batch_stats", {})

        grads, stats = jax.grad(find_loss, has_aux=True)(params)
        updates, opt_state = optimizer.update(grads, opt_state)
        return optax.apply_updates(params, updates), stats, opt_state

    def train(num_steps: int) -> None:
        nonlocal state
        for rows in baselines.draw_batches(config, len(labels), num_steps):
            state = step(state, images[rows], labels[rows])
        jax.block_until_ready(state)

    return train
