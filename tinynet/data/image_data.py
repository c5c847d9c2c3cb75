"""What the loading functions return: images and labels, for training and for testing."""

from dataclasses import dataclass

import numpy as np

from tinynet.data.datasets import ArrayDataset
from tinynet.errors import DTypeError

__all__ = ["ImageData", "ImageSplit", "convert_pixels"]


@dataclass(frozen=True, eq=False, repr=False)
class ImageSplit:
    """Images (N, H, W, C) with their labels (N,), int64. Unpacks to ``images, labels``."""

    images: np.ndarray
    labels: np.ndarray

    def __iter__(self):
        return iter((self.images, self.labels))

    def __len__(self):
        return len(self.images)

    def __repr__(self):
        return f"ImageSplit(images {self.images.shape} {self.images.dtype}, labels {self.labels.shape})"

    def dataset(self, transform=None):
        """These images and labels as an `ArrayDataset`."""
        return ArrayDataset(self.images, self.labels, transform=transform)


@dataclass(frozen=True, eq=False)
class ImageData:
    """A set of labelled images. Unpacks to ``(x_train, y_train), (x_test, y_test)``.

    Attributes:
        name: what this is, exactly; parts of a published set are named as such.
        train: the images to train on.
        test: the held-out images.
        class_names: the name of each label.
    """

    name: str
    train: ImageSplit
    test: ImageSplit
    class_names: tuple[str, ...]

    def __iter__(self):
        return iter((self.train, self.test))


def convert_pixels(pixels, dtype):
    """uint8 pixels as they are, or as floating-point numbers from 0 to 1.

    Raises:
        DTypeError: the dtype is neither uint8 nor a floating one.
    """
    dtype = np.dtype(dtype)
    if dtype == np.uint8:
        return pixels
    if dtype.kind != "f":
        raise DTypeError(f"images can be uint8 (0 to 255) or floating-point (0 to 1), not {dtype}")
    scaled = pixels.astype(dtype)
    scaled /= 255
    return scaled
