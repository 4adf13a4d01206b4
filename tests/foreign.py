"""A network in plain Flax, and a config of which it is the model by the fixture `use`."""

from flax import linen as nn

from cnnjax.config.config import Config

SHAPE, CLASSES = (8, 8, 1), 10
CONFIG = Config(train_examples=96, batch_size=16, steps=30, eval_every=15, pool_every=1)


class SqueezeExcite(nn.Module):
    """Two convolutions; the maps of the first are weighted by channel (Hu et al. 2018)."""

    num_classes: int
    squeeze: bool = True
    norm: bool = True

    @nn.compact
    def __call__(self, images, train):
        maps = nn.Conv(8, (3, 3), name="edges")(images)
        if self.norm:
            maps = nn.BatchNorm(use_running_average=not train)(maps)
        maps = nn.relu(maps)
        if self.squeeze:
            units = nn.relu(nn.Dense(2, name="narrow")(maps.mean(axis=(1, 2))))
            gate = nn.sigmoid(nn.Dense(8, name="widen")(units))
            maps = maps * gate[:, None, None]
        maps = nn.max_pool(maps, (2, 2), (2, 2))
        maps = nn.relu(nn.Conv(16, (3, 3), strides=2, use_bias=False, name="parts")(maps))
        return nn.Dense(self.num_classes, name="answer")(maps.mean(axis=(1, 2)))
