"""What is for a platform, for the one that the tests run on: no other code takes a default."""

import functools

import jax

from cnnjax.data.prepare import resize
from cnnjax.networks import convolution, layers, models
from cnnjax.networks.facts import Roles
from cnnjax.ops import conv
from cnnjax.training import optimizers, program

PLATFORM = jax.default_backend()
conv2d = functools.partial(conv.conv2d, platform=PLATFORM)
make_conv = functools.partial(convolution.make_conv, platform=PLATFORM)
make_dense = functools.partial(layers.make_dense, platform=PLATFORM)
# Of a single layer, which is no model and has one kernel.
KERNEL = Roles(frozenset({"kernel"}), frozenset({"kernel"}), frozenset(), None, "")
make_optimizer = functools.partial(optimizers.make_optimizer, roles=KERNEL)
make_program = functools.partial(program.make_program, platform=PLATFORM)


def make_model(config, image_shape, num_classes) -> models.Model:
    """A run's network over images [N, *image_shape], which are resized as the run's are."""
    model = models.make_model(config, image_shape, num_classes, PLATFORM)

    def apply(params, stats, images, key=None):
        return model.apply(params, stats, resize(config, images), key)

    def observe(params, stats, images):
        assert model.observe is not None
        return model.observe(params, stats, resize(config, images))

    return model._replace(apply=apply, observe=observe if model.observe else None)
