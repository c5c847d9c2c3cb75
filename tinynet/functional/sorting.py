"""Order: sorting, the largest elements, the median. Values are differentiable, indices are integers."""

from tinynet.autograd import Tensor, as_tensor
from tinynet.backend import array_module
from tinynet.errors import ShapeError
from tinynet.functional.axes import one_axis
from tinynet.functional.conversion import floating
from tinynet.functional.indexing import gather
from tinynet.functional.shaping import moveaxis

__all__ = ["argsort", "median", "sort", "topk"]


def argsort(x, axis=-1, descending=False):
    """The indices, int64, that put x in order along an axis. Equal elements keep their order."""
    x = as_tensor(x)
    axis = one_axis("argsort", axis, x.ndim, x.shape)
    xp = array_module(x.data)
    if not descending:
        return Tensor(xp.argsort(x.data, axis=axis, kind="stable"))
    # Reversed before and after, since equal elements must keep their order.
    order = xp.argsort(xp.flip(x.data, axis), axis=axis, kind="stable")
    return Tensor(x.shape[axis] - 1 - xp.flip(order, axis))


def sort(x, axis=-1, descending=False):
    """x in order along an axis, and the indices that the elements had: two tensors of the shape of x."""
    x = as_tensor(x)
    axis = one_axis("sort", axis, x.ndim, x.shape)
    order = argsort(x, axis, descending)
    return gather(x, order, axis), order


def topk(x, k, axis=-1, largest=True):
    """The k largest (or smallest) elements along an axis, in order, and their indices.

    Raises ShapeError when the axis has fewer than k elements.
    """
    x = as_tensor(x)
    axis = one_axis("topk", axis, x.ndim, x.shape)
    if not 0 <= k <= x.shape[axis]:
        raise ShapeError(f"topk: k = {k} but axis {axis} of x (shape {x.shape}) has {x.shape[axis]} elements")
    order = argsort(x, axis, descending=largest).data
    best = Tensor(order[(*[slice(None)] * axis, slice(k))])
    return gather(x, best, axis), best


def median(x, axis=None, keepdims=False):
    """The middle element along an axis (of all elements for None); between two, their mean, as in NumPy."""
    x = floating(x)
    if axis is None:
        result = median(x.reshape(-1), 0)
        return result.reshape((1,) * x.ndim) if keepdims else result
    axis = one_axis("median", axis, x.ndim, x.shape)
    size = x.shape[axis]
    if not size:
        raise ShapeError(f"median: axis {axis} of x (shape {x.shape}) has no elements")
    ordered = moveaxis(sort(x, axis)[0], axis, 0)
    middle = (ordered[(size - 1) // 2] + ordered[size // 2]) * 0.5
    return middle.expand_dims(axis) if keepdims else middle
