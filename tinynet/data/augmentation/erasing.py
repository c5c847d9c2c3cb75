"""Random erasing: a rectangle of the image is lost, so that no single detail decides.

Source: Z. Zhong, L. Zheng, G. Kang, S. Li, Y. Yang, "Random Erasing Data Augmentation", AAAI 2020.
"""

import numpy as np

from tinynet.data.augmentation.arguments import check_interval, check_probability, full_scale
from tinynet.data.augmentation.rectangles import random_rectangle
from tinynet.data.transforms import check_image
from tinynet.errors import ArgumentError

__all__ = ["RandomErasing"]


class RandomErasing:
    """A rectangle at a random place is overwritten.

    Args:
        probability: how often.
        area: (low, high), between which the rectangle's part of the image is drawn.
        ratio: (low, high), between which its height divided by its width is drawn.
        fill: what is put there: one number, one for each channel, or ``"noise"``, pixels drawn from the whole
            scale, as in the paper.

    Raises:
        ArgumentError: an argument is out of its range.
    """

    def __init__(self, probability=0.5, area=(0.02, 0.33), ratio=(0.3, 3.3), fill="noise"):
        self.probability = check_probability("RandomErasing", probability)
        self.area = check_interval("RandomErasing", "area", area, most=1)
        self.ratio = check_interval("RandomErasing", "ratio", ratio)
        if isinstance(fill, str) and fill != "noise":
            raise ArgumentError(f"RandomErasing: fill should be numbers or 'noise', not {fill!r}")
        self.fill = fill

    def __call__(self, x, rng):
        check_image("RandomErasing", x, leading=False)
        scale = full_scale("RandomErasing", x)
        if rng.random() >= self.probability or not x.size:
            return x
        top, left, height, width = random_rectangle(x.shape[:2], self.area, self.ratio, rng)
        result = x.copy()
        place = result[top : top + height, left : left + width]
        place[...] = self._noise(place.shape, scale, rng) if isinstance(self.fill, str) else self.fill
        return result

    def _noise(self, shape, scale, rng):
        return rng.random(shape) if scale == 1 else rng.integers(0, 256, shape, dtype=np.uint8)
