"""What the augmentations share: checks of their arguments, and pixels as numbers and back."""

import numpy as np

from tinynet.errors import ArgumentError, DTypeError

__all__ = [
    "check_amount",
    "check_interval",
    "check_probability",
    "full_scale",
    "restored",
    "shifted",
    "working",
]


def check_amount(name, argument, value, most=np.inf):
    """The value as a float from 0 to `most`. Raises ArgumentError for anything else."""
    number = _number(value)
    if not 0 <= number <= most or number == np.inf:
        limits = "at least 0" if most == np.inf else f"0 to {most}"
        raise ArgumentError(f"{name}: {argument} should be {limits}, not {value!r}")
    return number


def check_probability(name, value):
    """The value as a float from 0 to 1. Raises ArgumentError for anything else."""
    return check_amount(name, "probability", value, most=1)


def check_interval(name, argument, value, least=0.0, most=np.inf):
    """(low, high) with least < low ≤ high ≤ most. Raises ArgumentError for anything else."""
    try:
        low, high = (_number(number) for number in value)
    except (TypeError, ValueError):
        low, high = np.nan, np.nan
    if not least < low <= high <= most or high == np.inf:
        limits = f"above {least:g}" + ("" if most == np.inf else f" and at most {most:g}")
        raise ArgumentError(f"{name}: {argument} should be a pair (low, high), {limits}, not {value!r}")
    return low, high


def _number(value):
    try:
        return float(value)
    except (TypeError, ValueError):
        return np.nan


def full_scale(name, x):
    """The number of a full pixel: 255 in uint8, 1 in floating-point images. Raises DTypeError for others."""
    if x.dtype == np.uint8:
        return 255
    if x.dtype.kind == "f":
        return 1
    raise DTypeError(f"{name}: x should be uint8 or floating-point, not {x.dtype}")


def working(name, x):
    """The image as floating-point numbers to compute with, on its own scale; uint8 becomes float32."""
    return x.astype(np.float32) if full_scale(name, x) == 255 else x


def shifted(x, colour):
    """x + colour for an image (H, W, C) and a colour (C,), in the dtype of the image.

    As rows of W · C numbers: NumPy takes ten times as long to add along an axis of three.
    """
    height, width, channels = x.shape
    return (x.reshape(height, width * channels) + np.tile(colour.astype(x.dtype), width)).reshape(x.shape)


def restored(values, dtype):
    """Computed numbers in the dtype of the image; for uint8 rounded, and cut off at 0 and 255."""
    if dtype == np.uint8:
        return np.rint(values.clip(0, 255)).astype(np.uint8)
    return values.astype(dtype, copy=False)
