"""A word image on its way from a file to a network."""

import numpy as np

from tinynet.data.decoding import MAX_PIXELS, decode_image
from tinynet.errors import ShapeError

__all__ = [
    "HEIGHT",
    "NARROWEST",
    "WIDEST",
    "prepare_word",
    "read_word_image",
    "scaled_to_height",
    "word_batch",
]

HEIGHT = 32
WIDEST = 256  # longer images are squeezed: 63 steps are enough for every word that has been printed
NARROWEST = 8
SMALLEST_DEVIATION = 0.02

BUCKET = 16
FILLING = 8


def read_word_image(path, max_pixels=MAX_PIXELS):
    """An image file of one word, of any kind and size, as `scaled_to_height` makes it.

    Returns:
        (32, W, 1), uint8.

    Raises:
        DataError: the file is no image, is damaged, or has too many pixels.
        MissingExtraError: Pillow isn't installed.
    """
    return scaled_to_height(decode_image(path, str(path), "L", max_pixels=max_pixels))


def scaled_to_height(image):
    """An image brought to a height of 32 pixels, its width in proportion, from 8 to 256.

    Args:
        image: (H, W, 1), uint8.

    Returns:
        (32, W, 1), uint8; the image itself where nothing changes.

    Raises ShapeError for other shapes and for images without pixels.
    """
    if image.ndim != 3 or image.shape[2] != 1 or not image.size:
        raise ShapeError(f"scaled_to_height: the image should be (H, W, 1), not {image.shape}")
    height, width, _ = image.shape
    width = min(max(round(width * HEIGHT / height), NARROWEST), WIDEST)
    if (height, width) == (HEIGHT, image.shape[1]):
        return image
    from PIL import Image

    scaled = Image.fromarray(image[..., 0]).resize((width, HEIGHT), Image.Resampling.BILINEAR)
    return np.asarray(scaled)[..., np.newaxis]


def prepare_word(image):
    """What a network is given for a word image: greys with mean 0 and deviation 1, whatever the light was.

    Args:
        image: (H, W, 1), uint8, or numbers from 0 to 1.

    Returns:
        (H, W, 1), float32. An image without contrast becomes 0 rather than noise.
    """
    image = np.asarray(image)
    greys = image.astype(np.float32)
    if image.dtype == np.uint8:
        greys /= 255
    greys -= greys.mean()
    greys /= max(float(greys.std()), SMALLEST_DEVIATION)
    return greys


def bucket_widths(widths, bucket=BUCKET):
    """The widths to which images of these widths, an array, are filled up: multiples of `bucket`."""
    return -(-(np.asarray(widths) + FILLING) // bucket) * bucket


def word_batch(images, bucket=BUCKET):
    """Images of several widths side by side, as a network takes them; see `prepare_word`.

    On the right they are filled up by their last columns, each by 8 at the least: the last letters of a word
    then have steps of their own, and a narrow image has as many as its letters need.

    Args:
        images: N arrays (32, W, 1), uint8, or numbers from 0 to 1.
        bucket: the width of the batch is a multiple of this.

    Returns:
        The batch (N, 32, widest, 1), float32, and the widths that count, (N,), int64: those of the images and
        8 columns more.
    """
    widths = np.array([image.shape[1] for image in images], np.int64)
    batch = np.empty((len(images), HEIGHT, int(bucket_widths(widths, bucket).max()), 1), np.float32)
    for place, image in zip(batch, images, strict=True):
        width = image.shape[1]
        place[:, :width] = prepare_word(image)
        place[:, width:] = place[:, width - 1 : width]
    return batch, widths + FILLING
