"""Matrix products and what is built from them."""

import math
from numbers import Integral

from tinynet.autograd import Function, as_tensor, precision
from tinynet.backend import array_module
from tinynet.errors import ShapeError
from tinynet.functional.arithmetic import operands, sum_to
from tinynet.functional.array_products import product
from tinynet.functional.axes import several_axes
from tinynet.functional.conversion import as_factors
from tinynet.functional.einsum import einsum
from tinynet.functional.linear import linear
from tinynet.functional.shaping import moveaxis

__all__ = ["diagonal", "dot", "einsum", "linear", "matmul", "outer", "tensordot", "trace"]


def _as_matrix(x):
    """All axes but the last made into one; an array or a tensor."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


class MatMul(Function):
    """The product of operands with at least two axes."""

    __slots__ = ("shapes",)
    operation = "matmul"
    reads = ((1,), (0,))

    def forward(self, x, y):
        self.shapes = x.shape, y.shape
        if y.ndim > 2 or x.ndim == 2:
            return product(x, y)
        # Stacked matrices times a single one are one large product.
        return product(_as_matrix(x), y).reshape(*x.shape[:-1], y.shape[-1])

    def backward(self, gy):
        x, y = self.inputs
        gx = sum_to(gy @ y.swapaxes(-1, -2), self.shapes[0]) if self.needs(0) else None
        if not self.needs(1):
            return gx, None
        x, gy = self._merged(x, gy)
        return gx, sum_to(x.swapaxes(-1, -2) @ gy, self.shapes[1])

    def backward_arrays(self, gy):
        x, y = self.input_arrays
        gx = sum_to(product(gy, y, transpose_y=True), self.shapes[0]) if self.needs(0) else None
        if not self.needs(1):
            return gx, None
        x, gy = self._merged(x, gy)
        return gx, sum_to(product(x, gy, transpose_x=True), self.shapes[1])

    def _merged(self, x, gy):
        """x and gy as matrices where y is a single one: the sum over the stack is part of the product."""
        if len(self.shapes[1]) == 2 and len(self.shapes[0]) > 2:
            return _as_matrix(x), _as_matrix(gy)
        return x, gy


def matmul(x, y):
    """The matrix product of the last two axes, with NumPy's rules.

    A vector counts as a row on the left and as a column on the right; axes in front broadcast.
    (..., M, K) @ (..., K, N) gives (..., M, N).

    Raises ShapeError when the sizes don't fit, naming the axes.
    """
    if precision.open_blocks:
        x, y = as_factors(as_tensor(x), as_tensor(y))
    x, y = operands(x, y)
    if x.ndim < 2 or y.ndim < 2:
        return _vector_matmul(x, y)
    if x.shape[-1] != y.shape[-2]:
        raise ShapeError(
            f"matmul: x has {x.shape[-1]} columns (axis −1 of shape {x.shape}) but y has {y.shape[-2]} rows "
            f"(axis −2 of shape {y.shape})"
        )
    if x.ndim > 2 and y.ndim > 2 and x.shape[:-2] != y.shape[:-2]:
        _check_batch(x.shape, y.shape)
    return MatMul()(x, y)


def _check_batch(x_shape, y_shape):
    pairs = zip(reversed(x_shape[:-2]), reversed(y_shape[:-2]), strict=False)
    for offset, (a, b) in enumerate(pairs, start=3):
        if a != b and 1 not in (a, b):
            raise ShapeError(
                f"matmul: shapes {x_shape} and {y_shape} do not broadcast: axis −{offset} has {a} against "
                f"{b} elements"
            )


def _vector_matmul(x, y):
    """matmul where an operand is a vector."""
    for name, operand in (("x", x), ("y", y)):
        if not operand.ndim:
            raise ShapeError(f"matmul: {name} has no axes; use * to multiply by a number")
    inner = y.shape[0 if y.ndim == 1 else -2]
    if x.shape[-1] != inner:
        raise ShapeError(
            f"matmul: x has {x.shape[-1]} elements along its last axis (shape {x.shape}) but y has {inner} "
            f"to multiply them with (shape {y.shape})"
        )
    row, column = x.ndim == 1, y.ndim == 1
    product = MatMul()(x.reshape(1, -1) if row else x, y.reshape(-1, 1) if column else y)
    shape = product.shape
    if column:
        shape = shape[:-1]
    if row:
        shape = (*shape[:-1],) if column else (*shape[:-2], shape[-1])
    return product.reshape(shape)


def dot(x, y):
    """The sum of the products of two vectors (K,) and (K,)."""
    x, y = operands(x, y)
    if x.ndim != 1 or x.shape != y.shape:
        raise ShapeError(f"dot: x and y must be vectors of one size, not of shapes {x.shape} and {y.shape}")
    return matmul(x, y)


def outer(x, y):
    """All products of an element of x with one of y: (M, N); operands with more axes count as flat."""
    x, y = operands(x, y)
    return x.reshape(-1, 1) * y.reshape(1, -1)


def tensordot(x, y, axes=2):
    """The sum of products over pairs of axes; what remains of x comes before what remains of y.

    Args:
        axes: how many axes, the last of x with the first of y; or two sequences, the axes of x and,
            in the same order, those of y.
    """
    x, y = operands(x, y)
    if isinstance(axes, Integral):
        if axes > x.ndim or axes > y.ndim:
            raise ShapeError(f"tensordot: {axes} axes are too many for shapes {x.shape} and {y.shape}")
        axes = tuple(range(x.ndim - axes, x.ndim)), tuple(range(axes))
    x_axes = several_axes("tensordot", axes[0], x.ndim, x.shape)
    y_axes = several_axes("tensordot", axes[1], y.ndim, y.shape)
    sizes = [x.shape[axis] for axis in x_axes]
    if sizes != [y.shape[axis] for axis in y_axes]:
        raise ShapeError(
            f"tensordot: axes {x_axes} of x (shape {x.shape}) and {y_axes} of y (shape {y.shape}) "
            "differ in size"
        )
    count = math.prod(sizes)
    x_rest = [axis for axis in range(x.ndim) if axis not in x_axes]
    y_rest = [axis for axis in range(y.ndim) if axis not in y_axes]
    x_sizes = [x.shape[axis] for axis in x_rest]
    y_sizes = [y.shape[axis] for axis in y_rest]
    left = x.permute(*x_rest, *x_axes).reshape(math.prod(x_sizes), count)
    right = y.permute(*y_axes, *y_rest).reshape(count, math.prod(y_sizes))
    return matmul(left, right).reshape(*x_sizes, *y_sizes)


def diagonal(x, offset=0, axis1=0, axis2=1):
    """The elements whose index along `axis2` is that along `axis1` plus `offset`; they form the last axis."""
    x = as_tensor(x)
    if x.ndim < 2:
        raise ShapeError(f"diagonal: x must have at least two axes, not shape {x.shape}")
    axes = several_axes("diagonal", (axis1, axis2), x.ndim, x.shape)
    x = moveaxis(x, axes, (0, 1))
    rows, columns = x.shape[:2]
    count = max(min(rows, columns - offset) - max(-offset, 0), 0)
    steps = array_module(x.data).arange(count)
    return moveaxis(x[steps + max(-offset, 0), steps + max(offset, 0)], 0, -1)


def trace(x, offset=0, axis1=0, axis2=1):
    """The sum of the elements of `diagonal`."""
    return diagonal(x, offset, axis1, axis2).sum(-1)
