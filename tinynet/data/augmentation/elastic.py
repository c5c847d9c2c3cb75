"""Local warping: every part of the image is shifted a little, neighbouring parts by nearly the same."""

from functools import lru_cache

import numpy as np

from tinynet.data.augmentation.arguments import check_amount
from tinynet.data.augmentation.sampled import check_border, sample_bilinear
from tinynet.data.transforms import check_image, pair

__all__ = ["RandomWarp", "spline_weights"]


class RandomWarp:
    """The image on a rubber sheet that is pulled at random.

    Shifts are drawn for the knots of a grid, from the normal distribution. Between them they follow uniform
    cubic B-splines, which bend without kinks.

    Sources: P. Simard, D. Steinkraus, J. Platt, "Best Practices for Convolutional Neural Networks Applied to
    Visual Document Analysis", ICDAR 2003, for warping; D. Rueckert et al., "Nonrigid Registration Using
    Free-Form Deformations", IEEE Transactions on Medical Imaging, 1999, for the splines.

    Args:
        deviation: the standard deviation of the shift of a knot, as a part of the image's height or width.
            The pixels are shifted by about half of that. Up to 0.3 / `cells` the sheet hardly ever folds.
        cells: how many cells the grid has along (height, width), or one number for both. Few cells bend the
            image as a whole, many make it tremble.
        border: how the image goes on beyond its border, see `sample_bilinear`.
        fill: what stands there if border is ``"constant"``: one number, or one for each channel.

    Raises:
        ArgumentError: an argument is out of its range.
    """

    def __init__(self, deviation=0.06, cells=4, border="reflect", fill=0):
        self.deviation = check_amount("RandomWarp", "deviation", deviation, most=1)
        self.cells = pair("RandomWarp", "cells", cells, least=1)
        check_border("RandomWarp", border)
        self.border = border
        self.fill = fill

    def __call__(self, x, rng):
        check_image("RandomWarp", x, leading=False)
        size = x.shape[:2]
        # A cell lies between four knots in each direction, so that there are three more knots than cells.
        knots = rng.standard_normal((2, self.cells[0] + 3, self.cells[1] + 3))
        across, along = (spline_weights(*both) for both in zip(size, self.cells, strict=True))
        # Einsum, since a matrix product of NumPy could start threads of its own in each worker.
        shifts = np.einsum("ig,kgh->kih", across, knots)
        shifts = np.einsum("kih,hj->kij", shifts, np.ascontiguousarray(along.T))
        rows = np.arange(size[0])[:, np.newaxis] + shifts[0] * self.deviation * size[0]
        columns = np.arange(size[1]) + shifts[1] * self.deviation * size[1]
        return sample_bilinear(x, rows, columns, self.border, self.fill)


@lru_cache(maxsize=64)
def spline_weights(length, cells):
    """The weight of each knot at each pixel: (length, cells + 3), read-only, every row adding up to 1.

    A pixel at the part t of its cell has the weights (1 − t)³ / 6, (3t³ − 6t² + 4) / 6,
    (−3t³ + 3t² + 3t + 1) / 6 and t³ / 6 for the four knots around it.
    """
    position = (np.arange(length) + 0.5) * cells / length
    cell = np.minimum(position.astype(np.intp), cells - 1)
    t = position - cell
    cubics = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    weights = np.zeros((length, cells + 3))
    for number, cubic in enumerate(cubics):
        weights[np.arange(length), cell + number] = cubic / 6
    weights.flags.writeable = False
    return weights
