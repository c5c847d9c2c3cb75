"""Decoding of image files with Pillow, guarded against damaged and hostile files."""

import numpy as np

from tinynet.errors import ArgumentError, DataError, MissingExtraError

__all__ = ["MAX_PIXELS", "decode_image"]

# Below the limit at which Pillow itself begins to warn.
MAX_PIXELS = 64_000_000


def decode_image(source, name, mode="RGB", size=None, max_pixels=MAX_PIXELS, square=False):
    """Decodes an image file.

    Args:
        source: a path or an open binary file.
        name: what error messages call it.
        mode: ``"RGB"``, or ``"L"`` for one channel of greys. What is transparent becomes white.
        size: (height, width) to resize to, smoothing where the image shrinks; None keeps its own.
        max_pixels: images with more are refused before they are decoded.
        square: whether to keep only the largest square in the middle, before resizing.

    Returns:
        (H, W, C), uint8.

    Raises:
        DataError: the file is no image, is damaged, or has too many pixels.
        MissingExtraError: Pillow isn't installed.
    """
    if mode not in ("RGB", "L"):
        raise ArgumentError(f"decode_image: mode should be 'RGB' or 'L', not {mode!r}")
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("reading images", "pillow", extra="data") from error
    try:
        with Image.open(source) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise DataError(f"{name}: {width}×{height} pixels, at most {max_pixels:,} are accepted")
            image = _opaque(image).convert(mode)
            if square:
                image = _central_square(image)
            if size is not None:
                image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
            pixels = np.array(image, dtype=np.uint8)
    except DataError:
        raise
    except Exception as error:  # Pillow's readers let almost any error out when a file is damaged
        raise DataError(f"{name}: not a readable image: {error or type(error).__name__}") from error
    return pixels if pixels.ndim == 3 else pixels[:, :, np.newaxis]


def _central_square(image):
    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    return image.crop((left, top, left + side, top + side))


def _opaque(image):
    """The image on white paper, where it has transparent parts."""
    if not image.has_transparency_data:
        return image
    from PIL import Image

    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
