"""Joining tensors, cutting them into parts, and padding them."""

from numbers import Integral

from tinynet.autograd import Function, as_tensor
from tinynet.backend import array_module
from tinynet.errors import ArgumentError, ShapeError
from tinynet.functional.arithmetic import common_dtype
from tinynet.functional.axes import one_axis
from tinynet.functional.conversion import cast
from tinynet.functional.indexing import index_select
from tinynet_kernels import joining as kernels

__all__ = ["chunk", "concatenate", "pad", "split", "stack", "unbind"]


class Concatenate(Function):
    __slots__ = ("axis", "sizes")

    def __init__(self, axis):
        self.axis = axis

    def forward(self, *arrays):
        self.sizes = [array.shape[self.axis] for array in arrays]
        return kernels.join(arrays, self.axis)

    def backward(self, gy):
        front = (slice(None),) * self.axis
        parts = []
        start = 0
        for index, size in enumerate(self.sizes):
            parts.append(gy[(*front, slice(start, start + size))] if self.needs(index) else None)
            start += size
        return tuple(parts)

    def backward_arrays(self, gy):
        parts = kernels.split(gy, self.sizes, self.axis)
        return tuple([part if self.needs(index) else None for index, part in enumerate(parts)])


def concatenate(tensors, axis=0):
    """Tensors joined along an axis that they have. All other sizes must agree.

    Raises ShapeError, naming the tensor and the axis at fault.
    """
    tensors = _of_one_dtype("concatenate", tensors)
    first = tensors[0].shape
    if not first:
        raise ShapeError("concatenate: tensors without axes cannot be joined; use stack")
    axis = one_axis("concatenate", axis, len(first), first)
    for index, tensor in enumerate(tensors):
        if tensor.ndim != len(first):
            raise ShapeError(
                f"concatenate: tensor {index} has {tensor.ndim} axes (shape {tensor.shape}) but tensor 0 "
                f"has {len(first)} (shape {first})"
            )
        for other, (size, expected) in enumerate(zip(tensor.shape, first, strict=True)):
            if other != axis and size != expected:
                raise ShapeError(
                    f"concatenate: tensor {index} has {size} elements along axis {other} (shape "
                    f"{tensor.shape}) but tensor 0 has {expected} (shape {first}); only axis {axis} may "
                    "differ"
                )
    return Concatenate(axis)(*tensors)


def _of_one_dtype(operation, tensors):
    tensors = [as_tensor(tensor) for tensor in tensors]
    if not tensors:
        raise ArgumentError(f"{operation}: at least one tensor is needed")
    dtypes = {tensor.data.dtype for tensor in tensors}
    if len(dtypes) == 1:
        return tensors
    common = common_dtype(*dtypes)
    return [cast(tensor, common) for tensor in tensors]


class Stack(Function):
    __slots__ = ("axis",)

    def __init__(self, axis):
        self.axis = axis

    def forward(self, *arrays):
        return self.xp.stack(arrays, self.axis)

    def backward(self, gy):
        return Unbind(self.axis)(gy)

    def backward_arrays(self, gy):
        return tuple(self.xp.moveaxis(gy, self.axis, 0))


class Unbind(Function):
    __slots__ = ("axis",)

    def __init__(self, axis):
        self.axis = axis

    def forward(self, x):
        return tuple(self.xp.moveaxis(x, self.axis, 0))

    def backward(self, *gradients):
        return Stack(self.axis)(*gradients)

    def backward_arrays(self, *gradients):
        return self.xp.stack(gradients, self.axis)


def stack(tensors, axis=0):
    """Tensors of one shape joined along a new axis, at the place `axis` of the output."""
    tensors = _of_one_dtype("stack", tensors)
    first = tensors[0].shape
    for index, tensor in enumerate(tensors):
        if tensor.shape != first:
            raise ShapeError(f"stack: tensor {index} has shape {tensor.shape} but tensor 0 has {first}")
    return Stack(one_axis("stack", axis, len(first) + 1))(*tensors)


def unbind(x, axis=0):
    """The slices of x along an axis, as a tuple of views that lack the axis: the reverse of stack."""
    x = as_tensor(x)
    axis = one_axis("unbind", axis, x.ndim, x.shape)
    return Unbind(axis)(x) if x.shape[axis] else ()


class Split(Function):
    __slots__ = ("axis", "boundaries")

    def __init__(self, boundaries, axis):
        self.boundaries = boundaries
        self.axis = axis

    def forward(self, x):
        return tuple(self.xp.split(x, self.boundaries, self.axis))

    def backward(self, *gradients):
        return Concatenate(self.axis)(*gradients)

    def backward_arrays(self, *gradients):
        return kernels.join(gradients, self.axis)


def split(x, sections, axis=0):
    """x cut along an axis, as a tuple of views (NumPy's split).

    Args:
        sections: into how many equal parts or, as a sequence, the places before which to cut.
        axis: the axis.

    Raises:
        ShapeError: the axis cannot be cut into equal parts, or the places are out of order or outside.
    """
    x = as_tensor(x)
    axis = one_axis("split", axis, x.ndim, x.shape)
    size = x.shape[axis]
    if isinstance(sections, Integral):
        count = int(sections)
        if count < 1 or size % count:
            raise ShapeError(
                f"split: axis {axis} of x (shape {x.shape}) has {size} elements, which do not divide "
                f"into {count} equal parts"
            )
        boundaries = list(range(size // count, size, size // count)) if size else [0] * (count - 1)
    else:
        boundaries = [int(place) for place in sections]
        if boundaries != sorted(boundaries) or (
            boundaries and not 0 <= boundaries[0] <= boundaries[-1] <= size
        ):
            raise ShapeError(
                f"split: places {boundaries} must rise from 0 to {size}, the size of axis {axis} of x "
                f"(shape {x.shape})"
            )
    return Split(boundaries, axis)(x)


def chunk(x, chunks, axis=0):
    """x cut along an axis into at most `chunks` parts of equal size, the last one smaller where needed."""
    x = as_tensor(x)
    axis = one_axis("chunk", axis, x.ndim, x.shape)
    if chunks < 1:
        raise ArgumentError(f"chunk: chunks must be at least 1, not {chunks}")
    size = x.shape[axis]
    step = max(-(-size // chunks), 1)
    return split(x, range(step, size, step), axis)


class Pad(Function):
    __slots__ = ("shape", "value", "widths")

    def __init__(self, widths, value):
        self.widths = widths
        self.value = value

    def forward(self, x):
        self.shape = x.shape
        return self.xp.pad(x, self.widths, constant_values=self.value)

    def backward(self, gy):
        inner = zip(self.widths, self.shape, strict=True)
        return gy[tuple([slice(before, before + size) for (before, _), size in inner])]

    backward_arrays = backward


def pad(x, widths, mode="constant", value=0.0):
    """x with more elements at the ends of its axes.

    Args:
        widths: a number for all ends, a pair (before, after) for all axes, or a pair for each axis.
        mode: what to put there. "constant": `value`; "edge": the outermost element; "reflect": the
            elements mirrored at the outermost one, which is not repeated.
        value: the number for mode "constant".

    Raises:
        ArgumentError: an unknown mode or a negative width.
        ShapeError: the widths don't go with the axes of x, or mode reflect reaches past the other end.
    """
    x = as_tensor(x)
    pairs = _pad_widths(x, widths)
    if mode == "constant":
        return Pad(pairs, value)(x)
    if mode not in ("edge", "reflect"):
        raise ArgumentError(f"pad: mode must be 'constant', 'edge' or 'reflect', not {mode!r}")
    xp = array_module(x.data)
    for axis, (size, pair) in enumerate(zip(x.shape, pairs, strict=True)):
        if pair == (0, 0):
            continue
        if max(pair) > (size - 1 if mode == "reflect" else max(pair) * size):
            raise ShapeError(f"pad: mode {mode!r} cannot add {pair} to the {size} elements of axis {axis}")
        x = index_select(x, xp.pad(xp.arange(size), pair, mode=mode), axis)
    return x


def _pad_widths(x, widths):
    """`widths` as a pair for each axis."""
    if isinstance(widths, Integral):
        pairs = ((int(widths), int(widths)),) * x.ndim
    elif len(widths) == 2 and all(isinstance(width, Integral) for width in widths):
        pairs = ((int(widths[0]), int(widths[1])),) * x.ndim
    else:
        pairs = tuple([(int(before), int(after)) for before, after in widths])
    if len(pairs) != x.ndim:
        raise ShapeError(f"pad: {len(pairs)} pairs of widths for the {x.ndim} axes of x (shape {x.shape})")
    if any(width < 0 for pair in pairs for width in pair):
        raise ArgumentError(f"pad: widths must not be negative: {widths}")
    return pairs
