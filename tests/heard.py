"""What training hears of itself while it runs."""

import contextlib

import jax
import numpy as np
import pytest

from cnnjax.training import program


@contextlib.contextmanager
def hear_augmented():
    """Within, a list that gets the images and targets of each step of programs traced there."""
    heard, augment = [], program.augment.augment

    def listen(*arguments):
        images, targets = augment(*arguments)
        jax.debug.callback(lambda *found: heard.append([np.array(own) for own in found]),
                           images, targets)  # fmt: skip
        return images, targets

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program.augment, "augment", listen)
        yield heard
        jax.effects_barrier()
