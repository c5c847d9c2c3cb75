"""Arithmetic with broadcasting: + − × ÷, powers, remainders.

Broadcasting repeats an operand; the gradient of a repeated operand is the sum over its repetitions,
which `sum_to` computes.
"""

import numpy as np

from tinynet.autograd import Function, Tensor, as_tensor
from tinynet.backend import array_module, as_array, default_dtype
from tinynet.errors import ShapeError
from tinynet.functional.conversion import accurate, cast, clone, floating, to, widened
from tinynet_kernels.memory import SMALLEST, calculate

__all__ = [
    "add",
    "cast",
    "clone",
    "divide",
    "floor_divide",
    "multiply",
    "negative",
    "power",
    "reciprocal",
    "remainder",
    "square",
    "subtract",
    "to",
]


def sum_to(gradient, shape):
    """Sums an array or tensor over its broadcast axes, down to `shape`."""
    if gradient.shape == shape:
        return gradient
    surplus = gradient.ndim - len(shape)
    repeated = [
        axis + surplus for axis, size in enumerate(shape) if size == 1 and gradient.shape[axis + surplus] != 1
    ]
    axes = (*range(surplus), *repeated)
    summed = gradient.sum(axis=axes, keepdims=True) if axes else gradient
    return summed.reshape(shape) if surplus else summed


def operands(x, y):
    """Both operands as tensors of one dtype.

    A Python number takes the dtype of the tensor beside it, as in NumPy. Of two floating dtypes the
    wider one is taken; beside a floating dtype, integers and truth values take that one.
    """
    if not isinstance(x, Tensor):
        if not isinstance(y, Tensor):
            x, y = (x, as_tensor(y)) if isinstance(x, _NUMBERS) else (as_tensor(x), y)
        if not isinstance(x, Tensor):
            x = _beside(x, y)
    if not isinstance(y, Tensor):
        y = _beside(y, x)
    a, b = x.data.dtype, y.data.dtype
    if a is not b and a != b:
        common = common_dtype(a, b)
        x, y = cast(x, common), cast(y, common)
    return x, y


_NUMBERS = (bool, int, float)


def _beside(value, tensor):
    """`value` as a tensor that goes with `tensor` in one operation."""
    xp = array_module(tensor.data)
    if isinstance(value, _NUMBERS):
        dtype = tensor.data.dtype
        if isinstance(value, float):
            dtype = dtype if dtype.kind == "f" else default_dtype()
        elif not isinstance(value, bool):
            dtype = dtype if dtype.kind != "b" else np.dtype(np.int64)
        # CuPy would copy a number from main memory, but can be told to fill an array with it.
        return Tensor(np.asarray(value, dtype) if xp is np else xp.full((), value, dtype))
    array = as_array(value, device="cpu" if isinstance(value, np.generic) else None)
    if isinstance(value, (list, tuple)) or (array.ndim == 0 and isinstance(array, np.ndarray)):
        array = xp.asarray(array)
    return Tensor(array)


def common_dtype(*dtypes):
    """The dtype in which arrays of these dtypes meet: the widest floating one, if there is any."""
    return np.result_type(*([dtype for dtype in dtypes if dtype.kind == "f"] or dtypes))


class Broadcasting(Function):
    """Base of the elementwise operations on several inputs: says which axes don't fit."""

    __slots__ = ()

    def explain(self, error, *arrays):
        check_broadcast(self.operation, *[array.shape for array in arrays])


def check_broadcast(operation, *shapes):
    """Raises ShapeError, naming the axis, unless the shapes fit together by broadcasting."""
    for offset in range(1, max(map(len, shapes)) + 1):
        sizes = {shape[-offset] for shape in shapes if len(shape) >= offset} - {1}
        if len(sizes) > 1:
            listed = " and ".join(map(str, shapes))
            counts = " against ".join(map(str, sorted(sizes)))
            raise ShapeError(
                f"{operation}: shapes {listed} do not broadcast: axis −{offset} has {counts} elements"
            )


class Add(Broadcasting):
    __slots__ = ("shapes",)

    def forward(self, x, y):
        if self.edges is not None:
            self.shapes = None if x.shape == y.shape else (x.shape, y.shape)
        return x + y if x.nbytes < SMALLEST else calculate(np.add, x, y)

    def backward(self, gy):
        if self.shapes is None:
            return gy, gy
        return (
            sum_to(gy, self.shapes[0]) if self.needs(0) else None,
            sum_to(gy, self.shapes[1]) if self.needs(1) else None,
        )

    backward_arrays = backward


def add(x, y):
    """x + y with broadcasting."""
    if type(x) is not Tensor or type(y) is not Tensor or x.data.dtype is not y.data.dtype:
        x, y = operands(x, y)
    return Add()(x, y)


class Subtract(Broadcasting):
    __slots__ = ("shapes",)

    def forward(self, x, y):
        if self.edges is not None:
            self.shapes = None if x.shape == y.shape else (x.shape, y.shape)
        return x - y if x.nbytes < SMALLEST else calculate(np.subtract, x, y)

    def backward(self, gy):
        if self.shapes is None:
            return gy, -gy if self.needs(1) else None
        return (
            sum_to(gy, self.shapes[0]) if self.needs(0) else None,
            sum_to(-gy, self.shapes[1]) if self.needs(1) else None,
        )

    backward_arrays = backward


def subtract(x, y):
    """x − y with broadcasting."""
    if type(x) is not Tensor or type(y) is not Tensor or x.data.dtype is not y.data.dtype:
        x, y = operands(x, y)
    return Subtract()(x, y)


class Multiply(Broadcasting):
    __slots__ = ("shapes",)
    reads = ((1,), (0,))

    def forward(self, x, y):
        if self.edges is not None:
            self.shapes = None if x.shape == y.shape else (x.shape, y.shape)
        return x * y if x.nbytes < SMALLEST else calculate(np.multiply, x, y)

    # A factor was kept if the gradient of the other one is wanted.

    def backward(self, gy):
        x, y = self.inputs
        by_x, by_y = None if y is None else gy * y, None if x is None else gy * x
        return (by_x, by_y) if self.shapes is None else self._summed(by_x, by_y)

    def backward_arrays(self, gy):
        x, y = self.input_arrays
        if gy.nbytes < SMALLEST:
            by_x, by_y = None if y is None else gy * y, None if x is None else gy * x
        else:
            by_x = None if y is None else calculate(np.multiply, gy, y)
            by_y = None if x is None else calculate(np.multiply, gy, x)
        return (by_x, by_y) if self.shapes is None else self._summed(by_x, by_y)

    def _summed(self, by_x, by_y):
        return (
            None if by_x is None else sum_to(by_x, self.shapes[0]),
            None if by_y is None else sum_to(by_y, self.shapes[1]),
        )


def multiply(x, y):
    """x · y elementwise, with broadcasting."""
    if type(x) is not Tensor or type(y) is not Tensor or x.data.dtype is not y.data.dtype:
        x, y = operands(x, y)
    return Multiply()(x, y)


class Divide(Broadcasting):
    __slots__ = ("shapes",)
    reads = ((1,), (0, 1))

    def forward(self, x, y):
        self.shapes = x.shape, y.shape
        return x / y if x.nbytes < SMALLEST else calculate(np.divide, x, y)

    def backward(self, gy):
        return self._gradients(gy, *self.inputs)

    def backward_arrays(self, gy):
        return self._gradients(gy, *self.input_arrays)

    def _gradients(self, gy, x, y):
        gx = gy / y
        return (
            sum_to(gx, self.shapes[0]) if self.needs(0) else None,
            sum_to(-gx * x / y, self.shapes[1]) if self.needs(1) else None,
        )


def divide(x, y):
    """x / y elementwise, with broadcasting. Integers are divided in the default floating dtype."""
    x, y = operands(x, y)
    if x.data.dtype.kind != "f":
        x, y = floating(x), floating(y)
    return Divide()(x, y)


def reciprocal(x):
    """1 / x elementwise. Any shape."""
    return divide(1.0, x)


class FloorDivide(Broadcasting):
    __slots__ = ("shapes",)

    def forward(self, x, y):
        self.shapes = x.shape, y.shape
        return self.xp.floor_divide(x, y)

    def backward(self, gy):
        return sum_to(gy * 0.0, self.shapes[0]), sum_to(gy * 0.0, self.shapes[1])

    backward_arrays = backward


def floor_divide(x, y):
    """⌊x / y⌋ elementwise, with broadcasting. A step function: its gradient is zero everywhere."""
    return FloorDivide()(*operands(x, y))


class Remainder(Broadcasting):
    __slots__ = ("shapes",)
    reads = ((), (0, 1))

    def forward(self, x, y):
        self.shapes = x.shape, y.shape
        return self.xp.remainder(x, y)

    def backward(self, gy):
        gx = sum_to(gy, self.shapes[0]) if self.needs(0) else None
        if not self.needs(1):
            return gx, None
        x, y = self.input_arrays
        return gx, sum_to(-gy * Tensor(self.xp.floor_divide(x, y)), self.shapes[1])


def remainder(x, y):
    """x − y·⌊x / y⌋ elementwise, with broadcasting: has the sign of y, as in Python.

    The quotient ⌊x / y⌋ counts as a constant in the gradients: 1 by x and −⌊x / y⌋ by y.
    """
    return Remainder()(*operands(x, y))


class Negative(Function):
    __slots__ = ()

    def forward(self, x):
        return -x if x.nbytes < SMALLEST else calculate(np.negative, x)

    def backward(self, gy):
        return -gy

    backward_arrays = backward


def negative(x):
    """−x. Any shape."""
    return Negative()(as_tensor(x))


class Square(Function):
    __slots__ = ()
    reads = ((0,),)

    def forward(self, x):
        return x * x if x.nbytes < SMALLEST else calculate(np.multiply, x, x)

    def backward(self, gy):
        return gy * (self.inputs[0] * 2)

    def backward_arrays(self, gy):
        (x,) = self.input_arrays
        gx = calculate(np.add, x, x)
        gx *= gy
        return gx


def square(x):
    """x² elementwise. Any shape."""
    return Square()(as_tensor(x))


class ConstantPower(Function):
    __slots__ = ("exponent",)
    operation = "power"
    reads = ((0,),)

    def __init__(self, exponent):
        self.exponent = exponent

    def forward(self, x):
        return x**self.exponent

    def backward(self, gy):
        if self.exponent == 0:
            return gy * 0.0
        return gy * (self.exponent * self.inputs[0] ** (self.exponent - 1))

    def backward_arrays(self, gy):
        if self.exponent == 0:
            return gy * 0.0
        return gy * (self.exponent * self.input_arrays[0] ** (self.exponent - 1))


class Power(Broadcasting):
    __slots__ = ("shapes",)
    reads = ((0, 1), (0, 1))

    def forward(self, x, y):
        self.shapes = x.shape, y.shape
        return x**y

    def backward(self, gy):
        x, y = self.inputs
        return (
            sum_to(gy * self._slope(x, y), self.shapes[0]) if self.needs(0) else None,
            sum_to(gy * self._slope_by_exponent(x, y), self.shapes[1]) if self.needs(1) else None,
        )

    def _slope(self, x, y):
        # x^0 is constant: at 0^0 the formula would be 0 · 0^−1.
        step = ~((x.data == 0) & (y.data == 0))
        return y * x ** (y - Tensor(step.astype(y.dtype)))

    def _slope_by_exponent(self, x, y):
        xp = self.xp
        base, exponent = x.data, y.data
        positive = Tensor((base > 0).astype(x.dtype))
        # The logarithm of a negative base is NaN, that of zero −∞ unless 0^y = 0 makes the slope zero.
        elsewhere = xp.where(base < 0, xp.nan, xp.where((base == 0) & (exponent < 0), -xp.inf, 0.0)).astype(
            x.dtype
        )
        logarithm = (x * positive + (1 - positive)).log() * positive + Tensor(elsewhere)
        return x**y * logarithm


def power(x, y):
    """x to the power of y, elementwise, with broadcasting.

    0 to the power of 0 is 1, with gradient 0 by both. The gradient by y is NaN where x is negative.
    A negative or fractional number as the exponent of integers makes them the default floating dtype.
    """
    if isinstance(y, (int, float)):
        x = accurate(x) if isinstance(y, float) or y < 0 else widened(x)
        # NumPy's own scalars would widen float32.
        y = float(y) if isinstance(y, float) else int(y)
        return square(x) if y == 2 else ConstantPower(y)(x)
    x, y = operands(x, y)
    return Power()(widened(x), widened(y))
