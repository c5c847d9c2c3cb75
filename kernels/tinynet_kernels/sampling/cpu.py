"""Interpolation on the CPU.

Bilinear interpolation runs in one thread: images come by the thousand, and whoever samples them does so in
several threads already, an image in each. The interpreter is not held meanwhile.
"""

import numpy as np

from tinynet_kernels.compile import inner, kernel
from tinynet_kernels.memory import empty
from tinynet_kernels.sampling.resizing import resize, resize_backward

__all__ = ["bilinear", "resize", "resize_backward"]

_CONSTANT, _EDGE, _REFLECT = range(3)
_NUMBERS = {"constant": _CONSTANT, "edge": _EDGE, "reflect": _REFLECT}


def bilinear(x, rows, columns, border, fill):
    y = empty((*rows.shape, x.shape[2]), x.dtype)
    if y.size:
        arrays = (np.ascontiguousarray(array).reshape(-1) for array in (x, rows, columns, fill))
        _sample(*arrays, *x.shape[:2], _NUMBERS[border], y.reshape(-1))
    return y


@kernel(parallel=False, nogil=True)
def _sample(x, rows, columns, fill, height, width, border, y):
    """Fills y, (places · channels,); x is (height · width · channels,)."""
    one = x.dtype.type(1)  # with an integer, Numba would compute in float64
    channels = np.uint64(fill.size)  # unsigned, since Numba looks at signed indices for those below 0
    stride = np.uint64(width) * channels
    for place in range(rows.size):
        row, column = _place(rows[place], height, border), _place(columns[place], width, border)
        top, left = np.floor(row), np.floor(column)
        a, b = row - top, column - left
        r, c = np.int64(top), np.int64(left)
        target = np.uint64(place) * channels
        if 0 <= r < height - 1 and 0 <= c < width - 1:
            corner = np.uint64(r) * stride + np.uint64(c) * channels
            y[target] = _between(x, corner, stride, channels, a, b)
            if channels == 3:  # spelled out, since to enter a loop takes longer than three turns of it
                y[target + np.uint64(1)] = _between(x, corner + np.uint64(1), stride, channels, a, b)
                y[target + np.uint64(2)] = _between(x, corner + np.uint64(2), stride, channels, a, b)
            else:
                for k in range(np.uint64(1), channels):
                    y[target + k] = _between(x, corner + k, stride, channels, a, b)
        elif r < -1 or r >= height or c < -1 or c >= width:
            for k in range(channels):
                y[target + k] = fill[k]
        else:
            for k in range(channels):
                above = (one - b) * _pixel(x, height, width, r, c, k, fill, border)
                above += b * _pixel(x, height, width, r, c + 1, k, fill, border)
                below = (one - b) * _pixel(x, height, width, r + 1, c, k, fill, border)
                below += b * _pixel(x, height, width, r + 1, c + 1, k, fill, border)
                y[target + k] = (one - a) * above + a * below


@inner
def _between(x, corner, stride, channels, a, b):
    one = x.dtype.type(1)
    above = (one - b) * x[corner] + b * x[corner + channels]
    below = (one - b) * x[corner + stride] + b * x[corner + stride + channels]
    return (one - a) * above + a * below


@inner
def _place(position, length, border):
    """As in the reference; what comes out is small enough for an integer."""
    dtype = type(position)
    if border == _CONSTANT:
        return min(max(position, dtype(-2)), dtype(length + 1))
    if border == _EDGE or length == 1:
        return min(max(position, dtype(0)), dtype(length - 1))
    period = dtype(2 * (length - 1))
    folded = position - period * np.floor(position / period)
    return min(max(min(folded, period - folded), dtype(0)), dtype(length - 1))


@inner
def _pixel(x, height, width, r, c, k, fill, border):
    if border == _CONSTANT and not (0 <= r < height and 0 <= c < width):
        return fill[k]
    nearest = min(max(r, 0), height - 1) * width + min(max(c, 0), width - 1)
    return x[np.uint64(nearest) * np.uint64(fill.size) + k]
