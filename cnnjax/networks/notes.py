"""What a person should know of a network on some images before it trains, one line each."""

from collections.abc import Sequence

from cnnjax.config import register
from cnnjax.config.config import Config
from cnnjax.networks import cost


def list_notes(config: Config, image_shape: Sequence[int], num_classes: int) -> tuple[str, ...]:
    """What this network makes of images [H, W, C] that nobody may expect.

    Raises ConfigError where the network does not fit them.
    """
    shape = (image_shape[0], image_shape[1], image_shape[2])
    network = cost.find_network(config, shape, num_classes)
    notes = _note_size(config, shape, num_classes)
    if not config.pool_every and network.pool_every > 1:
        notes.append(
            f"--model={config.model} pools after every {network.pool_every} convolutions: after"
            f" fewer no map would be left of {shape[0]}x{shape[1]} images (--pool_every)"
        )
    return tuple(notes)


def _note_size(config: Config, shape: tuple[int, int, int], num_classes: int) -> list[str]:
    side = config.image_size
    if side <= max(shape[:2]):
        return []
    macs = cost.measure(config, shape, num_classes).macs
    small = (
        register.find("model", config.model).traits["instead"] if side >= 2 * max(shape[:2]) else ""
    )
    return [
        f"--model={config.model} sees images of {shape[0]}x{shape[1]} enlarged to {side}x{side},"
        f" {macs:,} MACs an image" + (f"; for small images there is {small}" if small else "")
    ]
