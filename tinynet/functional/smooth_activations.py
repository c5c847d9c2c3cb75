"""Activation functions without kinks: the sigmoid and what is made from it, tanh, GELU, softplus.

None of them overflows, however large x is: exponentials are only taken of numbers below zero.
"""

import math

from tinynet.autograd import Function, Tensor
from tinynet.errors import ArgumentError
from tinynet.functional.conversion import floating
from tinynet.functional.elementwise import abs as absolute
from tinynet.functional.elementwise import clip, erf, exp, where
from tinynet_kernels import activation as kernels

__all__ = ["gelu", "log_sigmoid", "mish", "sigmoid", "silu", "softplus", "softsign", "tanh"]


def sigmoid_of_array(xp, x):
    """1 / (1 + e⁻ˣ) of an array, to the last digits for x of any size."""
    return xp.exp(xp.minimum(x, 0)) / (1 + xp.exp(-xp.abs(x)))


class Sigmoid(Function):
    __slots__ = ()
    reads_output = True

    def forward(self, x):
        return kernels.sigmoid(x)

    def backward(self, gy):
        y = self.output
        return gy * (y * (1 - y))

    def backward_arrays(self, gy):
        return kernels.sigmoid_backward(gy, self.output_data)


def sigmoid(x):
    """1 / (1 + e⁻ˣ) elementwise. Any shape."""
    return Sigmoid()(floating(x))


class Tanh(Function):
    __slots__ = ()
    reads_output = True

    def forward(self, x):
        return kernels.tanh(x)

    def backward(self, gy):
        y = self.output
        return gy * (1 - y * y)

    def backward_arrays(self, gy):
        return kernels.tanh_backward(gy, self.output_data)


def tanh(x):
    """The hyperbolic tangent, elementwise. Any shape."""
    return Tanh()(floating(x))


class LogSigmoid(Function):
    __slots__ = ()
    reads = ((0,),)

    def forward(self, x):
        return -kernels.softplus(-x, 1.0, math.inf)

    def backward(self, gy):
        return gy * sigmoid(-self.inputs[0])

    def backward_arrays(self, gy):
        return gy * kernels.sigmoid(-self.input_arrays[0])


def log_sigmoid(x):
    """ln(1 / (1 + e⁻ˣ)) elementwise, accurate for x of any size. Any shape."""
    return LogSigmoid()(floating(x))


class Softplus(Function):
    __slots__ = ("beta", "threshold")
    reads = ((0,),)

    def __init__(self, beta, threshold):
        self.beta = beta
        self.threshold = threshold

    def forward(self, x):
        return kernels.softplus(x, self.beta, self.threshold)

    def backward(self, gy):
        scaled = self.inputs[0] * self.beta
        return where(Tensor(scaled.data > self.threshold), gy, gy * sigmoid(scaled))

    def backward_arrays(self, gy):
        return kernels.softplus_backward(gy, self.input_arrays[0], self.beta, self.threshold)


def softplus(x, beta=1.0, threshold=20.0):
    """ln(1 + exp(beta · x)) / beta, a smooth relu, elementwise. Any shape.

    Where beta · x is above `threshold` it is x itself, as in PyTorch; ``math.inf`` switches that off.
    Raises ArgumentError unless beta is above 0.
    """
    if not beta > 0:
        raise ArgumentError(f"softplus: beta must be above 0, not {beta}")
    return Softplus(float(beta), float(threshold))(floating(x))


class Softsign(Function):
    __slots__ = ()
    reads = ((0,),)

    def forward(self, x):
        return x / (1 + self.xp.abs(x))

    def backward(self, gy):
        # Divided twice rather than by the square, which may overflow.
        size = 1 + absolute(self.inputs[0])
        return gy / size / size

    def backward_arrays(self, gy):
        size = 1 + self.xp.abs(self.input_arrays[0])
        return gy / size / size


def softsign(x):
    """x / (1 + |x|) elementwise. Any shape."""
    return Softsign()(floating(x))


class Silu(Function):
    __slots__ = ()
    reads = ((0,),)

    def forward(self, x):
        return kernels.silu(x)

    def backward(self, gy):
        x = self.inputs[0]
        gate = sigmoid(x)
        return gy * (gate * (1 + x * (1 - gate)))

    def backward_arrays(self, gy):
        return kernels.silu_backward(gy, self.input_arrays[0])


def silu(x):
    """x · sigmoid(x), also called swish, elementwise. Any shape.

    S. Elfwing, E. Uchibe and K. Doya, "Sigmoid-weighted linear units for neural network function
    approximation in reinforcement learning", 2018.
    """
    return Silu()(floating(x))


def mish(x):
    """x · tanh(softplus(x)) elementwise. Any shape.

    D. Misra, "Mish: a self regularized non-monotonic activation function", 2020.
    """
    x = floating(x)
    return x * tanh(softplus(x, threshold=math.inf))


class Gelu(Function):
    """x · Φ(x), where Φ is the distribution function of the standard normal distribution."""

    __slots__ = ()
    reads = ((0,),)

    def forward(self, x):
        return kernels.gelu(x)

    def backward(self, gy):
        x = self.inputs[0]
        near = clip(x, -_FAR_OUT, _FAR_OUT)
        density = exp(near * near * -0.5) * _NORMAL_PEAK
        return gy * (0.5 * (1 + erf(x * math.sqrt(0.5))) + near * density)

    def backward_arrays(self, gy):
        return kernels.gelu_backward(gy, self.input_arrays[0])


class GeluTanh(Function):
    """x · (1 + tanh(√(2/π) · (x + 0.044715 · x³))) / 2."""

    __slots__ = ()
    operation = "gelu"
    reads = ((0,),)

    def forward(self, x):
        near = self.xp.clip(x, -_SATURATED, _SATURATED)
        bend = self.xp.tanh(_argument(near))
        if self.needs(0):
            self.kept = bend
        return x * (0.5 * (1 + bend))

    def backward(self, gy):
        near = clip(self.inputs[0], -_SATURATED, _SATURATED)
        return self._gradient(gy, near, tanh(_argument(near)))

    def backward_arrays(self, gy):
        near = self.xp.clip(self.input_arrays[0], -_SATURATED, _SATURATED)
        return self._gradient(gy, near, self.kept)

    def _gradient(self, gy, near, bend):
        steepness = _STRETCH * (1 + 3 * _CUBIC * (near * near))
        return gy * (0.5 * (1 + bend) + 0.5 * near * (1 - bend * bend) * steepness)


_NORMAL_PEAK = 1 / math.sqrt(2 * math.pi)
_FAR_OUT = 40.0  # here the normal density is 0 in float64; squares of huge numbers would overflow
_SATURATED = 10.0  # here tanh is ±1 in float64; cubes of huge numbers would overflow
_STRETCH = math.sqrt(2 / math.pi)
_CUBIC = 0.044715


def _argument(x):
    return _STRETCH * (x * (1 + _CUBIC * (x * x)))


def gelu(x, approximate=False):
    """x · Φ(x) elementwise, with Φ the distribution function of the standard normal distribution. Any shape.

    Args:
        x: any shape.
        approximate: False for the error function; ``"tanh"`` (or True) for the approximation that BERT and
            GPT-2 were trained with, which differs by up to 5e-4.

    Raises:
        ArgumentError: `approximate` is something else.

    D. Hendrycks and K. Gimpel, "Gaussian error linear units (GELUs)", 2016.
    """
    if approximate not in (False, True, "none", "tanh"):
        raise ArgumentError(f"gelu: approximate must be False or 'tanh', not {approximate!r}")
    operation = GeluTanh if approximate in (True, "tanh") else Gelu
    return operation()(floating(x))
