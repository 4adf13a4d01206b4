"""Every model in a size that trains in a test, and stand-ins for a model."""

from collections.abc import Callable
from typing import Any

import pytest

from cnnjax.config import models, register
from cnnjax.config.config import Config, make_config
from cnnjax.config.layouts import ResNet
from cnnjax.networks import cost

SMALL: dict[str, dict[str, Any]] = {
    model: dict(models.small_of(model)) for model in register.names("model")
}
RESNETS: dict[str, ResNet] = {
    model: network
    for model in SMALL
    if isinstance(network := models.lay_out(make_config({"model": model}), 10), ResNet)
}


def make_small(model: str, **given: Any) -> Config:
    return make_config({"model": model, **SMALL[model], **given})


def stand_in(patch: pytest.MonkeyPatch, model: str, make: Callable[..., Any]) -> None:
    """`make` in the place of a model's function, for one test."""
    row = register.find("model", model)
    cost.forget()
    patch.setitem(register.CHOICES["model"], model, row._replace(make=make))


def cut_blocks(patch: pytest.MonkeyPatch, first: int = 1) -> None:
    """So many blocks in the first stage of each residual network, and one in the others."""
    for model, plan in RESNETS.items():
        few = plan._replace(blocks=(first, *(1 for _ in plan.blocks[1:])))
        stand_in(patch, model, lambda config, num_classes, few=few: few)
