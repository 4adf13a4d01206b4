"""What is for a platform, for the one that the tests run on: no other code takes a default."""

import functools

import jax

from cnnjax.networks import layers, models
from cnnjax.ops import conv
from cnnjax.training import program

PLATFORM = jax.default_backend()
conv2d = functools.partial(conv.conv2d, platform=PLATFORM)
make_conv = functools.partial(layers.make_conv, platform=PLATFORM)
make_dense = functools.partial(layers.make_dense, platform=PLATFORM)
make_model = functools.partial(models.make_model, platform=PLATFORM)
make_program = functools.partial(program.make_program, platform=PLATFORM)
