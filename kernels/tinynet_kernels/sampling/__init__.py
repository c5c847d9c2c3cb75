"""Sampling: the values of an image between its pixels, by bilinear interpolation, and axes of another length.

The centre of pixel (r, c) lies at row r and column c. At a place between four pixels the value is their mean,
weighted by how near they are:

    y = (1 − a)(1 − b) x[r, c] + (1 − a) b x[r, c + 1] + a (1 − b) x[r + 1, c] + a b x[r + 1, c + 1]

with a and b the fractional parts of row and column. Beyond the outermost pixels the image goes on as `border`
says:

* ``"constant"``: every pixel there is `fill`;
* ``"edge"``: the outermost pixels are repeated;
* ``"reflect"``: the image is mirrored at the centres of its outermost pixels.
"""

from math import prod

import numpy as np

from tinynet_kernels.dispatch import FLOATS, Family, array_module
from tinynet_kernels.sampling.scales import METHODS, scale

__all__ = ["bilinear", "resize", "resize_backward"]

BORDERS = ("constant", "edge", "reflect")

_family = Family(__name__, gpu=FLOATS, widens=True)


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


def resize(x, axis, size, method="nearest"):
    """An array whose axis of n > 0 elements is made to have `size` elements.

    Element j of the new axis lies, counted in elements of the old one, at

    * ``"nearest"``: j · n / size, rounded down;
    * ``"linear"``: (j + 1/2) · n / size − 1/2, so that the outer edges of the outermost elements stay where
      they are; below the centre of the first element is the first element;
    * ``"corners"``: j · (n − 1) / (size − 1), so that the centres of the outermost elements do.

    The last two interpolate linearly between the elements below and above. An element on the place of
    an old one is that one, whatever its neighbours are.

    Args:
        x: (..., n, ...), floating-point.
        axis: which, from 0 on.

    Returns:
        (..., size, ...).

    Raises:
        ValueError: there is no such axis or method, or the axis has no elements.
    """
    _check_axis("resize", x, axis, method)
    _check_lengths("resize", x.shape[axis], size)
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    rows = x.reshape(prod(before), x.shape[axis], prod(after))
    y = _family.take(x).resize(rows, scale(x.shape[axis], size, method))
    return y.reshape(*before, size, *after)


def resize_backward(gy, axis, size, method="nearest"):
    """The gradient with respect to x (..., n, ...), where n is `size`, given gy of the result of `resize`."""
    _check_axis("resize_backward", gy, axis, method)
    _check_lengths("resize_backward", size, gy.shape[axis])
    before, after = gy.shape[:axis], gy.shape[axis + 1 :]
    rows = gy.reshape(prod(before), gy.shape[axis], prod(after))
    gx = _family.take(gy).resize_backward(rows, scale(size, gy.shape[axis], method))
    return gx.reshape(*before, size, *after)


def _check_axis(function, array, axis, method):
    if not 0 <= axis < array.ndim:
        raise ValueError(f"sampling.{function}: there is no axis {axis} in an array of shape {array.shape}")
    if method not in METHODS:
        raise ValueError(f"sampling.{function}: method must be one of {', '.join(METHODS)}, not {method!r}")


def _check_lengths(function, old, new):
    if old < 1 or new < 0:
        raise ValueError(f"sampling.{function}: an axis of {old} elements can't be made one of {new}")
