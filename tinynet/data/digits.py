"""The 1,797 handwritten digits of 8×8 pixels that come with scikit-learn: real data without a download.

Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI repository, 1998.
"""

import importlib.util
from pathlib import Path

import numpy as np

from tinynet.data.image_data import ImageData, ImageSplit
from tinynet.data.transforms import resize_bilinear
from tinynet.errors import ArgumentError, MissingExtraError

__all__ = ["load_digits"]

LARGEST_PIXEL = 16


def load_digits(test_fraction=0.2, seed=0, size=None, dtype=np.float32):
    """Loads scikit-learn's digits, split at random.

    Args:
        test_fraction: the share of the images that is held out, between 0 and 1.
        seed: the seed of the split.
        size: enlarges the images to size × size pixels, bilinearly; None leaves 8 × 8.
        dtype: the floating dtype of the images.

    Returns:
        `ImageData`: images (N, H, W, 1) from 0 to 1, labels (N,) int64.

    Raises:
        MissingExtraError: scikit-learn isn't installed.
        ArgumentError: the fraction isn't between 0 and 1.
    """
    if not 0 < test_fraction < 1:
        raise ArgumentError(f"load_digits: test_fraction should be between 0 and 1, not {test_fraction}")
    images, labels = _read()
    images = (images.reshape(-1, 8, 8, 1) / LARGEST_PIXEL).astype(dtype)
    if size is not None:
        images = resize_bilinear(images, size)
    order = np.random.default_rng(seed).permutation(len(labels))
    held_out = round(len(labels) * test_fraction)
    test, train = order[:held_out], order[held_out:]
    return ImageData(
        name="digits",
        train=ImageSplit(images[train], labels[train]),
        test=ImageSplit(images[test], labels[test]),
        class_names=tuple("0123456789"),
    )


def _read():
    """The pixels (N, 64), 0 to 16, and the labels (N,), int64."""
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        raise MissingExtraError("the digits data set", "scikit-learn", extra="data")
    # Importing sklearn.datasets takes a second, most of it for SciPy; reading its file takes a tenth.
    table_path = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
    if table_path.exists():
        table = np.loadtxt(table_path, delimiter=",", dtype=np.int64)
        return table[:, :-1], table[:, -1]
    from sklearn.datasets import load_digits as load

    return load().data, load().target.astype(np.int64)
