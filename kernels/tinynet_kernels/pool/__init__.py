"""Max and average pooling in one, two or three spatial dimensions, channels-last (N, *spatial, C).

Geometry as in `tinynet_kernels.conv`: `window`, `stride` and `dilation` are tuples with one entry per
spatial dimension, `padding` a tuple of (before, after) pairs. Padding never wins a maximum.

Source: Scherer, Müller & Behnke, Evaluation of Pooling Operations in Convolutional Architectures (2010).
"""

from functools import lru_cache

from tinynet_kernels.dispatch import FLOATS, Family
from tinynet_kernels.windows import output_size

__all__ = [
    "average_backward",
    "average_forward",
    "max_backward",
    "max_forward",
    "max_gather",
    "output_size",
]

_family = Family(__name__, gpu=FLOATS)

_output_size = lru_cache(maxsize=512)(output_size)  # as often called as the kernels, with the same arguments


def max_forward(x, window, stride, padding, dilation):
    """The largest element of each window, and where in the window it was.

    Args:
        x: (N, *spatial, C).

    Returns:
        y (N, *output, C) in x's dtype, and indices of the same shape: the winner's row-major position
        inside the window, as uint8 if the window has fewer than 255 elements, otherwise as int32. The
        first of equal elements wins; NaN beats everything. A window that lies wholly in the padding gives
        -inf and the index -1, which is 255 in uint8.
    """
    _check_dimensions("max_forward", x, "x", window)
    return _family.take(x).max_forward(x, tuple(window), stride, padding, dilation)


def max_backward(gy, indices, input_size, window, stride, padding, dilation):
    """Adds each gy (N, *output, C) to the place where its maximum was → (N, *input_size, C)."""
    _check_dimensions("max_backward", gy, "gy", window)
    _check_output("max_backward", gy, "gy", _output_size(input_size, window, stride, padding, dilation))
    _check_indices("max_backward", indices, gy.shape)
    take = _family.take(gy)
    return take.max_backward(gy, indices, tuple(input_size), tuple(window), stride, padding, dilation)


def max_gather(values, indices, window, stride, padding, dilation):
    """Picks from values (N, *spatial, C) what the indices of `max_forward` point at → (N, *output, C).

    The index of a window that saw nothing gives 0. The derivative of `max_backward` with respect to gy.
    """
    _check_dimensions("max_gather", values, "values", window)
    output = _output_size(values.shape[1:-1], window, stride, padding, dilation)
    _check_indices("max_gather", indices, (values.shape[0], *output, values.shape[-1]))
    return _family.take(values).max_gather(values, indices, tuple(window), stride, padding, dilation)


def average_forward(x, window, stride, padding, count_padding):
    """The mean of each window, x (N, *spatial, C) → (N, *output, C).

    The sum is divided by the size of the window if `count_padding`, otherwise by the number of its
    elements that lie inside x.
    """
    _check_dimensions("average_forward", x, "x", window)
    return _family.take(x).average_forward(x, tuple(window), stride, padding, count_padding)


def average_backward(gy, input_size, window, stride, padding, count_padding):
    """Spreads each gy (N, *output, C) evenly over its window → (N, *input_size, C)."""
    _check_dimensions("average_backward", gy, "gy", window)
    dilation = (1,) * len(window)
    _check_output("average_backward", gy, "gy", _output_size(input_size, window, stride, padding, dilation))
    take = _family.take(gy)
    return take.average_backward(gy, tuple(input_size), tuple(window), stride, padding, count_padding)


def _check_dimensions(function, array, name, window):
    if array.ndim != len(window) + 2:
        raise ValueError(
            f"pool.{function}: {name} has shape {array.shape}, but a window of {tuple(window)} needs "
            f"{len(window) + 2} dimensions (N, *spatial, C)"
        )


def _check_output(function, array, name, output):
    if array.shape[1:-1] != output:
        raise ValueError(
            f"pool.{function}: {name} has spatial size {array.shape[1:-1]} (shape {array.shape}), but the "
            f"output of this pooling has {output}"
        )


def _check_indices(function, indices, shape):
    if indices.shape != shape or indices.dtype.kind not in "iu":
        raise ValueError(
            f"pool.{function}: indices must be integers of shape {shape}, not {indices.dtype} of "
            f"shape {indices.shape}"
        )
