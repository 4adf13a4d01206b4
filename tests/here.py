"""What is for a platform, for the one that the tests run on: no other code takes a default."""

import functools

import jax

from cnnjax.networks import convolution, layers, models
from cnnjax.networks.facts import Roles
from cnnjax.ops import conv
from cnnjax.training import optimizers, program

PLATFORM = jax.default_backend()
conv2d = functools.partial(conv.conv2d, platform=PLATFORM)
make_conv = functools.partial(convolution.make_conv, platform=PLATFORM)
make_dense = functools.partial(layers.make_dense, platform=PLATFORM)
make_model = functools.partial(models.make_model, platform=PLATFORM)
# Of a single layer, which is no model and has one kernel.
KERNEL = Roles(frozenset({"kernel"}), frozenset({"kernel"}), frozenset(), None, "")
make_optimizer = functools.partial(optimizers.make_optimizer, roles=KERNEL)
make_program = functools.partial(program.make_program, platform=PLATFORM)
