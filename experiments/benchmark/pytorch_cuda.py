"""The same training by PyTorch on a GPU: eagerly, and with a whole step as one CUDA graph."""

from collections.abc import Callable
from typing import Any

import numpy as np

from cnnjax.config.config import Config, numbers_of
from cnnjax.data.dataset import Dataset
from experiments.benchmark import baselines, pytorch

WAYS = ("eager", "graph", "compiled_graph")
WARM_UP = 4  # steps before a graph is captured


def make_pytorch_cuda(
    config: Config, dataset: Dataset, arithmetic: str, way: str
) -> baselines.Train:
    """So many steps of one run on a GPU, its images there, channels last.

    `arithmetic` is float32, tf32 or bfloat16 (autocast). A graph is captured of the whole step,
    with `compiled_graph` of the network as Inductor compiles it. Raises ConfigError for choices
    that this opponent does not have.
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
    captured = way != "eager"
    optimizer = torch.optim.Adam(
        network.parameters(), lr=config.learning_rate, fused=True, capturable=captured
    )
    forward: Any = torch.compile(network) if way == "compiled_graph" else network
    rows = torch.zeros(config.batch_size, dtype=torch.int64, device="cuda")

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cuda", torch.bfloat16, arithmetic == "bfloat16", cache_enabled=False):
            loss = functional.cross_entropy(forward(images[rows]), labels[rows])
        loss.backward()
        optimizer.step()

    take = _capture(step) if captured else step

    def train(num_steps: int) -> None:
        drawn = np.stack([*baselines.draw_batches(config, len(labels), num_steps)])
        all_rows = torch.from_numpy(drawn).cuda()
        for own in all_rows:
            rows.copy_(own)
            take()
        torch.cuda.synchronize()

    return train


def _capture(step: Callable[[], None]) -> Callable[[], None]:
    """The step as one CUDA graph."""
    import torch

    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay
