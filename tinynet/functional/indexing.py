"""Choosing elements by index or mask, and the reverse: adding to chosen elements.

Each choice and its reverse are each other's gradient, so derivatives of any order exist.
"""

from math import prod

import numpy as np

from tinynet.autograd import Function, Tensor, as_tensor
from tinynet.backend import array_module
from tinynet.errors import ArgumentError, DTypeError, ShapeError
from tinynet.functional.arithmetic import operands
from tinynet.functional.axes import one_axis
from tinynet.functional.elementwise import where
from tinynet_kernels import indexing as kernels

__all__ = [
    "embedding",
    "gather",
    "getitem",
    "index_select",
    "masked_fill",
    "nonzero",
    "scatter_add",
    "take",
]


def add_at(key, x, shape, start=None):
    """Zeros of `shape`, or a copy of `start`, with x added at ``[key]``.

    The key has arrays of integers, and maybe other parts. What it names more than once is added to as often.
    """
    parts = key if type(key) is tuple else (key,)
    axes = _axes_of(parts, len(shape))
    count, width = prod(shape[:axes]), prod(shape[axes:])
    is_list_of_rows = len(parts) == axes == 1
    rows = parts[0] if is_list_of_rows else array_module(x).arange(count).reshape(shape[:axes])[key]
    if start is not None:
        start = start.reshape(count, width)
    total = kernels.add_rows(x.reshape(rows.size, width), rows.reshape(-1), count, start)
    return total.reshape(shape)


def _axes_of(parts, ndim):
    """How many axes the parts of a key speak of. Behind these lie whole rows of elements."""
    axes = 0
    for part in parts:
        if part is Ellipsis:
            return ndim
        if _is_array(part) and part.dtype.kind == "b":
            axes += part.ndim
        elif part is not None and part is not True and part is not False:
            axes += 1
    return axes


class GetItem(Function):
    """x[key]; keeps the key and the shape of x."""

    __slots__ = ("key",)

    def __init__(self, key):
        self.key = key

    def forward(self, x):
        key, self.key = self.key, None
        self.kept = key, x.shape
        try:
            return x[key]
        except IndexError as error:
            raise IndexError(f"getitem: {error} (x has shape {x.shape})") from None

    def backward(self, gy):
        return SetZerosItem(*self.kept)(gy)

    def backward_arrays(self, gy):
        return add_to_zeros(self.xp, gy, *self.kept)


class SetZerosItem(Function):
    """Zeros of a shape, to which x is added at the key."""

    __slots__ = ("key", "shape")
    operation = "getitem"

    def __init__(self, key, shape):
        self.key = key
        self.shape = shape

    def forward(self, x):
        key, self.key = self.key, None
        self.kept = key
        return add_to_zeros(self.xp, x, key, self.shape)

    def backward(self, gy):
        return GetItem(self.kept)(gy)

    def backward_arrays(self, gy):
        return gy[self.kept]


def add_to_zeros(xp, x, key, shape):
    """Zeros of `shape`, to which the array x is added at `key`."""
    parts = key if type(key) is tuple else (key,)
    if any(_is_array(part) and part.dtype.kind != "b" for part in parts):
        return add_at(key, x, shape)
    total = xp.zeros(shape, x.dtype)
    total[key] = x
    return total


def _is_array(part):
    return hasattr(part, "dtype") and hasattr(part, "ndim")


def _as_key(key, xp):
    """The key with tensors, lists and arrays turned into arrays of the module `xp`."""
    if type(key) is tuple:
        return tuple([_as_key(part, xp) for part in key])
    if isinstance(key, Tensor):
        key = key.data
    elif isinstance(key, np.generic):
        return key if key.dtype.kind == "b" else int(key)
    if _is_array(key) or isinstance(key, (list, range)):
        key = xp.asarray(key)
        if key.dtype.kind not in "iub":
            if key.size:
                raise DTypeError(f"getitem: indices must be integers or truth values, not {key.dtype}")
            key = key.astype(np.int64)
    return key


def getitem(x, key):
    """x[key] with NumPy's rules: integers, slices, None, ``...``, integer and boolean arrays or tensors.

    Integers and slices give a view of x. Raises IndexError for what lies outside, DTypeError for
    indices that aren't integers.
    """
    x = as_tensor(x)
    kind = type(key)
    if kind is not int and kind is not slice:
        key = _as_key(key, array_module(x.data))
    return GetItem(key)(x)


def _integer_indices(operation, indices):
    indices = as_tensor(indices)
    if indices.dtype.kind not in "iu":
        if indices.size:
            raise DTypeError(f"{operation}: indices must be integers, not {indices.dtype}")
        indices = Tensor(indices.data.astype(np.int64))
    return indices


def _check_range(operation, indices, size, of):
    """Raises IndexError for an index outside −size … size − 1; not on a GPU, where looking is slow."""
    if not isinstance(indices, np.ndarray) or not indices.size:
        return
    if indices.min() < -size or indices.max() >= size:
        outside = (indices < -size) | (indices >= size)
        where_ = tuple(int(i) for i in np.argwhere(outside)[0])
        raise IndexError(f"{operation}: index {indices[where_]} at position {where_} is outside {of}")


def take(x, indices, axis=None):
    """The slices of x at `indices` along an axis; the axis is replaced by those of `indices`.

    Without an axis x counts as flat. Indices: integers of any shape, from −size to size − 1.
    """
    x = as_tensor(x)
    indices = _integer_indices("take", indices)
    if axis is None:
        x, axis = x.reshape(-1), 0
    axis = one_axis("take", axis, x.ndim, x.shape)
    _check_range("take", indices.data, x.shape[axis], f"axis {axis} of x (shape {x.shape})")
    return getitem(x, (*[slice(None)] * axis, indices))


def index_select(x, indices, axis=0):
    """The slices of x at `indices` (K,) along an axis, which then has K elements."""
    indices = _integer_indices("index_select", indices)
    if indices.ndim != 1:
        raise ShapeError(f"index_select: indices must have one axis, not shape {indices.shape}")
    return take(x, indices, axis)


def _key_along(xp, indices, axis):
    """The key that picks, at each position, the element `indices` says along `axis`."""
    key = []
    for other, size in enumerate(indices.shape):
        shape = [1] * indices.ndim
        shape[other] = size
        key.append(indices if other == axis else xp.arange(size).reshape(shape))
    return tuple(key)


def _check_gather(operation, x, indices, axis):
    if indices.ndim != x.ndim:
        raise ShapeError(
            f"{operation}: indices of shape {indices.shape} must have as many axes as x of shape {x.shape}"
        )
    for other, (size, limit) in enumerate(zip(indices.shape, x.shape, strict=True)):
        if other != axis and size > limit:
            raise ShapeError(
                f"{operation}: indices of shape {indices.shape} reach outside x of shape {x.shape} "
                f"along axis {other}"
            )
    _check_range(operation, indices.data, x.shape[axis], f"axis {axis} of x (shape {x.shape})")


def gather(x, indices, axis):
    """At each position the element of x that `indices` names along an axis; PyTorch's gather.

    For axis 1 of three: ``out[i, j, k] = x[i, indices[i, j, k], k]``. The indices have as many axes as
    x, and are not longer than x along the others. The output has their shape.
    """
    x = as_tensor(x)
    indices = _integer_indices("gather", indices)
    axis = one_axis("gather", axis, x.ndim, x.shape)
    _check_gather("gather", x, indices, axis)
    return GetItem(_key_along(array_module(x.data), indices.data, axis))(x)


class ScatterAdd(Function):
    __slots__ = ("key",)

    def __init__(self, key):
        self.key = key

    def forward(self, x, source):
        key, self.key = self.key, None
        self.kept = key
        return add_at(key, source, x.shape, x)

    def backward(self, gy):
        return gy, GetItem(self.kept)(gy) if self.needs(1) else None

    def backward_arrays(self, gy):
        return gy, gy[self.kept] if self.needs(1) else None


def scatter_add(x, indices, source, axis):
    """x with each element of `source` added where `indices` says along an axis: the reverse of gather.

    For axis 1 of three: ``out[i, indices[i, j, k], k] += source[i, j, k]``. Source and indices have the
    same shape.
    """
    x, source = operands(x, source)
    indices = _integer_indices("scatter_add", indices)
    axis = one_axis("scatter_add", axis, x.ndim, x.shape)
    if source.shape != indices.shape:
        raise ShapeError(
            f"scatter_add: source has shape {source.shape} but indices have shape {indices.shape}"
        )
    _check_gather("scatter_add", x, indices, axis)
    return ScatterAdd(_key_along(array_module(x.data), indices.data, axis))(x, source)


class Embedding(Function):
    __slots__ = ("padding_index", "shape")
    reads = ((), (0,))

    def __init__(self, padding_index):
        self.padding_index = padding_index

    def forward(self, indices, weight):
        self.shape = weight.shape
        return weight[indices]

    def backward(self, gy):
        indices = self.inputs[0]
        if self.padding_index is not None:
            gy = where((indices.data != self.padding_index)[..., None], gy, 0.0)
        return None, EmbeddingGradient(self.shape[0])(indices, gy)

    def backward_arrays(self, gy):
        indices = self.input_arrays[0].reshape(-1)
        total = kernels.add_rows(gy.reshape(indices.size, self.shape[1]), indices, self.shape[0])
        if self.padding_index is not None:
            total[self.padding_index] = 0
        return None, total


class EmbeddingGradient(Function):
    """The rows of a table that `gy` is added to: what `Embedding` gives its table."""

    __slots__ = ("rows",)
    operation = "embedding"
    reads = ((), (0,))

    def __init__(self, rows):
        self.rows = rows

    def forward(self, indices, gy):
        return kernels.add_rows(gy.reshape(indices.size, gy.shape[-1]), indices.reshape(-1), self.rows)

    def backward(self, gradient):
        return None, Embedding(None)(self.inputs[0], gradient)


def embedding(indices, weight, padding_index=None):
    """The rows of a table: ``weight[indices]``.

    Args:
        indices: integers of any shape (...), from 0 to K − 1.
        weight: the table (K, C).
        padding_index: a row whose gradient is zero.

    Returns:
        (..., C).

    Raises:
        IndexError: an index lies outside the table.
    """
    weight = as_tensor(weight)
    indices = _integer_indices("embedding", indices)
    if weight.ndim != 2:
        raise ShapeError(f"embedding: weight must have shape (K, C), not {weight.shape}")
    rows = weight.shape[0]
    if padding_index is not None and not 0 <= padding_index < rows:
        raise ArgumentError(f"embedding: padding_index {padding_index} is outside the table of {rows} rows")
    on_host = isinstance(indices.data, np.ndarray)
    if on_host and indices.size and indices.data.min() < 0:
        raise IndexError(f"embedding: indices must not be negative, the smallest is {indices.data.min()}")
    _check_range("embedding", indices.data, rows, f"the table of {rows} rows")
    return Embedding(padding_index)(indices, weight)


def masked_fill(x, mask, value):
    """x with `value`, a number or tensor, where the mask holds; all three broadcast."""
    return where(mask, *reversed(operands(x, value)))


def nonzero(x):
    """The positions of the elements that aren't zero: int64 (K, ndim), in order. Has no gradient."""
    x = as_tensor(x)
    return Tensor(array_module(x.data).argwhere(x.data))
