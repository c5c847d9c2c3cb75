"""Other shapes for the same elements: reshaping, the order of axes, repeating.

Joining, cutting and padding are in `joining.py` and offered here as well.
"""

import numpy as np

from tinynet.autograd import Function, Tensor, as_tensor
from tinynet.backend import array_module, default_dtype, is_on_gpu
from tinynet.errors import ArgumentError, DTypeError, ShapeError
from tinynet.functional.arithmetic import check_broadcast, sum_to
from tinynet.functional.axes import as_shape, one_axis, several_axes
from tinynet.functional.elementwise import where
from tinynet.functional.joining import chunk, concatenate, pad, split, stack, unbind

__all__ = [
    "broadcast_to",
    "chunk",
    "concatenate",
    "expand_dims",
    "flatten",
    "flip",
    "moveaxis",
    "one_hot",
    "pad",
    "permute",
    "repeat",
    "reshape",
    "roll",
    "split",
    "squeeze",
    "stack",
    "swapaxes",
    "tile",
    "transpose",
    "tril",
    "triu",
    "unbind",
    "unsqueeze",
]


class Reshape(Function):
    __slots__ = ("shape", "source_shape")

    def __init__(self, shape):
        self.shape = shape

    def forward(self, x):
        self.source_shape = x.shape
        return x.reshape(self.shape)

    def backward(self, gy):
        return gy.reshape(self.source_shape)

    backward_arrays = backward

    def explain(self, error, x):
        raise ShapeError(
            f"reshape: x of shape {x.shape} has {x.size} elements, which do not fill shape {self.shape}"
        )


def reshape(x, *shape):
    """The same elements, in order, in another shape. One size may be −1: what is left over."""
    return Reshape(as_shape(shape))(as_tensor(x))


def flatten(x, start_axis=0, end_axis=-1):
    """x with the axes from `start_axis` to `end_axis` made into one."""
    x = as_tensor(x)
    if x.ndim == 0:
        return x.reshape(1)
    first = one_axis("flatten", start_axis, x.ndim, x.shape)
    last = one_axis("flatten", end_axis, x.ndim, x.shape)
    if first > last:
        raise ArgumentError(f"flatten: start_axis ({start_axis}) lies behind end_axis ({end_axis})")
    size = int(np.prod(x.shape[first : last + 1], dtype=np.int64))
    return x.reshape(*x.shape[:first], size, *x.shape[last + 1 :])


class Permute(Function):
    __slots__ = ("axes",)

    def __init__(self, axes):
        self.axes = axes

    def forward(self, x):
        return x.transpose(self.axes)

    def backward(self, gy):
        return Permute(self._inverse())(gy)

    def backward_arrays(self, gy):
        return gy.transpose(self._inverse())

    def _inverse(self):
        inverse = [0] * len(self.axes)
        for new, old in enumerate(self.axes):
            inverse[old] = new
        return tuple(inverse)


def permute(x, *axes):
    """x with its axes in another order: axis i of the output is axis ``axes[i]`` of x.

    Raises ShapeError unless every axis is named once.
    """
    x = as_tensor(x)
    if len(axes) == 1 and isinstance(axes[0], (tuple, list)):
        axes = axes[0]
    ordered = several_axes("permute", tuple(axes), x.ndim, x.shape)
    if len(ordered) != x.ndim:
        raise ShapeError(
            f"permute: axes {tuple(axes)} must name each of the {x.ndim} axes of x (shape {x.shape}) once; "
            "swapaxes exchanges two"
        )
    return Permute(ordered)(x)


def transpose(x, *axes):
    """x with its axes reversed or, when they are given, in that order (see `permute`), as in NumPy."""
    x = as_tensor(x)
    if not axes or axes == (None,):
        return Permute(tuple(range(x.ndim))[::-1])(x)
    return permute(x, *axes)


def swapaxes(x, axis1, axis2):
    """x with two axes exchanged."""
    x = as_tensor(x)
    ndim = x.ndim
    first = one_axis("swapaxes", axis1, ndim, x.shape)
    second = one_axis("swapaxes", axis2, ndim, x.shape)
    axes = list(range(ndim))
    axes[first], axes[second] = second, first
    return Permute(tuple(axes))(x)


def moveaxis(x, source, destination):
    """x with the axes `source` moved to the places `destination`; the others keep their order."""
    x = as_tensor(x)
    sources = several_axes("moveaxis", source, x.ndim, x.shape)
    places = several_axes("moveaxis", destination, x.ndim, x.shape)
    if len(sources) != len(places):
        raise ArgumentError(f"moveaxis: {len(sources)} source axes but {len(places)} destinations")
    axes = [axis for axis in range(x.ndim) if axis not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        axes.insert(place, axis)
    return Permute(tuple(axes))(x)


def expand_dims(x, axis):
    """x with new axes of size 1 at the places `axis` (an integer or several) of the output."""
    x = as_tensor(x)
    ndim = x.ndim + (len(axis) if isinstance(axis, (tuple, list)) else 1)
    places = several_axes("expand_dims", axis, ndim)
    sizes = iter(x.shape)
    return x.reshape([1 if place in places else next(sizes) for place in range(ndim)])


def unsqueeze(x, axis):
    """x with a new axis of size 1 at the place `axis` of the output."""
    return expand_dims(x, axis)


def squeeze(x, axis=None):
    """x without the axes `axis`, which must have size 1; without all such axes for None."""
    x = as_tensor(x)
    if axis is None:
        return x.reshape([size for size in x.shape if size != 1])
    axes = several_axes("squeeze", axis, x.ndim, x.shape)
    for place in axes:
        if x.shape[place] != 1:
            raise ShapeError(
                f"squeeze: axis {place} of x (shape {x.shape}) has {x.shape[place]} elements, not 1"
            )
    return x.reshape([size for place, size in enumerate(x.shape) if place not in axes])


class BroadcastTo(Function):
    __slots__ = ("shape", "source_shape")

    def __init__(self, shape):
        self.shape = shape

    def forward(self, x):
        self.source_shape = x.shape
        return self.xp.broadcast_to(x, self.shape)

    def backward(self, gy):
        return sum_to(gy, self.source_shape)

    backward_arrays = backward

    def explain(self, error, x):
        check_broadcast("broadcast_to", x.shape, self.shape)
        raise ShapeError(f"broadcast_to: x of shape {x.shape} does not broadcast to shape {self.shape}")


def broadcast_to(x, *shape):
    """x repeated along axes of size 1 and along new axes in front, to the given shape. A view."""
    return BroadcastTo(as_shape(shape))(as_tensor(x))


def tile(x, repetitions):
    """x put side by side with itself, `repetitions` times along each axis (NumPy's tile).

    A single number, or fewer numbers than axes, counts for the last axes; more numbers add axes in front.
    """
    x = as_tensor(x)
    counts = as_shape((repetitions,))
    counts = (1,) * (x.ndim - len(counts)) + counts
    sizes = (1,) * (len(counts) - x.ndim) + x.shape
    apart = x.reshape([part for size in sizes for part in (1, size)])
    copies = broadcast_to(apart, [part for pair in zip(counts, sizes, strict=True) for part in pair])
    return copies.reshape([count * size for count, size in zip(counts, sizes, strict=True)])


def repeat(x, repetitions, axis):
    """x with each slice along an axis repeated on the spot, `repetitions` times (NumPy's repeat)."""
    x = as_tensor(x)
    axis = one_axis("repeat", axis, x.ndim, x.shape)
    before, size, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    copies = broadcast_to(x.reshape(*before, size, 1, *after), *before, size, repetitions, *after)
    return copies.reshape(*before, size * repetitions, *after)


class Flip(Function):
    __slots__ = ("axes",)

    def __init__(self, axes):
        self.axes = axes

    def forward(self, x):
        return self.xp.flip(x, self.axes)

    def backward(self, gy):
        return Flip(self.axes)(gy)

    def backward_arrays(self, gy):
        return self.xp.flip(gy, self.axes)


def flip(x, axis=None):
    """x in reverse order along an axis, several, or all of them for None. A view."""
    x = as_tensor(x)
    return Flip(several_axes("flip", axis, x.ndim, x.shape))(x)


class Roll(Function):
    __slots__ = ("axes", "shifts")

    def __init__(self, shifts, axes):
        self.shifts = shifts
        self.axes = axes

    def forward(self, x):
        return self.xp.roll(x, self.shifts, self.axes)

    def backward(self, gy):
        return Roll(tuple([-shift for shift in self.shifts]), self.axes)(gy)


def roll(x, shift, axis=None):
    """x shifted along axes; what leaves at one end comes in at the other.

    Args:
        shift: by how many places, one number or one for each axis.
        axis: the axis or axes; None shifts x as if it were flat.
    """
    x = as_tensor(x)
    if axis is None:
        return roll(x.reshape(-1), shift, 0).reshape(x.shape)
    axes = several_axes("roll", axis, x.ndim, x.shape)
    shifts = tuple(shift) if isinstance(shift, (tuple, list)) else (shift,) * len(axes)
    if len(shifts) != len(axes):
        raise ArgumentError(f"roll: {len(shifts)} shifts for {len(axes)} axes")
    return Roll(shifts, axes)(x)


def _triangle(operation, x, offset):
    """x as a tensor, and where the last two axes lie on or below a diagonal."""
    x = as_tensor(x)
    if x.ndim < 2:
        raise ShapeError(f"{operation}: x must have at least two axes, not shape {x.shape}")
    return x, array_module(x.data).tri(*x.shape[-2:], offset, dtype=bool)


def tril(x, offset=0):
    """The lower triangle of the matrices in the last two axes, zero above; `offset` > 0 keeps more."""
    x, lower = _triangle("tril", x, offset)
    return where(lower, x, 0)


def triu(x, offset=0):
    """The upper triangle of the matrices in the last two axes, zero below; `offset` > 0 keeps less."""
    x, lower = _triangle("triu", x, offset - 1)
    return where(lower, 0, x)


def one_hot(labels, classes, dtype=None):
    """Labels (...) as rows of zeros with a one: (..., classes). Has no gradient.

    Args:
        labels: integers from 0 to classes − 1. On a GPU they are not looked at, and others give zeros only.
        classes: the number of classes.
        dtype: of the output; the default floating dtype if not given.
    """
    labels = as_tensor(labels).data
    if labels.dtype.kind not in "iu":
        raise DTypeError(f"one_hot: labels must be integers, not {labels.dtype}")
    if labels.size and not is_on_gpu(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ArgumentError(
            f"one_hot: labels reach from {labels.min()} to {labels.max()}, outside 0 … {classes - 1}"
        )
    xp = array_module(labels)
    return Tensor((labels[..., None] == xp.arange(classes)).astype(dtype or default_dtype()))
