"""The same training by other means, to measure ours against. PyTorch is in the `bench` extra.

Every opponent is a function that takes so many training steps of one run. Data lie in memory as
float32, in the layout that it likes best.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from cnnjax.config import KNOBS, Config, default_of
from cnnjax.data.load import Dataset
from cnnjax.knobs import ConfigError

Train = Callable[[int], None]
KNOWN = (
    "dataset model train_examples widths conv_form kernel_size padding pool pool_size pool_every"
    " hidden activation learning_rate batch_size steps eval_every seed"
).split()


def check_known(config: Config) -> None:
    """Raises ConfigError for a choice that the opponents do not have."""
    for name in KNOBS:
        if name not in KNOWN and getattr(config, name) != default_of(name, config.model):
            raise ConfigError(f"--{name} has no opponent: they know {', '.join(KNOWN)}")
    if config.model not in ("cnn", "resnet18_small"):
        raise ConfigError(f"--model={config.model} has no opponent: they know cnn, resnet18_small")


def standardise(dataset: Dataset) -> np.ndarray:
    """The training images as float32 of mean 0 and deviation 1, [n, height, width, channels]."""
    pixels = dataset.train.images.astype(np.float32)
    return (pixels - pixels.mean()) / pixels.std()


def draw_batches(config: Config, num_examples: int, num_steps: int) -> Iterator[np.ndarray]:
    """Indices of so many whole batches, epoch after epoch in a new order."""
    rng, done = np.random.default_rng(config.seed), 0
    while True:
        order = rng.permutation(num_examples)
        for start in range(0, num_examples - config.batch_size + 1, config.batch_size):
            if done == num_steps:
                return
            yield order[start : start + config.batch_size]
            done += 1


def make_pytorch_cnn(config: Config, channels: int, num_classes: int) -> Any:
    """The configurable CNN as PyTorch modules."""
    from torch import nn

    pools = {"max": nn.MaxPool2d, "avg": nn.AvgPool2d}
    activations = {"relu": nn.ReLU, "tanh": nn.Tanh}
    layers: list[nn.Module] = []
    for index, width in enumerate(config.widths, start=1):
        window = (config.kernel_size[0], config.kernel_size[-1])
        convolution = nn.Conv2d(channels, width, window, padding=config.padding.lower())
        layers += [convolution, activations[config.activation]()]
        if index % config.pool_every == 0:
            layers.append(pools[config.pool](config.pool_size))
        channels = width
    layers.append(nn.Flatten())
    for features in config.hidden:
        layers += [nn.LazyLinear(features), activations[config.activation]()]
    return nn.Sequential(*layers, nn.LazyLinear(num_classes))


def make_pytorch_resnet(channels: int, num_classes: int) -> Any:
    """ResNet-18 for small images as PyTorch modules."""
    import torch
    from torch import nn

    def convolve(inputs: int, outputs: int, cells: int, stride: int) -> list[nn.Module]:
        convolution = nn.Conv2d(inputs, outputs, cells, stride, cells // 2, bias=False)
        return [convolution, nn.BatchNorm2d(outputs)]

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int):
            super().__init__()
            first = convolve(inputs, outputs, 3, stride)
            self.branch = nn.Sequential(*first, nn.ReLU(), *convolve(outputs, outputs, 3, 1))
            same = (inputs, stride) == (outputs, 1)
            shortcut = [] if same else convolve(inputs, outputs, 1, stride)
            self.shortcut = nn.Sequential(*shortcut)

        def forward(self, maps: Any) -> Any:
            return torch.relu(self.branch(maps) + self.shortcut(maps))

    layers, inputs = [*convolve(channels, 64, 3, 1), nn.ReLU()], 64
    for stage, width in enumerate((64, 128, 256, 512)):
        for number in range(2):
            layers.append(Block(inputs, width, 2 if stage and not number else 1))
            inputs = width
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, num_classes)]
    return nn.Sequential(*layers, *head)


def make_pytorch(config: Config, dataset: Dataset, threads: int, compiled: bool = False) -> Train:
    """A plain PyTorch loop over the same network, batches and optimiser, channels last.

    Raises ConfigError for choices that this opponent does not have.
    """
    import torch
    from torch.nn import functional

    check_known(config)
    torch.set_num_threads(threads)
    torch.manual_seed(config.seed)
    images = torch.from_numpy(standardise(dataset).transpose(0, 3, 1, 2))
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.from_numpy(dataset.train.labels.astype(np.int64))
    if config.model == "cnn":
        network = make_pytorch_cnn(config, images.shape[1], dataset.num_classes)
    else:
        network = make_pytorch_resnet(images.shape[1], dataset.num_classes)
    network(images[:2])  # gives the lazy layers their shapes
    network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    forward = torch.compile(network) if compiled else network

    def train(num_steps: int) -> None:
        torch.set_num_threads(threads)
        for rows in draw_batches(config, len(labels), num_steps):
            optimizer.zero_grad()
            own = torch.from_numpy(rows)
            functional.cross_entropy(forward(images[own]), labels[own]).backward()
            optimizer.step()

    return train


def _work(config: Config, dataset: Dataset, pipe: Any) -> None:
    train = make_pytorch(config, dataset, threads=1)
    while num_steps := pipe.recv():
        train(num_steps)
        pipe.send(None)


def make_pytorch_processes(config: Config, dataset: Dataset, count: int) -> Train:
    """So many PyTorch processes of one thread, each training its own run; no steps end them."""
    check_known(config)
    context = multiprocessing.get_context("spawn")
    pipes = []
    for _ in range(count):
        own, theirs = context.Pipe()
        context.Process(target=_work, args=(config, dataset, theirs), daemon=True).start()
        pipes.append(own)

    def train(num_steps: int) -> None:
        for pipe in pipes:
            pipe.send(num_steps)
        if num_steps:
            for pipe in pipes:
                pipe.recv()

    return train


def make_flax(config: Config, dataset: Dataset) -> Train:
    """A loop over a jitted step, as the Flax examples write it: Linen layers, optax, batches
    gathered by NumPy. Raises ConfigError for choices that this opponent does not have.
    """  # fmt: skip
    import jax
    import jax.numpy as jnp
    import optax
    from flax import linen as nn

    check_known(config)
    if config.model != "cnn":
        raise ConfigError(f"--model={config.model} has no Flax opponent: it knows cnn")
    pools = {"max": nn.max_pool, "avg": nn.avg_pool}
    activate = {"relu": nn.relu, "tanh": jnp.tanh}[config.activation]

    class Network(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            size = (config.pool_size,) * 2
            for index, width in enumerate(config.widths, start=1):
                window = (config.kernel_size[0], config.kernel_size[-1])
                x = activate(nn.Conv(width, window, padding=config.padding)(x))
                if index % config.pool_every == 0:
                    x = pools[config.pool](x, size, strides=size)
            x = x.reshape(x.shape[0], -1)
            for features in config.hidden:
                x = activate(nn.Dense(features)(x))
            return nn.Dense(dataset.num_classes)(x)

    network, optimizer = Network(), optax.adam(config.learning_rate)
    images, labels = standardise(dataset), dataset.train.labels
    params: Any = network.init(jax.random.key(config.seed), images[:1])
    state = (params, optimizer.init(params))

    @jax.jit
    def step(state: tuple, images: Any, labels: Any) -> tuple:
        def loss(params: Any) -> Any:
            logits: Any = network.apply(params, images)
            return optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

        params, opt_state = state
        updates, opt_state = optimizer.update(jax.grad(loss)(params), opt_state)
        return optax.apply_updates(params, updates), opt_state

    def train(num_steps: int) -> None:
        nonlocal state
        for rows in draw_batches(config, len(labels), num_steps):
            state = step(state, images[rows], labels[rows])
        jax.block_until_ready(state)

    return train
