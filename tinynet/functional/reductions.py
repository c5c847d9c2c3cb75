"""Reductions: sums, means, products, extremes and their like over one axis, several, or all.

``axis`` is an integer, a tuple of them or None for all axes; negative ones count from the end.
``keepdims`` leaves the reduced axes with size 1. Sorting and what rests on it are in `sorting.py` and
offered here as well.
"""

import math

import numpy as np

from tinynet.autograd import Function, Tensor, as_tensor
from tinynet.backend import array_module
from tinynet.errors import ArgumentError, ShapeError
from tinynet.functional.arithmetic import square
from tinynet.functional.axes import one_axis, several_axes, with_ones
from tinynet.functional.conversion import accurate, widened
from tinynet.functional.elementwise import abs as absolute
from tinynet.functional.elementwise import exp, sqrt, where
from tinynet.functional.joining import concatenate
from tinynet.functional.shaping import broadcast_to, flip
from tinynet.functional.sorting import argsort, median, sort, topk
from tinynet_kernels import activation as kernels

__all__ = [
    "all",
    "any",
    "argmax",
    "argmin",
    "argsort",
    "count_nonzero",
    "cumsum",
    "logsumexp",
    "max",
    "mean",
    "median",
    "min",
    "norm",
    "prod",
    "sort",
    "std",
    "sum",
    "topk",
    "var",
]


class Reduction(Function):
    """Base of the differentiable reductions: brings a gradient back to the shape of x."""

    __slots__ = ("axes", "keepdims", "shape")

    def __init__(self, axes, keepdims):
        self.axes = axes
        self.keepdims = keepdims

    def _with_axes(self, reduced):
        """An output or its gradient, array or tensor, with the reduced axes as axes of size 1."""
        return reduced if self.keepdims else reduced.reshape(with_ones(self.shape, self.axes))


def _reduced(operation, reduction, x, axis, keepdims):
    """`reduction` over the axes of x that `axis` names."""
    axes = several_axes(operation, axis, x.data.ndim, x.data.shape)
    return reduction(axes, keepdims)(x)


_LARGE = 4096  # elements from which on NumPy's own sums take longer


def sum_of_array(x, axes, keepdims=False):
    """The sum of an array over `axes`, a sorted tuple of axes counted from the front.

    Sums over all axes but the last are those of bias gradients: they have a kernel.
    """
    if x.size < _LARGE or x.dtype.kind != "f" or not axes or axes != tuple(range(x.ndim - 1)):
        return x.sum(axis=axes, keepdims=keepdims)
    total = kernels.column_sums(x)
    return total.reshape(with_ones(x.shape, axes)) if keepdims else total


class Sum(Reduction):
    __slots__ = ()

    def forward(self, x):
        self.shape = x.shape
        return sum_of_array(x, self.axes, self.keepdims)

    def backward(self, gy):
        return broadcast_to(self._with_axes(gy), self.shape)

    def backward_arrays(self, gy):
        return self.xp.broadcast_to(self._with_axes(gy), self.shape)


def sum(x, axis=None, keepdims=False):
    """The sum of the elements. Integers are summed as int64."""
    return _reduced("sum", Sum, widened(x), axis, keepdims)


class Mean(Reduction):
    __slots__ = ()

    def forward(self, x):
        self.shape = x.shape
        total = sum_of_array(x, self.axes, self.keepdims)
        count = self._count()
        return total / count if count else total * math.nan

    def backward(self, gy):
        return broadcast_to(self._with_axes(gy * self._share()), self.shape)

    def backward_arrays(self, gy):
        return self.xp.broadcast_to(self._with_axes(gy * self._share()), self.shape)

    def _count(self):
        return math.prod([self.shape[axis] for axis in self.axes])

    def _share(self):
        return 1 / (self._count() or math.nan)


def mean(x, axis=None, keepdims=False):
    """The mean of the elements; NaN where there are none. Integers are averaged in the default dtype."""
    return _reduced("mean", Mean, accurate(x), axis, keepdims)


def prod(x, axis=None, keepdims=False):
    """The product of the elements. Derivatives of any order are right also where elements are zero."""
    x = widened(x)
    axes = several_axes("prod", axis, x.ndim, x.shape)
    if not x.requires_grad:
        return Tensor(x.data.prod(axis=axes, keepdims=keepdims))
    kept = [other for other in range(x.ndim) if other not in axes]
    rest = [x.shape[other] for other in kept]
    count = math.prod([x.shape[reduced] for reduced in axes])
    factors = x.permute(*kept, *axes).reshape(*rest, count)
    # Halving the row of factors needs no division, which zeros would forbid.
    while count > 1:
        half = count // 2
        product = factors[..., :half] * factors[..., half : 2 * half]
        if count % 2:
            last = product[..., :1] * factors[..., -1:]
            product = last if half == 1 else concatenate([last, product[..., 1:]], axis=-1)
        factors, count = product, half
    product = factors[..., 0] if count else factors.sum(-1) + 1
    return product.reshape(with_ones(x.shape, axes)) if keepdims else product


class Extreme(Reduction):
    """Base of max and min: equal winners share the gradient equally."""

    __slots__ = ()
    reads = ((0,),)
    reads_output = True

    def backward(self, gy):
        return self._with_axes(gy) * Tensor(self._shares())

    def backward_arrays(self, gy):
        return self._with_axes(gy) * self._shares()

    def _shares(self):
        winners = self.input_arrays[0] == self._with_axes(self.output_data)
        counts = winners.sum(axis=self.axes, keepdims=True)
        # A NaN equals nothing, so there may be no winner.
        return winners / self.xp.maximum(counts, 1).astype(self.output_data.dtype)

    def explain(self, error, x):
        for axis in self.axes:
            if not x.shape[axis]:
                raise ShapeError(f"{self.operation}: axis {axis} of x (shape {x.shape}) has no elements")


class Max(Extreme):
    __slots__ = ()

    def forward(self, x):
        self.shape = x.shape
        return x.max(axis=self.axes, keepdims=self.keepdims)


def max(x, axis=None, keepdims=False):
    """The largest element; NaN where there is one. Equal largest elements share the gradient equally.

    Raises ShapeError when there are no elements to choose from.
    """
    return _reduced("max", Max, as_tensor(x), axis, keepdims)


class Min(Extreme):
    __slots__ = ()

    def forward(self, x):
        self.shape = x.shape
        return x.min(axis=self.axes, keepdims=self.keepdims)


def min(x, axis=None, keepdims=False):
    """The smallest element; NaN where there is one. Equal smallest elements share the gradient equally.

    Raises ShapeError when there are no elements to choose from.
    """
    return _reduced("min", Min, as_tensor(x), axis, keepdims)


def var(x, axis=None, keepdims=False, correction=0):
    """The variance: the mean squared distance from the mean.

    The sum of squares is divided by the number of elements minus `correction` (NumPy's ddof; 1 gives
    the unbiased estimate, PyTorch's default). NaN where that is not positive.
    """
    x = accurate(x)
    axes = several_axes("var", axis, x.ndim, x.shape)
    count = math.prod([x.shape[reduced] for reduced in axes]) - correction
    squares = square(x - mean(x, axes, keepdims=True)).sum(axes, keepdims)
    return squares * (1 / count if count > 0 else math.nan)


def std(x, axis=None, keepdims=False, correction=0):
    """The standard deviation: the root of `var`. Where it is 0 its gradient is 0."""
    return _root(var(x, axis, keepdims, correction))


def _root(x):
    """The square root with gradient 0 at 0."""
    some = Tensor(x.data != 0)
    return where(some, sqrt(where(some, x, 1.0)), 0.0)


class LogSumExp(Reduction):
    __slots__ = ()
    operation = "logsumexp"
    reads = ((0,),)
    reads_output = True

    def forward(self, x):
        self.shape = x.shape
        xp = self.xp
        largest = x.max(axis=self.axes, keepdims=True)
        shift = xp.where(xp.isfinite(largest), largest, x.dtype.type(0))
        with np.errstate(divide="ignore", over="ignore"):
            result = xp.log(xp.exp(x - shift).sum(axis=self.axes, keepdims=True)) + shift
        return result if self.keepdims else result.squeeze(self.axes)

    def backward(self, gy):
        output = where(self.xp.isneginf(self.output_data), 0.0, self.output)
        return self._with_axes(gy) * exp(self.inputs[0] - self._with_axes(output))

    def explain(self, error, x):
        raise ShapeError(f"logsumexp: x of shape {x.shape} has no elements along the axes {self.axes}")


def logsumexp(x, axis=None, keepdims=False):
    """ln Σ exp(x) without overflow. A row of −∞ gives −∞, and gradient zero."""
    return _reduced("logsumexp", LogSumExp, accurate(x), axis, keepdims)


def norm(x, order=2, axis=None, keepdims=False):
    """The vector norm (Σ|x|ᵖ)^(1/p), of all elements or along the axes. At the zero vector its gradient is 0.

    Args:
        order: p > 0; 2 is the Euclidean norm, 1 the sum of absolute values, ``math.inf`` their maximum.
    """
    x = accurate(x)
    if order == 2:
        return _root(square(x).sum(axis, keepdims))
    if order == 1:
        return absolute(x).sum(axis, keepdims)
    if order == math.inf:
        return absolute(x).max(axis, keepdims)
    if not order > 0:
        raise ArgumentError(f"norm: order must be positive, not {order}")
    total = (absolute(x) ** order).sum(axis, keepdims)
    some = Tensor(total.data != 0)
    return where(some, where(some, total, 1.0) ** (1 / order), 0.0)


class CumulativeSum(Function):
    __slots__ = ("axis",)
    operation = "cumsum"

    def __init__(self, axis):
        self.axis = axis

    def forward(self, x):
        return x.cumsum(axis=self.axis)

    def backward(self, gy):
        return flip(cumsum(flip(gy, self.axis), self.axis), self.axis)


def cumsum(x, axis=None):
    """The sums of all elements up to each one along an axis; of the flattened x for None."""
    x = widened(x)
    if axis is None:
        x, axis = x.reshape(-1), 0
    return CumulativeSum(one_axis("cumsum", axis, x.ndim, x.shape))(x)


def _position(operation, x, axis, keepdims):
    x = as_tensor(x)
    if axis is not None:
        axis = one_axis(operation, axis, x.ndim, x.shape)
    if not x.size and (axis is None or not x.shape[axis]):
        raise ShapeError(f"{operation}: x of shape {x.shape} has no elements to choose from")
    return Tensor(getattr(array_module(x.data), operation)(x.data, axis=axis, keepdims=keepdims))


def argmax(x, axis=None, keepdims=False):
    """The index of the first largest element along an axis, int64; in the flattened x for None."""
    return _position("argmax", x, axis, keepdims)


def argmin(x, axis=None, keepdims=False):
    """The index of the first smallest element along an axis, int64; in the flattened x for None."""
    return _position("argmin", x, axis, keepdims)


def all(x, axis=None, keepdims=False):
    """Whether no element is zero or false."""
    x = as_tensor(x)
    return Tensor(x.data.all(axis=several_axes("all", axis, x.ndim, x.shape), keepdims=keepdims))


def any(x, axis=None, keepdims=False):
    """Whether some element is neither zero nor false."""
    x = as_tensor(x)
    return Tensor(x.data.any(axis=several_axes("any", axis, x.ndim, x.shape), keepdims=keepdims))


def count_nonzero(x, axis=None, keepdims=False):
    """How many elements are neither zero nor false, int64."""
    x = as_tensor(x)
    axes = several_axes("count_nonzero", axis, x.ndim, x.shape)
    return Tensor((x.data != 0).sum(axis=axes, keepdims=keepdims))
