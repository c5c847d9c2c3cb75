"""Matrix products and what is built from them."""

import math
from numbers import Integral

from tinynet.autograd import Function, as_tensor
from tinynet.backend import array_module
from tinynet.errors import DTypeError, ShapeError
from tinynet.functional.arithmetic import operands, sum_to
from tinynet.functional.axes import several_axes
from tinynet.functional.einsum import einsum
from tinynet.functional.shaping import moveaxis

__all__ = ["diagonal", "dot", "einsum", "linear", "matmul", "outer", "tensordot", "trace"]


def _product(x, y):
    """x @ y for arrays or tensors with at least two axes; stacked matrices times one are one product."""
    if y.ndim > 2 or x.ndim == 2:
        return x @ y
    return (_as_matrix(x) @ y).reshape(*x.shape[:-1], y.shape[-1])


def _as_matrix(x):
    """All axes but the last made into one."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def _product_by_right(x, gy, shape):
    """The gradient of x @ y by y, which has `shape`."""
    if len(shape) == 2 and x.ndim > 2:
        x, gy = _as_matrix(x), _as_matrix(gy)
    return sum_to(x.swapaxes(-1, -2) @ gy, shape)


class MatMul(Function):
    """The product of operands with at least two axes."""

    __slots__ = ("shapes",)
    operation = "matmul"
    reads = ((1,), (0,))

    def forward(self, x, y):
        self.shapes = x.shape, y.shape
        return _product(x, y)

    def backward(self, gy):
        return self._gradients(gy, *self.inputs)

    def backward_arrays(self, gy):
        return self._gradients(gy, *self.input_arrays)

    def _gradients(self, gy, x, y):
        return (
            sum_to(gy @ y.swapaxes(-1, -2), self.shapes[0]) if self.needs(0) else None,
            _product_by_right(x, gy, self.shapes[1]) if self.needs(1) else None,
        )


def matmul(x, y):
    """The matrix product of the last two axes, with NumPy's rules.

    A vector counts as a row on the left and as a column on the right; axes in front broadcast.
    (..., M, K) @ (..., K, N) gives (..., M, N).

    Raises ShapeError when the sizes don't fit, naming the axes.
    """
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


class Linear(Function):
    __slots__ = ("shape",)
    reads = ((1,), (0,), ())

    def forward(self, x, weight, *bias):
        self.shape = x.shape
        y = _as_matrix(x) @ weight
        if bias:
            y += bias[0]
        return y.reshape(*x.shape[:-1], weight.shape[1])

    def backward(self, gy):
        return self._gradients(gy, self.inputs)

    def backward_arrays(self, gy):
        return self._gradients(gy, self.input_arrays)

    def _gradients(self, gy, inputs):
        x, weight = inputs[:2]
        gy = _as_matrix(gy)
        gradients = [
            (gy @ weight.swapaxes(0, 1)).reshape(self.shape) if self.needs(0) else None,
            _as_matrix(x).swapaxes(0, 1) @ gy if self.needs(1) else None,
        ]
        if len(inputs) == 3:
            gradients.append(gy.sum(axis=0) if self.needs(2) else None)
        return tuple(gradients)


def linear(x, weight, bias=None):
    """x · weight + bias along the last axis.

    Args:
        x: (..., in).
        weight: (in, out), of the same dtype.
        bias: (out,) or None.

    Returns:
        (..., out).

    Raises:
        ShapeError: the sizes don't fit.
        DTypeError: the dtypes differ.
    """
    inputs = [as_tensor(x), as_tensor(weight)]
    if bias is not None:
        inputs.append(as_tensor(bias))
    _check_linear(*inputs)
    return Linear()(*inputs)


def _check_linear(x, weight, bias=None):
    x, weight = x.data, weight.data
    if weight.ndim != 2:
        raise ShapeError(f"linear: weight must have shape (in, out), not {weight.shape}")
    if not x.ndim or x.shape[-1] != weight.shape[0]:
        found = x.shape[-1] if x.ndim else "no"
        raise ShapeError(
            f"linear: x has {found} features (shape {x.shape}) but weight expects {weight.shape[0]} "
            f"(shape {weight.shape})"
        )
    if bias is not None and bias.data.shape != (weight.shape[1],):
        raise ShapeError(
            f"linear: bias has shape {bias.data.shape} but weight gives {weight.shape[1]} features "
            f"(shape {weight.shape})"
        )
    if x.dtype != weight.dtype or (bias is not None and bias.data.dtype != weight.dtype):
        which, dtype = ("x", x.dtype) if x.dtype != weight.dtype else ("bias", bias.data.dtype)
        raise DTypeError(
            f"linear: {which} is {dtype} but weight is {weight.dtype}; convert with .astype(...)"
        )


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
