"""Image files as pixels: any format and mode that Pillow reads, as 8-bit grey or RGB.

Transparent pixels lie on white; deeper grey is scaled to 8 bits; EXIF rotations are carried out.
"""

import functools
import io
import math
import re
import warnings

import numpy as np
from PIL import Image, ImageOps

from cnnjax.config.knobs import RunError

warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # open_image refuses them
warnings.filterwarnings("ignore", module=r"PIL\.TiffImagePlugin")  # of tags that tell no pixel
ORIENTATION, UPRIGHT = 0x0112, 1  # of EXIF
BACKGROUND = 255  # what shows through transparent pixels
GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N")
DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N")  # grey of up to 16 bits, or 32
DEPTHS = (8, 10, 12, 14, 16)  # that cameras and scanners use
RUN = ("EPS", "WMF")  # what Pillow has other programs draw: Ghostscript, Windows
PNG = b"\x89PNG"  # how such a file begins
PNG_BITS, TIFF_BITS = 24, 258  # where bits a channel stand: a place in the file, a tag


class BadImage(RunError):
    """A file that is no whole image. Its message is one line."""


@functools.cache
def list_formats() -> tuple[str, ...]:
    """The formats that Pillow reads itself, the usual ones first."""
    Image.init()
    return tuple(name for name in Image.ID if name in Image.OPEN and name not in RUN)


def open_image(raw: bytes) -> Image.Image:
    """The whole image in its own mode, upright. Raises BadImage where it cannot be read."""
    try:
        image = Image.open(io.BytesIO(raw), formats=list_formats())
        if image.width * image.height > (Image.MAX_IMAGE_PIXELS or math.inf):
            raise Image.DecompressionBombError
        image.load()
        may_turn = image.format != "PNG" or "exif" in image.info  # asking takes a while
        if may_turn and image.getexif().get(ORIENTATION, UPRIGHT) != UPRIGHT:
            image = ImageOps.exif_transpose(image)
    except Image.DecompressionBombError:
        limit = f"{Image.MAX_IMAGE_PIXELS:,}"
        raise BadImage(f"a decompression bomb: it has more than {limit} pixels") from None
    except Exception as error:  # Pillow raises what its readers raise, of many types
        why = re.sub(r"<_io\.BytesIO[^>]*>", "it", str(error))  # its address is not of the file
        raise BadImage(f"{type(error).__name__}: {why}") from None
    if image.mode == "F":
        raise BadImage("pixels are floating-point, of no known range: give them as arrays:FILE.npz")
    return image


def count_frames(raw: bytes) -> int:
    """How many images a file holds."""
    return getattr(Image.open(io.BytesIO(raw), formats=list_formats()), "n_frames", 1)


def count_channels(image: Image.Image) -> int:
    """1 for a grey image, 3 for any other."""
    return 1 if image.mode in GREY_MODES else 3


def find_depth(peak: int, declared: int = 8) -> int:
    """The least usual number of bits, and at least those declared, that holds the value `peak`."""
    return next(
        bits for bits in DEPTHS if bits >= declared and peak < 2**bits or bits == DEPTHS[-1]
    )


def measure_depth(raw: bytes, image: Image.Image) -> tuple[int, int]:
    """Bits a channel as the file declares, and its greatest value where they are more than 8.

    Of colours Pillow keeps the upper 8 of 16 bits. Raises BadImage on values that 16 bits do not
    hold.
    """
    bits = 8
    if raw.startswith(PNG):
        bits = raw[PNG_BITS]
    elif image.format == "TIFF":
        bits = max(image.tag_v2.get(TIFF_BITS, (8,)))  # pyright: ignore[reportAttributeAccessIssue]
    elif image.mode in DEEP:
        bits = 16
    if image.mode in DEEP:
        low, high = (int(value) for value in image.getextrema())  # pyright: ignore[reportArgumentType]
        if low < 0 or high >= 2**16:
            raise BadImage(f"pixels of {low} to {high} are of no known range: give them as"
                           " arrays:FILE.npz")  # fmt: skip
        return max(bits, 9), high
    if bits <= 8 or image.mode not in ("RGB", "RGBA"):
        return 8, 0
    return bits, 256 * max(high for _, high in image.getextrema()[:3]) + 255  # pyright: ignore


def to_mode(image: Image.Image, channels: int, depth: int = 16) -> Image.Image:
    """The image as 8-bit grey (1 channel) or RGB (3), where deeper grey has `depth` bits.

    Raises BadImage where its mode has no way there.
    """
    if image.mode in DEEP:
        wide = np.asarray(image).astype(np.float64) * 255 / (2**depth - 1)
        image = Image.fromarray(np.clip(np.rint(wide), 0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        below = Image.new("RGBA", image.size, (BACKGROUND,) * 3 + (255,))
        image = Image.alpha_composite(below, image)
    mode = {1: "L", 3: "RGB"}[channels]
    try:
        return image if image.mode == mode else image.convert(mode)
    except ValueError as error:
        raise BadImage(f"mode {image.mode} cannot become {mode}: {error}") from None


def to_array(image: Image.Image) -> np.ndarray:
    """Pixels [H, W, C] uint8."""
    pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def decode(raw: bytes, channels: int) -> np.ndarray:
    """The pixels [H, W, channels] uint8 of a file. Raises BadImage."""
    return to_array(to_mode(open_image(raw), channels))


def open_example(image: bytes | np.ndarray, channels: int) -> Image.Image:
    """A stored image, a file's bytes or 8-bit pixels [H, W, channels], to be cut and resized."""
    if isinstance(image, bytes):
        return to_mode(open_image(image), channels)
    if image.dtype != np.uint8 or channels not in (1, 3):
        raise BadImage("only 8-bit grey or RGB images can be resized")
    return Image.fromarray(image[..., 0] if channels == 1 else image)


def fit(image: Image.Image, side: int, share: float = 1.0) -> Image.Image:
    """The central square of an image, of `share` of its shorter side, as `side` x `side` pixels.

    Bilinear with antialiasing. 0.875 is the usual evaluation on ImageNet (256, then 224).
    """
    width, height = image.size
    cut = min(width, height) * share
    left, top = (width - cut) / 2, (height - cut) / 2
    if (width, height) == (side, side) and share == 1.0:
        return image
    box = (left, top, left + cut, top + cut)
    return image.resize((side, side), Image.Resampling.BILINEAR, box=box)


def random_crop(
    image: Image.Image, side: int, least: float, rng: np.random.Generator
) -> Image.Image:
    """A random piece of the image, of at least that share of its area, as `side` x `side` pixels.

    Area uniform, aspect ratio log-uniform from 3/4 to 4/3 (Szegedy et al. 2015, section 6); the
    central square where ten tries do not fit.
    """
    width, height = image.size
    for _ in range(10):
        area = width * height * rng.uniform(least, 1.0)
        aspect = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
        wide, high = math.sqrt(area * aspect), math.sqrt(area / aspect)
        if wide <= width and high <= height:
            left, top = rng.uniform(0, width - wide), rng.uniform(0, height - high)
            box = (left, top, left + wide, top + high)
            return image.resize((side, side), Image.Resampling.BILINEAR, box=box)
    return fit(image, side)
