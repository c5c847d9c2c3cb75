"""The geometry of sliding windows, shared by convolution and pooling.

A window has one entry per spatial dimension in each of: its size, `stride`, `dilation`, and `padding`,
which holds (before, after) pairs. Output position o and window position k meet the input at
``o * stride - before + k * dilation``.
"""

from itertools import product
from math import prod

import numpy as np

__all__ = [
    "Volume",
    "crop_spatial",
    "output_size",
    "pad_spatial",
    "window_counts",
    "window_views",
]


def output_size(input_size, kernel_size, stride, padding, dilation):
    """The number of output positions per spatial dimension, as a tuple.

    ``(size + before + after - dilation * (kernel - 1) - 1) // stride + 1`` for each dimension.

    Raises:
        ValueError: the arguments disagree on the number of dimensions, a number is out of its domain,
            or the window does not fit into the padded input; the message names the axis.
    """
    lengths = [len(argument) for argument in (input_size, kernel_size, stride, padding, dilation)]
    if len(set(lengths)) != 1 or not 1 <= lengths[0] <= 3:
        raise ValueError(
            "output_size: input_size, kernel_size, stride, padding and dilation need one entry per spatial "
            f"dimension (1 to 3), but have {', '.join(map(str, lengths))}"
        )
    return tuple(
        _axis_output_size(*axis)
        for axis in zip(range(lengths[0]), input_size, kernel_size, stride, padding, dilation, strict=True)
    )


def _axis_output_size(axis, size, kernel, stride, padding, dilation):
    before, after = padding
    if size < 0 or kernel < 1 or stride < 1 or dilation < 1 or before < 0 or after < 0:
        raise ValueError(
            "output_size: kernel, stride and dilation must be at least 1 and padding at least 0, but "
            f"spatial axis {axis} has size {size}, kernel {kernel}, stride {stride}, padding ({before}, "
            f"{after}), dilation {dilation}"
        )
    extent = dilation * (kernel - 1) + 1
    room = size + before + after
    if room < extent:
        raise ValueError(
            f"output_size: the window covers {extent} (kernel {kernel}, dilation {dilation}) but spatial "
            f"axis {axis} has only {room} (size {size}, padding ({before}, {after}))"
        )
    return (room - extent) // stride + 1


def pad_spatial(xp, x, padding):
    """`x` (N, *spatial, C) with zeros around its spatial dimensions."""
    return xp.pad(x, ((0, 0), *padding, (0, 0)))


def crop_spatial(x, padding):
    """`x` (N, *spatial, C) without the padding that `pad_spatial` has put around it."""
    inside = (
        slice(before, size - after) for (before, after), size in zip(padding, x.shape[1:-1], strict=True)
    )
    return x[(slice(None), *inside)]


def window_views(padded, kernel_size, stride, dilation, output):
    """For each position of the window, in row-major order: the position and the view that it sees.

    Yields ``(position, view)``; the views (N, *output, C) share memory with `padded`.
    """
    for position in product(*map(range, kernel_size)):
        starts = [k * d for k, d in zip(position, dilation, strict=True)]
        axes = zip(starts, stride, output, strict=True)
        yield position, padded[(slice(None), *(slice(a, a + s * (o - 1) + 1, s) for a, s, o in axes))]


def window_counts(input_size, window, stride, padding, count_padding):
    """How many elements each pooling window averages, at least 1: an int64 NumPy array (*output).

    All of the window's if `count_padding`, otherwise only those that lie inside the input.
    """
    output = output_size(input_size, window, stride, padding, (1,) * len(window))
    if count_padding:
        return np.full(output, prod(window))
    counts = np.ones((), np.int64)
    for size, w, s, (before, _), o in zip(input_size, window, stride, padding, output, strict=True):
        start = np.arange(o) * s - before
        inside = np.minimum(start + w, size) - np.maximum(start, 0)
        counts = np.multiply.outer(counts, np.maximum(inside, 0))
    return np.maximum(counts, 1)


class Volume:
    """A window's geometry with exactly three spatial dimensions, which is what the CPU kernels take.

    Missing leading dimensions have size 1.
    """

    __slots__ = ("before", "dilation", "input", "kernel", "output", "stride")

    def __init__(self, input_size, kernel_size, stride, padding, dilation):
        output = output_size(input_size, kernel_size, stride, padding, dilation)
        self.input = _three(input_size, 1)
        self.kernel = _three(kernel_size, 1)
        self.output = _three(output, 1)
        self.stride = _three(stride, 1)
        self.dilation = _three(dilation, 1)
        self.before = _three([before for before, _ in padding], 0)

    @property
    def window(self):
        """The arguments that every kernel ends with: stride, padding before, dilation."""
        return self.stride, self.before, self.dilation

    @property
    def axes(self):
        """For each axis: sizes of input and window, stride, padding before, dilation, size of the output."""
        sizes = self.input, self.kernel, self.stride, self.before, self.dilation, self.output
        return list(zip(*sizes, strict=True))


def _three(entries, missing):
    return (missing,) * (3 - len(entries)) + tuple(int(entry) for entry in entries)
