"""Sliding windows the plain way: every window is cut out and given to the classifier.

Windows overlap, so that most of the work is done many times over. A classifier turned into convolutions by
`nn.fully_convolutional` gives the same answers from one pass over the whole image.
"""

import numpy as np

from tinynet.data.transforms import check_image, pair
from tinynet.errors import ShapeError
from tinynet.training.trainer import Trainer

__all__ = ["classify_windows", "sliding_windows"]


def sliding_windows(images, size, stride=1):
    """All windows of images.

    Args:
        images: (N, H, W, C).
        size: (h, w) of the windows, or one number for both.
        stride: how far apart they are, (down, right), or one number for both.

    Returns:
        (N, rows, columns, h, w, C), a read-only view. Window (i, j) begins at pixel (i · down, j · right);
        there are ⌊(H − h) / down⌋ + 1 rows of windows.

    Raises:
        ArgumentError: a size or a stride is below 1.
        ShapeError: the images are smaller than the windows.
    """
    images = np.asarray(images)
    check_image("sliding_windows", images)
    height, width = pair("sliding_windows", "size", size, least=1)
    down, right = pair("sliding_windows", "stride", stride, least=1)
    if images.ndim != 4 or images.shape[1] < height or images.shape[2] < width:
        raise ShapeError(
            f"sliding_windows: images should be (N, H, W, C) with at least {height}×{width} pixels, not of "
            f"shape {images.shape}"
        )
    windows = np.lib.stride_tricks.sliding_window_view(images, (height, width), axis=(1, 2))
    return np.moveaxis(windows[:, ::down, ::right], 3, -1)


def classify_windows(model, images, size, stride=1, batch_size=256):
    """What a classifier says to each window of images.

    Args:
        model: windows (n, h, w, C) → (n, classes).
        images, size, stride: as in `sliding_windows`.
        batch_size: how many windows go through the model at once.

    Returns:
        (N, rows, columns, classes).
    """
    windows = sliding_windows(images, size, stride)
    answers = Trainer(model).predict(windows.reshape(-1, *windows.shape[3:]), batch_size)
    return answers.reshape(*windows.shape[:3], *answers.shape[1:])
