"""cnnjax: controlled experiments on convolutional networks, in JAX and Flax."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnjax.config.allowed import but as but
    from cnnjax.config.config import Config as Config
    from cnnjax.config.errors import ConfigError as ConfigError
    from cnnjax.config.families import family as family
    from cnnjax.config.knobs import structure as structure
    from cnnjax.config.register import activation as activation
    from cnnjax.config.register import choice as choice
    from cnnjax.config.register import dataset as dataset
    from cnnjax.config.register import measure as measure
    from cnnjax.config.register import metric as metric
    from cnnjax.config.register import model as model
    from cnnjax.config.register import pooling as pooling
    from cnnjax.notebook import Results as Results
    from cnnjax.notebook import conduct as conduct
    from cnnjax.notebook import records as records
    from cnnjax.notebook import sweep as sweep
    from cnnjax.notebook import train as train
    from cnnjax.runs.load import load_run as load_run
    from cnnjax.runs.run import Run as Run
    from cnnjax.study.claims import Claim as Claim
    from cnnjax.study.claims import Comparison as Comparison
    from cnnjax.study.claims import Study as Study
    from cnnjax.study.own import claim as claim
    from cnnjax.study.own import study as study
    from cnnjax.sweep.observer import Observer as Observer

__version__ = "0.1.0"

# What there is by its name here, and its module: imported when it is first asked for. A room that
# can be called stands for its function (`config/doors.py`).
NAMES = {
    "Claim": "cnnjax.study.claims",
    "Comparison": "cnnjax.study.claims",
    "Config": "cnnjax.config.config",
    "ConfigError": "cnnjax.config.errors",
    "Observer": "cnnjax.sweep.observer",
    "Results": "cnnjax.notebook",
    "Run": "cnnjax.runs.run",
    "Study": "cnnjax.study.claims",
    "activation": "cnnjax.config.register",
    "but": "cnnjax.config.allowed",
    "choice": "cnnjax.config.register",
    "claim": "cnnjax.study.own",
    "conduct": "cnnjax.notebook",
    "dataset": "cnnjax.config.register",
    "family": "cnnjax.config.families",
    "load_run": "cnnjax.runs.load",
    "measure": "cnnjax.config.register",
    "metric": "cnnjax.config.register",
    "model": "cnnjax.config.register",
    "pooling": "cnnjax.config.register",
    "records": "cnnjax.records",
    "structure": "cnnjax.config.knobs",
    "study": "cnnjax.study",
    "sweep": "cnnjax.sweep",
    "train": "cnnjax.notebook",
}


def __getattr__(name: str) -> Any:
    if name not in NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(NAMES[name])
    found = module if module.__name__ == f"{__name__}.{name}" else getattr(module, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The public names, without the rooms that happen to be imported."""
    special = (name for name in globals() if name.startswith("__") and name.endswith("__"))
    return sorted({*special, *NAMES})
