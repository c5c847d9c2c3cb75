"""Stride, padding and dilation as callers write them, brought into the form that the kernels take."""

from numbers import Integral
from typing import NamedTuple

from tinynet.autograd import as_tensor
from tinynet.errors import ArgumentError, DTypeError, ShapeError

__all__: list[str] = []


class Geometry(NamedTuple):
    """How a window moves: one entry per spatial axis each, padding as (before, after) pairs."""

    stride: tuple
    padding: tuple
    dilation: tuple


def per_axis(operation, argument, value, dimensions, least=1):
    """A number for all spatial axes, or one for each, as a tuple of `dimensions` integers."""
    parts = (value,) * dimensions if isinstance(value, Integral) else value
    if (
        not isinstance(parts, (tuple, list))
        or len(parts) != dimensions
        or not all(isinstance(part, Integral) and part >= least for part in parts)
    ):
        raise ArgumentError(
            f"{operation}: {argument} must be an integer of at least {least} or {dimensions} of them, "
            f"not {value!r}"
        )
    return tuple([int(part) for part in parts])


def padding_pairs(operation, padding, input_size, window, stride, dilation):
    """Padding in any of its forms as a tuple of (before, after) pairs.

    "valid" is none; "same" makes the output ceil(input / stride) long, an odd surplus going behind. Else a
    number for all sides, one for each axis, or a (before, after) pair for each axis.
    """
    dimensions = len(input_size)
    if isinstance(padding, str) and padding == "valid":
        return ((0, 0),) * dimensions
    if isinstance(padding, str) and padding == "same":
        pairs = []
        for size, kernel, step, spread in zip(input_size, window, stride, dilation, strict=True):
            total = max((-(-size // step) - 1) * step + spread * (kernel - 1) + 1 - size, 0)
            pairs.append((total // 2, total - total // 2))
        return tuple(pairs)
    parts = padding
    if isinstance(padding, Integral):
        parts = (padding,) * dimensions
    elif dimensions == 1 and isinstance(padding, (tuple, list)) and len(padding) == 2:
        parts = (padding,)
    if isinstance(parts, (tuple, list)) and len(parts) == dimensions:
        pairs = [(part, part) if isinstance(part, Integral) else part for part in parts]
        if all(map(_is_pair, pairs)):
            return tuple([(int(before), int(after)) for before, after in pairs])
    raise ArgumentError(
        f"{operation}: padding must be 'same', 'valid', a number, or for each of the {dimensions} spatial "
        f"axes a number or a (before, after) pair, none negative, not {padding!r}"
    )


def _is_pair(value):
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        return False
    return all(isinstance(part, Integral) and part >= 0 for part in value)


def resolve(operation, input_size, window, stride, padding, dilation):
    """The `Geometry` of a window over an input. Raises ShapeError, naming the axis, where it doesn't fit."""
    dimensions = len(input_size)
    stride = per_axis(operation, "stride", stride, dimensions)
    dilation = per_axis(operation, "dilation", dilation, dimensions)
    pairs = padding_pairs(operation, padding, input_size, window, stride, dilation)
    for axis in range(dimensions):
        extent = dilation[axis] * (window[axis] - 1) + 1
        room = input_size[axis] + sum(pairs[axis])
        if room < extent:
            raise ShapeError(
                f"{operation}: the window covers {extent} (size {window[axis]}, dilation {dilation[axis]}) "
                f"but spatial axis {axis} of x has only {room} (size {input_size[axis]}, padding "
                f"{pairs[axis]})"
            )
    return Geometry(stride, pairs, dilation)


_LETTERS = {1: "(N, T, C)", 2: "(N, H, W, C)", 3: "(N, D, H, W, C)"}


def spatial_input(operation, x, dimensions):
    """x as a tensor of floating-point numbers, checked to have a batch, the spatial axes and channels."""
    x = as_tensor(x)
    if x.ndim != dimensions + 2:
        raise ShapeError(
            f"{operation}: x must have {dimensions + 2} axes {_LETTERS[dimensions]}, but has shape {x.shape}"
        )
    if x.dtype.kind != "f":
        raise DTypeError(f"{operation}: x must hold floating-point numbers, not {x.dtype}")
    return x
