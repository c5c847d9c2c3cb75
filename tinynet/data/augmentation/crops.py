"""Windows of an image: a random part enlarged, the middle, and the ten that are looked at in testing."""

import numpy as np

from tinynet.data.augmentation.arguments import check_interval
from tinynet.data.augmentation.rectangles import random_rectangle
from tinynet.data.augmentation.sampled import sample_bilinear
from tinynet.data.transforms import check_image, pair
from tinynet.errors import ShapeError

__all__ = ["CenterCrop", "RandomResizedCrop", "ten_crops"]


class RandomResizedCrop:
    """A random part of the image, of random size and shape, brought to `size`.

    Source: C. Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, section 6.

    Args:
        size: the new (H, W), or one number for both.
        area: (low, high), between which the part of the image is drawn. A small low gives parts without the
            thing that the image shows.
        ratio: (low, high), between which height divided by width is drawn.

    Raises:
        ArgumentError: an argument is out of its range.
        ShapeError: in a call, when the image has no pixels.
    """

    def __init__(self, size, area=(0.08, 1), ratio=(3 / 4, 4 / 3)):
        self.size = pair("RandomResizedCrop", "size", size, least=1)
        self.area = check_interval("RandomResizedCrop", "area", area, most=1)
        self.ratio = check_interval("RandomResizedCrop", "ratio", ratio)

    def __call__(self, x, rng):
        check_image("RandomResizedCrop", x, leading=False)
        if not (x.shape[0] and x.shape[1]):
            raise ShapeError(f"RandomResizedCrop: x of shape {x.shape} has no pixels")
        top, left, height, width = random_rectangle(x.shape[:2], self.area, self.ratio, rng)
        part = x[top : top + height, left : left + width]
        # The places of `resize_bilinear`, in one compiled pass.
        rows, columns = (
            (np.arange(new) + 0.5) * (old / new) - 0.5
            for old, new in zip((height, width), self.size, strict=True)
        )
        return sample_bilinear(part, *np.meshgrid(rows, columns, indexing="ij"), border="edge")


class CenterCrop:
    """The window of `size` in the middle of images (…, H, W, C), or half a pixel above or left of it.

    Raises:
        ArgumentError: the size isn't one integer of at least 1, or two.
        ShapeError: in a call, when an image is smaller than the window.
    """

    batched = True

    def __init__(self, size):
        self.size = pair("CenterCrop", "size", size, least=1)

    def __call__(self, x, rng=None):
        check_image("CenterCrop", x)
        (height, width), (rows, columns) = _sizes("CenterCrop", x, self.size)
        top, left = (height - rows) // 2, (width - columns) // 2
        return x[..., top : top + rows, left : left + columns, :]


def ten_crops(images, size):
    """The four corners and the middle of images, and the mirror images of these five.

    Source: A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet Classification with Deep Convolutional Neural
    Networks", NIPS 2012, section 4.1.

    Args:
        images: (…, H, W, C), an array or a tensor.
        size: (h, w) of the crops, or one number for both.

    Returns:
        A list of ten, each (…, h, w, C): top left, top right, bottom left, bottom right, middle, and the same
        mirrored. Of an array they are views.

    Raises:
        ArgumentError: the size isn't one integer of at least 1, or two.
        ShapeError: the images are smaller than the crops.
    """
    check_image("ten_crops", images)
    (height, width), (rows, columns) = _sizes("ten_crops", images, pair("ten_crops", "size", size, least=1))
    down, right = height - rows, width - columns
    corners = [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]
    crops = [images[..., top : top + rows, left : left + columns, :] for top, left in corners]
    return crops + [crop[..., ::-1, :] for crop in crops]


def _sizes(name, x, window):
    """(H, W) of the images and (h, w) of the window, which fits into them."""
    height, width = size = x.shape[-3:-1]
    if window[0] > height or window[1] > width:
        raise ShapeError(
            f"{name}: x has {height}×{width} pixels (shape {x.shape}), fewer than the window of "
            f"{window[0]}×{window[1]}"
        )
    return size, window
