"""Rotation, shear, scaling and shifting: maps that keep straight lines straight, in one interpolation."""

import numpy as np

from tinynet.data.augmentation.arguments import check_amount, check_interval
from tinynet.data.augmentation.sampled import check_border, sample_bilinear
from tinynet.data.transforms import check_image

__all__ = ["RandomAffine", "RandomRotation", "RandomShear", "affine_places"]


class RandomAffine:
    """The image rotated, sheared, scaled and shifted by random amounts, at its size.

    It is sheared first, then scaled, rotated, and shifted, around its centre.

    Args:
        degrees: the largest angle of rotation, in both directions.
        shear: the largest angle, in degrees and both directions, by which upright lines lean over.
        scale: (low, high), between which the factor of enlargement is drawn.
        shift: the largest shift in each direction, as a part of height and width.
        border: how the image goes on beyond its border, see `sample_bilinear`.
        fill: what stands there if border is ``"constant"``: one number, or one for each channel.

    Raises:
        ArgumentError: an argument is out of its range.
    """

    def __init__(self, degrees=0, shear=0, scale=(1, 1), shift=0, border="constant", fill=0):
        name = type(self).__name__
        self.degrees = check_amount(name, "degrees", degrees, most=180)
        self.shear = check_amount(name, "shear", shear, most=80)
        self.scale = check_interval(name, "scale", scale)
        self.shift = check_amount(name, "shift", shift, most=1)
        check_border(name, border)
        self.border = border
        self.fill = fill

    def __call__(self, x, rng):
        check_image(type(self).__name__, x, leading=False)
        angle, lean = np.radians(rng.uniform(-1, 1, 2) * (self.degrees, self.shear))
        factor = np.exp(rng.uniform(*np.log(self.scale)))
        offset = rng.uniform(-self.shift, self.shift, 2) * x.shape[:2]
        # In coordinates (row, column) with rows downwards, positive angles turn counter-clockwise.
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        shearing = np.array([[1, 0], [-np.tan(lean), 1]])
        rows, columns = affine_places(x.shape[:2], factor * rotation @ shearing, offset)
        return sample_bilinear(x, rows, columns, self.border, self.fill)


class RandomRotation(RandomAffine):
    """The image rotated around its centre by up to `degrees` in both directions. See `RandomAffine`."""

    def __init__(self, degrees, border="constant", fill=0):
        super().__init__(degrees=degrees, border=border, fill=fill)


class RandomShear(RandomAffine):
    """The image with upright lines leaning over by up to `degrees` to both sides. See `RandomAffine`."""

    def __init__(self, degrees, border="constant", fill=0):
        super().__init__(shear=degrees, border=border, fill=fill)


def affine_places(size, matrix, offset=(0, 0)):
    """Where in an image the pixels of its image under a linear map come from.

    Args:
        size: (H, W), of both images.
        matrix: (2, 2), where it takes (row, column) as counted from the centre.
        offset: (rows, columns) by which the result is shifted.

    Returns:
        rows and columns, each (H, W), for `sample_bilinear`.
    """
    centre = (np.array(size) - 1) / 2
    (a, b), (c, d) = np.linalg.inv(matrix)
    i = np.arange(size[0])[:, np.newaxis] - centre[0] - offset[0]
    j = np.arange(size[1]) - centre[1] - offset[1]
    return (a * i + centre[0]) + b * j, (c * i + centre[1]) + d * j
