"""Transforms of images on their way into a batch: callables ``transform(x, rng)``.

Images are (H, W, C); everything that isn't random takes leading axes as well, (N, H, W, C) for example,
and needs no ``rng``. Inputs are left unchanged.
"""

import operator

import numpy as np

from tinynet.data.datasets import is_batched
from tinynet.errors import ArgumentError, DTypeError, ShapeError

__all__ = [
    "Compose",
    "Normalize",
    "Pad",
    "RandomCrop",
    "RandomHorizontalFlip",
    "Resize",
    "Scale",
    "resize_bilinear",
]


class Compose:
    """One transform after the other; all draw from the same generator, in this order."""

    def __init__(self, *transforms):
        self.transforms = transforms
        self.batched = all(is_batched(transform) for transform in transforms)

    def __call__(self, x, rng=None):
        for transform in self.transforms:
            x = transform(x, rng)
        return x


class Scale:
    """uint8 pixels from 0 to 255 → floating-point numbers from 0 to 1.

    Raises:
        DTypeError: the input isn't uint8; numbers that are scaled twice are a common accident.
    """

    batched = True

    def __init__(self, dtype=np.float32):
        self.dtype = np.dtype(dtype)

    def __call__(self, x, rng=None):
        if x.dtype != np.uint8:
            raise DTypeError(f"Scale: x should be uint8, not {x.dtype}")
        return x.astype(self.dtype) / self.dtype.type(255)


class Normalize:
    """(x − mean) / std, with one number or one for each channel (the last axis).

    Raises:
        ArgumentError: a standard deviation isn't positive.
        DTypeError: the input isn't floating-point.
        ShapeError: the input has another number of channels.
    """

    batched = True

    def __init__(self, mean, std):
        self.mean = np.asarray(mean, dtype=np.float64)
        self.std = np.asarray(std, dtype=np.float64)
        if not np.all(self.std > 0):
            raise ArgumentError(f"Normalize: std must be positive, not {std}")

    def __call__(self, x, rng=None):
        if x.dtype.kind != "f":
            raise DTypeError(f"Normalize: x should be floating-point, not {x.dtype}; Scale comes before")
        for name, numbers in (("mean", self.mean), ("std", self.std)):
            if numbers.size != 1 and numbers.shape != x.shape[-1:]:
                raise ShapeError(
                    f"Normalize: x has {x.shape[-1]} channels on axis {x.ndim - 1} (shape {x.shape}) "
                    f"but {name} has shape {numbers.shape}"
                )
        return (x - self.mean.astype(x.dtype)) / self.std.astype(x.dtype)


class Resize:
    """Bilinear enlargement or reduction to `size`; see `resize_bilinear`."""

    batched = True

    def __init__(self, size):
        self.size = pair("Resize", "size", size, least=1)

    def __call__(self, x, rng=None):
        return resize_bilinear(x, self.size)


class Pad:
    """Adds a border of `padding` pixels (or (rows, columns)) with the value `fill` on every side."""

    batched = True

    def __init__(self, padding, fill=0):
        self.padding = pair("Pad", "padding", padding, least=0)
        self.fill = fill

    def __call__(self, x, rng=None):
        check_image("Pad", x)
        rows, columns = self.padding
        *leading, height, width, channels = x.shape
        # A filled array with the image copied in costs a tenth of np.pad on small images.
        padded = np.full((*leading, height + 2 * rows, width + 2 * columns, channels), self.fill, x.dtype)
        padded[..., rows : rows + height, columns : columns + width, :] = x
        return padded


class RandomCrop:
    """A window of `size` at a random place of the image, which is padded first.

    Args:
        size: height and width of the window, or one number for both.
        padding: the border added on every side beforehand; see `Pad`.
        fill: the value of that border.

    Raises:
        ShapeError: the padded image is smaller than the window.
    """

    def __init__(self, size, padding=0, fill=0):
        self.size = pair("RandomCrop", "size", size, least=1)
        self.pad = Pad(padding, fill)

    def __call__(self, x, rng):
        check_image("RandomCrop", x, leading=False)
        x = self.pad(x)
        (height, width), (window_height, window_width) = x.shape[:2], self.size
        if window_height > height or window_width > width:
            raise ShapeError(
                f"RandomCrop: x has {height}×{width} pixels with its padding (shape {x.shape}), fewer than "
                f"the window of {window_height}×{window_width}"
            )
        top = rng.integers(height - window_height + 1)
        left = rng.integers(width - window_width + 1)
        return x[top : top + window_height, left : left + window_width]


class RandomHorizontalFlip:
    """The mirror image (left and right exchanged) with the given probability."""

    def __init__(self, probability=0.5):
        if not 0 <= probability <= 1:
            raise ArgumentError(f"RandomHorizontalFlip: probability should be 0 to 1, not {probability}")
        self.probability = probability

    def __call__(self, x, rng):
        check_image("RandomHorizontalFlip", x, leading=False)
        return x[:, ::-1] if rng.random() < self.probability else x


def resize_bilinear(images, size):
    """Resizes images by bilinear interpolation.

    Pixel centres lie at half-integer coordinates and the border is repeated outwards (the convention
    that PyTorch calls ``align_corners=False``). There is no smoothing before a reduction.

    Args:
        images: (…, H, W, C), any real dtype.
        size: the new (H, W), or one number for both.

    Returns:
        (…, H', W', C) of the same dtype; integers are rounded to the nearest.
    """
    check_image("resize_bilinear", images)
    height, width = pair("resize_bilinear", "size", size, least=1)
    if images.shape[-3] == 0 or images.shape[-2] == 0:
        raise ShapeError(f"resize_bilinear: images of shape {images.shape} have no pixels")
    if images.shape[-3:-1] == (height, width):
        return images.copy()
    work = images if images.dtype.kind == "f" else images.astype(np.float32)
    work = _interpolate(_interpolate(work, height, axis=-3), width, axis=-2)
    if images.dtype.kind in "iub":
        work = np.rint(work)
    return work.astype(images.dtype, copy=False)


def _interpolate(x, length, axis):
    """Linear interpolation along one axis to a new length."""
    old_length = x.shape[axis]
    position = (np.arange(length) + 0.5) * (old_length / length) - 0.5
    position = position.clip(0, old_length - 1)
    below = np.floor(position).astype(np.intp)
    above = np.minimum(below + 1, old_length - 1)
    weight = (position - below).astype(x.dtype).reshape((-1,) + (1,) * (-axis - 1))
    return np.take(x, below, axis) * (1 - weight) + np.take(x, above, axis) * weight


def check_image(name, x, leading=True):
    """Raises ShapeError where x isn't (H, W, C), or (…, H, W, C) with `leading`."""
    if x.ndim < 3 or (x.ndim > 3 and not leading):
        expected = "(…, H, W, C)" if leading else "(H, W, C)"
        raise ShapeError(f"{name}: x should be {expected}, not of shape {x.shape}")


def pair(name, argument, value, least):
    """The (rows, columns) that one integer or two stand for, both at least `least`."""
    try:
        numbers = tuple(value) if np.ndim(value) else (value, value)
        rows, columns = (operator.index(number) for number in numbers)
    except (TypeError, ValueError):
        raise ArgumentError(f"{name}: {argument} should be one integer or two, not {value!r}") from None
    if min(rows, columns) < least:
        raise ArgumentError(f"{name}: {argument} should be at least {least}, not {value!r}")
    return rows, columns
