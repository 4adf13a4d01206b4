"""The same training by other means, to measure ours against. PyTorch is in the `bench` extra."""

from collections.abc import Callable

import numpy as np

from cnnjax.config import KNOBS, Config
from cnnjax.data.load import Dataset
from cnnjax.knobs import ConfigError

OPPONENT_KNOBS = (
    "dataset train_examples widths kernel_size padding pool pool_size pool_every hidden"
    " activation learning_rate batch_size steps eval_every seed"
).split()


def make_pytorch(config: Config, dataset: Dataset, threads: int) -> Callable[[int], None]:
    """A plain PyTorch loop over the same network, batches and optimiser.

    Gives a function that takes so many training steps. Data lie in memory as float32, as the
    loop likes them best. Raises ConfigError for choices that this opponent does not have.
    """
    import torch
    from torch import nn
    from torch.nn import functional

    shared = {name: getattr(config, name) for name in KNOBS if name not in OPPONENT_KNOBS}
    if shared != {name: KNOBS[name].default for name in shared}:
        raise ConfigError(f"the PyTorch opponent knows {', '.join(OPPONENT_KNOBS)} only")
    torch.set_num_threads(threads)
    torch.manual_seed(config.seed)
    pools = {"max": nn.MaxPool2d, "avg": nn.AvgPool2d}
    activations = {"relu": nn.ReLU, "tanh": nn.Tanh}

    layers: list[nn.Module] = []
    channels = dataset.train.images.shape[-1]
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
    network = nn.Sequential(*layers, nn.LazyLinear(dataset.num_classes))

    pixels = dataset.train.images.astype(np.float32).transpose(0, 3, 1, 2)
    images = torch.from_numpy((pixels - pixels.mean()) / pixels.std())
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.from_numpy(dataset.train.labels.astype(np.int64))
    network(images[:1])  # gives the lazy layers their shapes
    network = network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)

    def train(num_steps: int) -> None:
        torch.set_num_threads(threads)
        num_examples, done = len(labels), 0
        while done < num_steps:
            for rows in torch.randperm(num_examples).split(config.batch_size):
                if len(rows) < config.batch_size or done == num_steps:
                    break
                optimizer.zero_grad()
                functional.cross_entropy(network(images[rows]), labels[rows]).backward()
                optimizer.step()
                done += 1

    return train
