"""Layers that change the shape: flattening, reshaping, padding."""

from math import prod
from numbers import Integral

from tinynet import functional as F
from tinynet.autograd import as_tensor
from tinynet.errors import ArgumentError, ShapeError
from tinynet.nn.module import Module

__all__ = ["Flatten", "ReflectionPad2d", "ReplicationPad2d", "Reshape", "Unflatten", "ZeroPad2d"]


class Flatten(Module):
    """The axes from start_axis to end_axis made into one; by default all but the batch's.

    (N, H, W, C) → (N, H · W · C), with the channels changing fastest.
    """

    def __init__(self, start_axis=1, end_axis=-1):
        self.start_axis = start_axis
        self.end_axis = end_axis

    def forward(self, x):
        return F.flatten(x, self.start_axis, self.end_axis)

    def extra_repr(self):
        return f"start_axis={self.start_axis}, end_axis={self.end_axis}"


class Reshape(Module):
    """The elements of each sample in another shape, (N, ...) → (N, *shape).

    Args:
        shape: the sizes, the batch axis left out; one of them may be −1, what is left over.

    Raises:
        ArgumentError: a size is below −1, or several are −1.
        ShapeError: in forward, when the number of elements does not fit.
    """

    def __init__(self, *shape):
        self.shape = _sizes("Reshape", shape[0] if len(shape) == 1 else shape)

    def forward(self, x):
        x = as_tensor(x)
        if not x.ndim:
            raise ShapeError("Reshape: x must have a batch axis, but has no axes")
        return x.reshape(x.shape[0], *_resolved("Reshape", self.shape, x.shape[1:]))

    def extra_repr(self):
        return str(self.shape)


class Unflatten(Module):
    """One axis made into several, the reverse of `Flatten`.

    Args:
        axis: the axis to cut up.
        sizes: the sizes that take its place; one of them may be −1, what is left over.

    Raises:
        ArgumentError: a size is below −1, or several are −1.
        ShapeError: in forward, when the axis is missing or its size does not fit.
    """

    def __init__(self, axis, sizes):
        self.axis = axis
        self.sizes = _sizes("Unflatten", sizes)

    def forward(self, x):
        x = as_tensor(x)
        if not -x.ndim <= self.axis < x.ndim:
            raise ShapeError(f"Unflatten: axis {self.axis} does not exist in x of shape {x.shape}")
        axis = self.axis % x.ndim
        sizes = _resolved("Unflatten", self.sizes, x.shape[axis : axis + 1])
        return x.reshape(*x.shape[:axis], *sizes, *x.shape[axis + 1 :])

    def extra_repr(self):
        return f"axis={self.axis}, sizes={self.sizes}"


def _sizes(layer, shape):
    shape = (shape,) if isinstance(shape, Integral) else tuple(shape)
    if any(not isinstance(size, Integral) or size < -1 for size in shape) or shape.count(-1) > 1:
        raise ArgumentError(
            f"{layer}: sizes must be integers of at least 0, one of them may be −1, not {shape}"
        )
    return tuple(map(int, shape))


def _resolved(layer, wanted, found):
    """The wanted sizes with −1 replaced by what is left of the found ones."""
    total, known = prod(found), prod(size for size in wanted if size != -1)
    left = total // known if known else 0
    sizes = tuple([left if size == -1 else size for size in wanted])
    if prod(sizes) != total:
        raise ShapeError(f"{layer}: {total} elements of the sizes {found} do not fit into {wanted}")
    return sizes


class _Pad2d(Module):
    """
    Args:
        padding: an integer for all four sides, one for each axis (height, width), or a pair (before,
            after) for each: ((top, bottom), (left, right)).

    Raises:
        ArgumentError: the padding has another form, or is below 0.
        ShapeError: in forward, when x is not (N, H, W, C).
    """

    mode = "constant"

    def __init__(self, padding):
        per_axis = (padding, padding) if isinstance(padding, Integral) else tuple(padding)
        pairs = [(entry, entry) if isinstance(entry, Integral) else tuple(entry) for entry in per_axis]
        if len(pairs) != 2 or any(len(pair) != 2 or min(pair) < 0 for pair in pairs):
            raise ArgumentError(
                f"{type(self).__name__}: padding must be an integer of at least 0, one for each axis, or a "
                f"pair (before, after) for each axis, not {padding!r}"
            )
        self.padding = tuple(pairs)

    def forward(self, x):
        x = as_tensor(x)
        if x.ndim != 4:
            raise ShapeError(f"{type(self).__name__}: x must have the shape (N, H, W, C), not {x.shape}")
        return F.pad(x, ((0, 0), *self.padding, (0, 0)), mode=self.mode)

    def extra_repr(self):
        return str(self.padding)


class ZeroPad2d(_Pad2d):
    __doc__ = f"Zeros around images, (N, H, W, C) → (N, H + …, W + …, C).\n{_Pad2d.__doc__}"


class ReflectionPad2d(_Pad2d):
    __doc__ = f"Images mirrored at their outermost pixels, which are not repeated.\n{_Pad2d.__doc__}"
    mode = "reflect"


class ReplicationPad2d(_Pad2d):
    __doc__ = f"The outermost pixels of images repeated around them.\n{_Pad2d.__doc__}"
    mode = "edge"
