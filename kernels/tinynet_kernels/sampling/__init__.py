"""Sampling: the values of an image between its pixels, by bilinear interpolation.

The centre of pixel (r, c) lies at row r and column c. At a place between four pixels the value is their mean,
weighted by how near they are:

    y = (1 − a)(1 − b) x[r, c] + (1 − a) b x[r, c + 1] + a (1 − b) x[r + 1, c] + a b x[r + 1, c + 1]

with a and b the fractional parts of row and column. Beyond the outermost pixels the image goes on as `border`
says:

* ``"constant"``: every pixel there is `fill`;
* ``"edge"``: the outermost pixels are repeated;
* ``"reflect"``: the image is mirrored at the centres of its outermost pixels.
"""

import numpy as np

from tinynet_kernels.dispatch import FLOATS, Family, array_module

__all__ = ["bilinear"]

BORDERS = ("constant", "edge", "reflect")

_family = Family(__name__, gpu=FLOATS)


def bilinear(x, rows, columns, border="constant", fill=0.0):
    """The values of an image at given places.

    Args:
        x: (H, W, C), floating-point, with at least one pixel.
        rows, columns: the places, two arrays of the same shape (H', W'), finite.
        border: how the image goes on beyond its outermost pixels, see above.
        fill: a number, or one for each channel, for the border ``"constant"``.

    Returns:
        (H', W', C), of the dtype of x. Also a pixel of weight 0 counts: beside NaN or infinity is NaN.

    Raises:
        ValueError: shapes do not fit, there is no such border, or a place is not finite. On a GPU, where
            looking at the places would make the program wait, the value at NaN is NaN instead.
    """
    xp = array_module(x)
    if x.ndim != 3 or not (x.shape[0] and x.shape[1]):
        raise ValueError(f"sampling.bilinear: x must be (H, W, C) with at least one pixel, not {x.shape}")
    if rows.ndim != 2 or rows.shape != columns.shape:
        raise ValueError(
            f"sampling.bilinear: rows and columns must have one shape (H', W'), not {rows.shape} and "
            f"{columns.shape}"
        )
    if border not in BORDERS:
        raise ValueError(f"sampling.bilinear: border must be one of {', '.join(BORDERS)}, not {border!r}")
    if np.shape(fill) not in ((), x.shape[2:]):
        raise ValueError(f"sampling.bilinear: fill must be one number or {x.shape[2]}, not {fill!r}")
    if xp is np and not (np.isfinite(rows).all() and np.isfinite(columns).all()):
        raise ValueError("sampling.bilinear: rows and columns must be finite")
    fill = xp.broadcast_to(xp.asarray(fill, x.dtype), x.shape[2:])
    return _family.take(x, rows, columns).bilinear(x, rows, columns, border, fill)
