"""The same training by PyTorch on a GPU."""

import importlib.util

import numpy as np

from cnnjax.config.config import Config, numbers_of
from cnnjax.data.dataset import Dataset
from experiments.benchmark import baselines, pytorch


def is_here() -> bool:
    """Whether PyTorch is installed and sees a GPU."""
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


def make_pytorch_cuda(config: Config, dataset: Dataset, arithmetic: str) -> baselines.Train:
    """So many steps of one run on a GPU, its images there, channels last, Adam fused.

    `arithmetic` is float32, tf32 or bfloat16 (autocast). Raises ConfigError for choices that this
    opponent does not have.
    """
    import torch
    from torch.nn import functional

    baselines.check_known(config)
    torch.manual_seed(numbers_of(config)["seed_init"])
    torch.backends.cuda.matmul.allow_tf32 = arithmetic == "tf32"
    torch.backends.cudnn.allow_tf32 = arithmetic == "tf32"
    torch.backends.cudnn.benchmark = True
    pixels = baselines.standardise(dataset)
    images = torch.from_numpy(pixels.transpose(0, 3, 1, 2)).cuda()
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.from_numpy(dataset.sample.labels.astype(np.int64)).cuda()
    network = pytorch.make_network(config, pixels, dataset.num_classes).cuda()
    network(images[:2])  # gives the lazy layers their shapes
    network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate, fused=True)

    def train(num_steps: int) -> None:
        drawn = np.stack([*baselines.draw_batches(config, len(labels), num_steps)])
        for rows in torch.from_numpy(drawn).cuda():
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cuda", torch.bfloat16, arithmetic == "bfloat16"):
                loss = functional.cross_entropy(network(images[rows]), labels[rows])
            loss.backward()
            optimizer.step()
        torch.cuda.synchronize()

    return train
