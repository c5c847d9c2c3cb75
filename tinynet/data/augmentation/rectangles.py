"""Random rectangles inside an image."""

import math

import numpy as np

__all__ = ["random_rectangle"]

ATTEMPTS = 10


def random_rectangle(size, area, ratio, rng):
    """A rectangle of random size and shape at a random place.

    The area is drawn evenly, the ratio evenly on a logarithmic scale. A rectangle that does not fit is drawn
    again; after ten attempts it is the largest one in the middle whose ratio is allowed.

    Args:
        size: (H, W) of the image, at least 1 each.
        area: (low, high), parts of the image's area.
        ratio: (low, high), height divided by width.
        rng: the generator.

    Returns:
        top, left, height, width.
    """
    height, width = size
    for _ in range(ATTEMPTS):
        pixels = height * width * rng.uniform(*area)
        shape = math.exp(rng.uniform(*np.log(ratio)))
        rows, columns = round(math.sqrt(pixels * shape)), round(math.sqrt(pixels / shape))
        if 1 <= rows <= height and 1 <= columns <= width:
            top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
            return int(top), int(left), rows, columns
    rows, columns = _largest(height, width, ratio)
    return (height - rows) // 2, (width - columns) // 2, rows, columns


def _largest(height, width, ratio):
    low, high = ratio
    rows = min(height, max(1, round(width * high)))
    columns = min(width, max(1, round(height / low)))
    return rows, columns
