"""Views of an image whose logits are averaged where it is judged (test-time augmentation)."""

from collections.abc import Callable

from jax import Array

from cnnjax.ops import padding

Weighted = list[tuple[float, Array]]  # images [N, H, W, C], and in which share their logits count


def see_once(images: Array) -> Weighted:
    """The image as it is."""
    return [(1.0, images)]


def see_mirrored(images: Array) -> Weighted:
    """The image and its mirror image, left to right."""
    return [(0.5, images), (0.5, images[:, :, ::-1])]


def see_shifted(images: Array) -> Weighted:
    """Those two, and as much of both moved by a cell along both axes, either way (Jordan 2024).

    What comes in is the image's own mirror image at its border. An axis of one cell stays.
    """
    height, width = images.shape[1:3]
    down, right = (int(size > 1) for size in (height, width))
    padded = padding.fill_border(images, [(down, down), (right, right)], "reflect")
    moved = [
        padded[:, top : top + height, left : left + width]
        for top, left in ((0, 0), (2 * down, 2 * right))
    ]
    views = [(0.5, see_mirrored(images)), *((0.25, see_mirrored(own)) for own in moved)]
    return [(share * own, seen) for share, pair in views for own, seen in pair]


VIEWS: dict[str, Callable[[Array], Weighted]] = {
    "one": see_once, "mirror": see_mirrored, "mirror_shift": see_shifted,
}  # fmt: skip
