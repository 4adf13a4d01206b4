"""A file of PyTorch's weights as safetensors, which cnnjax reads without PyTorch."""

import io
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from absl import flags as absl_flags

from cnnjax.config import flags, installed, words
from cnnjax.config.errors import ConfigError
from cnnjax.records.atomic import read_bytes, write_bytes
from experiments import script

DESCRIPTION = """
python -m experiments.benchmark.convert IN.pth OUT.safetensors

Writes the tensors of a state dict that torch.save wrote, under their names. Where it lies in a dict
as state_dict or model, that is taken; a prefix module. of all names is left out. The file is read
by torch.load with weights_only=True: one that holds anything but tensors is refused, and no code in
it is run. It needs PyTorch, which is in the extra bench. docs/networks.md says which files become
networks of cnnjax.
"""
WRAPPERS = ("state_dict", "model")
PREFIX = "module."  # of nn.DataParallel


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Reads one file and writes the other; gives the exit status."""
    positional = flags.parse(absl_flags.FlagValues(), argv, DESCRIPTION)
    if len(positional) != 2:
        flags.refuse(
            "give two files: python -m experiments.benchmark.convert IN.pth OUT.safetensors"
        )
    source, target = map(pathlib.Path, positional)
    if target.suffix != ".safetensors":
        flags.refuse(f"{target} is to be written as safetensors: give a name with .safetensors")
    if target.exists():
        flags.refuse(f"{target} is there already: name a new file")
    tensors = read(source)
    from safetensors import numpy

    write_bytes(target, numpy.save(tensors))
    print(f"{target}: {words.count(len(tensors), 'tensor')}")
    return script.DONE


def read(path: pathlib.Path) -> dict[str, np.ndarray]:
    """The tensors of a file of torch.save, by name.

    Raises ConfigError where it holds anything else, and where PyTorch is not installed; OSError
    where there is no such file.
    """
    try:
        import torch
    except ImportError:
        raise ConfigError(f"PyTorch is not installed: {installed.how_to_add('bench')}") from None
    content = io.BytesIO(read_bytes(path))
    try:
        loaded = torch.load(content, map_location="cpu", weights_only=True)
    except Exception:  # of any kind, by what is damaged
        raise ConfigError(
            f"{path} is no file of tensors alone that torch.load reads with weights_only=True:"
            " give what torch.save(model.state_dict(), FILE) wrote"
        ) from None
    try:
        return {name: _to_numpy(name, value) for name, value in unwrap(loaded).items()}
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def unwrap(loaded: Any) -> dict[str, Any]:
    """The state dict in what a file held, without a prefix of all names.

    Raises ConfigError where there is none.
    """
    for wrapper in WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
    if not isinstance(loaded, Mapping) or not loaded or not all(type(key) is str for key in loaded):
        raise ConfigError(
            f"it holds no state dict but a {type(loaded).__name__}: give what"
            " torch.save(model.state_dict(), FILE) wrote"
        )
    prefix = PREFIX if all(name.startswith(PREFIX) for name in loaded) else ""
    return {name.removeprefix(prefix): value for name, value in loaded.items()}


def _to_numpy(name: str, value: Any) -> np.ndarray:
    """Raises ConfigError on what is no tensor, or one that NumPy has no like of."""
    import torch

    if not isinstance(value, torch.Tensor):
        raise ConfigError(f"{name!r} is a {type(value).__name__}, not a tensor")
    if value.layout != torch.strided or value.is_quantized or value.is_complex():
        raise ConfigError(f"{name!r} is sparse, quantised or complex: give one of plain numbers")
    if value.is_floating_point() and value.dtype not in (torch.float16, torch.float64):
        value = value.float()  # NumPy has no bfloat16
    return np.ascontiguousarray(value.detach().numpy())


if __name__ == "__main__":
    script.run(main, "nothing was written")
