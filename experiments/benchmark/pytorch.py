"""The same training by PyTorch, which is in the `bench` extra."""

import multiprocessing
from typing import Any

import numpy as np

from cnnjax.config import plugins
from cnnjax.config.config import Config, numbers_of
from cnnjax.data.dataset import Dataset
from experiments.benchmark import baselines


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
        if index % (config.pool_every or 1) == 0:
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


def make_pytorch_airbench(filters: np.ndarray, num_classes: int) -> Any:
    """airbench94 as PyTorch modules, over a fixed first layer of these kernels [2, 2, C, F]."""
    import torch
    from torch import nn

    def convolve(inputs: int, outputs: int) -> nn.Module:
        convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        nn.init.dirac_(convolution.weight.data[:inputs])
        return convolution

    def normalise(features: int) -> nn.Module:
        norm = nn.BatchNorm2d(features, eps=1e-12, momentum=0.4)
        norm.weight.requires_grad = False
        return norm

    class Ninth(nn.Module):
        def forward(self, logits: Any) -> Any:
            return logits / 9

    kernels = torch.from_numpy(filters.transpose(3, 2, 0, 1).copy())
    first = nn.Conv2d(kernels.shape[1], len(kernels), 2)
    first.weight = nn.Parameter(kernels, requires_grad=False)
    nn.init.zeros_(first.bias)  # pyright: ignore[reportArgumentType]
    layers, inputs = [first, nn.GELU()], len(kernels)
    for width in (64, 256, 256):
        layers += [convolve(inputs, width), nn.MaxPool2d(2), normalise(width), nn.GELU()]
        layers += [convolve(width, width), normalise(width), nn.GELU()]
        inputs = width
    head = [nn.MaxPool2d(3), nn.Flatten(), nn.Linear(inputs, num_classes, bias=False), Ninth()]
    return nn.Sequential(*layers, *head)


def make_network(config: Config, pixels: np.ndarray, num_classes: int) -> Any:
    """The network of a config for images like `pixels` [n, height, width, channels]."""
    channels = pixels.shape[-1]
    if config.model == "cnn":
        return make_pytorch_cnn(config, channels, num_classes)
    if config.model == "airbench94":
        return make_pytorch_airbench(baselines.whiten(pixels), num_classes)
    return make_pytorch_resnet(channels, num_classes)


def make_pytorch(
    config: Config, dataset: Dataset, threads: int, compiled: bool = False
) -> baselines.Train:
    """A plain PyTorch loop over the same network, batches and optimiser, channels last.

    Raises ConfigError for choices that this opponent does not have.
    """
    import torch
    from torch.nn import functional

    baselines.check_known(config)
    torch.set_num_threads(threads)
    torch.manual_seed(numbers_of(config)["seed_init"])
    pixels = baselines.standardise(dataset)
    images = torch.from_numpy(pixels.transpose(0, 3, 1, 2))
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.from_numpy(dataset.sample.labels.astype(np.int64))
    network = make_network(config, pixels, dataset.num_classes)
    network(images[:2])  # gives the lazy layers their shapes
    network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    forward = torch.compile(network) if compiled else network

    def train(num_steps: int) -> None:
        torch.set_num_threads(threads)
        for rows in baselines.draw_batches(config, len(labels), num_steps):
            optimizer.zero_grad()
            own = torch.from_numpy(rows)
            functional.cross_entropy(forward(images[own]), labels[own]).backward()
            optimizer.step()

    return train


def _work(config: Config, dataset: Dataset, pipe: Any) -> None:
    plugins.load_inherited()
    train = make_pytorch(config, dataset, threads=1)
    while num_steps := pipe.recv():
        train(num_steps)
        pipe.send(None)


def make_pytorch_processes(config: Config, dataset: Dataset, count: int) -> baselines.Train:
    """So many PyTorch processes of one thread, each training its own run; no steps end them."""
    baselines.check_known(config)
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
