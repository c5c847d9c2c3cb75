"""Colour shifts as light makes them: along the directions in which the training images' colours vary.

Source: A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet Classification with Deep Convolutional Neural
Networks", NIPS 2012, section 4.1.
"""

import numpy as np

from tinynet.data.augmentation.arguments import check_amount, full_scale, restored, shifted, working
from tinynet.data.transforms import check_image
from tinynet.errors import ArgumentError, ShapeError

__all__ = ["RandomPrincipalColor"]

IMAGES_AT_ONCE = 256


class RandomPrincipalColor:
    """Adds the same colour to all pixels: Σ αᵢ λᵢ pᵢ, with the components pᵢ of the colours of a data set.

    λᵢ are the eigenvalues and pᵢ the eigenvectors of the 3 × 3 covariance of its pixels; the αᵢ are drawn for
    each image anew, from the normal distribution. What an image shows stays the same when intensity and
    colour of the illumination change, and so they are changed.

    The eigenvalues are those of pixels from 0 to 1. They are squares of pixels, so that on this scale the
    shifts are small: with the paper's deviation of 0.1 and photographs, about 0.01.

    Args:
        eigenvalues: (C,), none negative.
        eigenvectors: (C, C), one in each column.
        deviation: the standard deviation of the αᵢ.

    Raises:
        ArgumentError: a number is out of its range.
        ShapeError: shapes do not fit.
    """

    def __init__(self, eigenvalues, eigenvectors, deviation=0.1):
        self.eigenvalues = np.asarray(eigenvalues, np.float64)
        self.eigenvectors = np.asarray(eigenvectors, np.float64)
        channels = self.eigenvalues.shape
        if len(channels) != 1 or self.eigenvectors.shape != channels * 2:
            raise ShapeError(
                "RandomPrincipalColor: eigenvalues should be (C,) and eigenvectors (C, C), not of shapes "
                f"{channels} and {self.eigenvectors.shape}"
            )
        if not (self.eigenvalues >= 0).all():
            raise ArgumentError(f"RandomPrincipalColor: eigenvalues must not be negative: {eigenvalues}")
        self.deviation = check_amount("RandomPrincipalColor", "deviation", deviation)

    @classmethod
    def of_images(cls, images, deviation=0.1):
        """The transform for a data set.

        Args:
            images: (N, H, W, C), uint8 or floating-point, the images to train on.
            deviation: as above.

        Raises:
            ShapeError: images has another shape, or no pixel.
        """
        images = np.asarray(images)
        if images.ndim != 4 or not images.size:
            raise ShapeError(
                "RandomPrincipalColor: images should be (N, H, W, C) with at least one pixel, not of shape "
                f"{images.shape}"
            )
        eigenvalues, eigenvectors = np.linalg.eigh(_covariance(images))
        # The sign of an eigenvector is arbitrary; a fixed one makes the same seed give the same colours.
        largest = np.abs(eigenvectors).argmax(axis=0)
        eigenvectors = eigenvectors * np.sign(eigenvectors[largest, np.arange(len(largest))])
        return cls(eigenvalues[::-1].clip(0), eigenvectors[:, ::-1], deviation)

    def __call__(self, x, rng):
        check_image("RandomPrincipalColor", x, leading=False)
        scale = full_scale("RandomPrincipalColor", x)
        if x.shape[-1] != len(self.eigenvalues):
            raise ShapeError(
                f"RandomPrincipalColor: x has {x.shape[-1]} channels on axis 2 (shape {x.shape}), but there "
                f"are {len(self.eigenvalues)} eigenvalues"
            )
        alphas = rng.normal(0, self.deviation, len(self.eigenvalues))
        shift = scale * (self.eigenvectors * (alphas * self.eigenvalues)).sum(axis=1)
        return restored(shifted(working("RandomPrincipalColor", x), shift), x.dtype)


def _covariance(images):
    """(C, C), of all pixels, on the scale from 0 to 1; in two passes, some images at a time."""
    scale, channels = full_scale("RandomPrincipalColor", images), images.shape[-1]
    pixels = images.size // channels
    mean = images.mean(axis=(0, 1, 2), dtype=np.float64)
    total = np.zeros((channels, channels))
    for start in range(0, len(images), IMAGES_AT_ONCE):
        some = (images[start : start + IMAGES_AT_ONCE] - mean).reshape(-1, channels)
        total += some.T @ some
    return total / pixels / scale**2
