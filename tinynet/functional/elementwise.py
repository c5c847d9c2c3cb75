"""Elementwise functions: exponentials, logarithms, roots, rounding.

Trigonometric functions, comparisons and choices between values are in modules of their own and offered
here as well.
"""

import math

from tinynet.autograd import Function, Tensor, as_tensor
from tinynet.functional.choosing import clip, maximum, minimum, where
from tinynet.functional.comparison import (
    equal,
    greater,
    greater_equal,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    not_equal,
)
from tinynet.functional.conversion import accurate, floating
from tinynet.functional.error_function import erf_of_array
from tinynet.functional.trigonometric import (
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    cos,
    cosh,
    sin,
    sinh,
    tan,
)
from tinynet_kernels.memory import calculate

__all__ = [
    "abs",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "ceil",
    "clip",
    "cos",
    "cosh",
    "equal",
    "erf",
    "exp",
    "expm1",
    "floor",
    "greater",
    "greater_equal",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log2",
    "log10",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "not_equal",
    "round",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "where",
]


class Exp(Function):
    __slots__ = ()
    reads_output = True

    def forward(self, x):
        return calculate(self.xp.exp, x)

    def backward(self, gy):
        return gy * self.output

    def backward_arrays(self, gy):
        return calculate(self.xp.multiply, gy, self.output_data)


def exp(x):
    """eˣ elementwise. Any shape."""
    return Exp()(accurate(x))


class Expm1(Function):
    __slots__ = ()
    reads_output = True

    def forward(self, x):
        return calculate(self.xp.expm1, x)

    def backward(self, gy):
        return gy * (self.output + 1)


def expm1(x):
    """eˣ − 1 elementwise, accurate near 0. Any shape."""
    return Expm1()(accurate(x))


class Log(Function):
    __slots__ = ()
    reads = ((0,),)

    def forward(self, x):
        return calculate(self.xp.log, x)

    def backward(self, gy):
        return gy / self.inputs[0]

    def backward_arrays(self, gy):
        return calculate(self.xp.divide, gy, self.input_arrays[0])


def log(x):
    """The natural logarithm, elementwise. Any shape."""
    return Log()(accurate(x))


class Log1p(Function):
    __slots__ = ()
    reads = ((0,),)

    def forward(self, x):
        return calculate(self.xp.log1p, x)

    def backward(self, gy):
        return gy / (self.inputs[0] + 1)


def log1p(x):
    """ln(1 + x) elementwise, accurate near 0. Any shape."""
    return Log1p()(accurate(x))


class Log2(Function):
    __slots__ = ()
    reads = ((0,),)

    def forward(self, x):
        return calculate(self.xp.log2, x)

    def backward(self, gy):
        return gy / (self.inputs[0] * math.log(2))


def log2(x):
    """The logarithm to base 2, elementwise. Any shape."""
    return Log2()(accurate(x))


class Log10(Function):
    __slots__ = ()
    reads = ((0,),)

    def forward(self, x):
        return calculate(self.xp.log10, x)

    def backward(self, gy):
        return gy / (self.inputs[0] * math.log(10))


def log10(x):
    """The logarithm to base 10, elementwise. Any shape."""
    return Log10()(accurate(x))


class Sqrt(Function):
    __slots__ = ()
    reads_output = True

    def forward(self, x):
        return calculate(self.xp.sqrt, x)

    def backward(self, gy):
        return gy / (self.output * 2)

    def backward_arrays(self, gy):
        y = self.output_data
        return calculate(self.xp.divide, gy, calculate(self.xp.add, y, y))


def sqrt(x):
    """The square root, elementwise. Any shape. The gradient at 0 is infinite."""
    return Sqrt()(floating(x))


class Abs(Function):
    __slots__ = ()
    reads = ((0,),)

    def forward(self, x):
        return self.xp.abs(x)

    def backward(self, gy):
        return gy * Tensor(self.xp.sign(self.input_arrays[0]))

    def backward_arrays(self, gy):
        return gy * self.xp.sign(self.input_arrays[0])


def abs(x):
    """|x| elementwise. Any shape. The gradient at 0 is 0."""
    return Abs()(as_tensor(x))


class Step(Function):
    """Base of functions that are constant between their jumps: the gradient is zero."""

    __slots__ = ()

    def backward(self, gy):
        return Tensor(self.xp.zeros_like(gy.data))


class Sign(Step):
    __slots__ = ()

    def forward(self, x):
        return self.xp.sign(x)


def sign(x):
    """−1, 0 or 1 elementwise. Any shape. The gradient is zero."""
    return Sign()(as_tensor(x))


class Floor(Step):
    __slots__ = ()

    def forward(self, x):
        return self.xp.floor(x)


def floor(x):
    """The largest integer not above x, elementwise, in x's dtype. The gradient is zero."""
    return Floor()(as_tensor(x))


class Ceil(Step):
    __slots__ = ()

    def forward(self, x):
        return self.xp.ceil(x)


def ceil(x):
    """The smallest integer not below x, elementwise, in x's dtype. The gradient is zero."""
    return Ceil()(as_tensor(x))


class Round(Step):
    __slots__ = ("decimals",)

    def __init__(self, decimals):
        self.decimals = decimals

    def forward(self, x):
        return self.xp.round(x, self.decimals)


def round(x, decimals=0):
    """x rounded to `decimals` places, halves to the even neighbour. The gradient is zero."""
    return Round(decimals)(as_tensor(x))


class Erf(Function):
    __slots__ = ()
    reads = ((0,),)

    def forward(self, x):
        return erf_of_array(x)

    def backward(self, gy):
        x = self.inputs[0]
        return gy * (exp(-(x * x)) * (2 / math.sqrt(math.pi)))


def erf(x):
    """The error function 2/√π ∫₀ˣ exp(−t²) dt, elementwise. Any shape."""
    return Erf()(floating(x))
