"""Activation functions: the rectifiers and the others made of straight pieces.

The smooth ones (`sigmoid`, `gelu` …) and the softmax are in modules of their own and offered here as well.
All work elementwise on any shape, in the dtype of x; where they bend they have the slope that PyTorch takes.
"""

from tinynet.autograd import Function, Tensor, as_tensor
from tinynet.errors import ArgumentError, ShapeError
from tinynet.functional.arithmetic import operands, sum_to
from tinynet.functional.conversion import floating
from tinynet.functional.elementwise import exp, where
from tinynet.functional.masking import choose
from tinynet.functional.smooth_activations import (
    gelu,
    log_sigmoid,
    mish,
    sigmoid,
    silu,
    softplus,
    softsign,
    tanh,
)
from tinynet.functional.softmax_functions import log_softmax, softmax
from tinynet_kernels import activation as kernels

__all__ = [
    "elu",
    "gelu",
    "hard_sigmoid",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "tanh",
]


class StraightPieces(Function):
    """Base of functions with two slopes: `inner` where `inside` holds, `outer` elsewhere."""

    __slots__ = ()
    reads: tuple = ((0,),)
    inner = 1.0
    outer = 0.0

    def backward(self, gy):
        return self._gradient(where, gy, Tensor(self._where_inner()))

    def backward_arrays(self, gy):
        return self._gradient(choose, gy, self._where_inner())

    def inside(self, x):
        """Where the slope of the array x is `inner`."""
        raise NotImplementedError

    def _where_inner(self):
        return self.inside(self.input_arrays[0])

    def _gradient(self, choose, gy, inside):
        # Chosen rather than multiplied: an infinite gradient times the slope 0 would be NaN.
        inner = gy if self.inner == 1 else gy * self.inner
        return choose(inside, inner, gy * self.outer if self.outer else 0.0)


class Relu(StraightPieces):
    __slots__ = ()
    reads = ()
    reads_output = True

    def forward(self, x):
        return kernels.relu(x)

    def backward_arrays(self, gy):
        return kernels.relu_backward(gy, self.output_data)

    def _where_inner(self):
        return self.output_data > 0


def relu(x):
    """max(x, 0). Any shape. The slope at 0 is 0.

    V. Nair and G. Hinton, "Rectified linear units improve restricted Boltzmann machines", 2010.
    """
    return Relu()(as_tensor(x))


class LeakyRelu(StraightPieces):
    __slots__ = ("outer",)

    def __init__(self, negative_slope):
        self.outer = negative_slope

    def forward(self, x):
        return kernels.leaky_relu(x, self.outer)

    def backward_arrays(self, gy):
        return kernels.leaky_relu_backward(gy, self.input_arrays[0], self.outer)

    def inside(self, x):
        return x > 0


def leaky_relu(x, negative_slope=0.01):
    """x where x > 0, `negative_slope` · x elsewhere. Any shape. The slope at 0 is `negative_slope`.

    A. Maas, A. Hannun and A. Ng, "Rectifier nonlinearities improve neural network acoustic models", 2013.
    """
    return LeakyRelu(float(negative_slope))(floating(x))


class HardTanh(StraightPieces):
    """x limited to an interval. Unlike `clip`, it has the slope 0 at the bounds."""

    __slots__ = ("high", "low")

    def __init__(self, low, high):
        self.low = low
        self.high = high

    def forward(self, x):
        return self.xp.clip(x, self.low, self.high)

    def inside(self, x):
        return (x > self.low) & (x < self.high)


def relu6(x):
    """min(max(x, 0), 6). Any shape. The slope at 0 and at 6 is 0."""
    return HardTanh(0.0, 6.0)(floating(x))


def hard_tanh(x, low=-1.0, high=1.0):
    """x limited to [low, high]. Any shape. The slope at the bounds is 0, where `clip` has 1.

    Raises ArgumentError unless low < high.
    """
    if not low < high:
        raise ArgumentError(f"hard_tanh: low ({low}) must be below high ({high})")
    return HardTanh(float(low), float(high))(floating(x))


class HardSigmoid(StraightPieces):
    __slots__ = ()
    inner = 1 / 6

    def forward(self, x):
        return self.xp.clip(x + 3, 0.0, 6.0) / 6

    def inside(self, x):
        return (x > -3) & (x < 3)


def hard_sigmoid(x):
    """relu6(x + 3) / 6: a sigmoid of three straight pieces. Any shape.

    This is PyTorch's, and Keras's from version 3 on. Older versions of Keras had the slope 0.2 in place
    of 1/6, min(max(0.2 · x + 0.5, 0), 1), which bends at ±2.5.
    """
    return HardSigmoid()(floating(x))


def hard_swish(x):
    """x · hard_sigmoid(x). Any shape.

    A. Howard et al., "Searching for MobileNetV3", 2019, section 5.2.
    """
    x = floating(x)
    return x * hard_sigmoid(x)


class Elu(Function):
    """``scale · x`` where x > 0, ``scale · alpha · (eˣ − 1)`` elsewhere."""

    __slots__ = ("alpha", "scale")
    reads = ((0,),)

    def __init__(self, alpha, scale=1.0):
        self.alpha = alpha
        self.scale = scale

    def forward(self, x):
        return kernels.elu(x, self.alpha, self.scale)

    def backward(self, gy):
        x = self.inputs[0]
        positive = Tensor(x.data > 0)
        # Chosen before exp as well, which would overflow for large x.
        curve = exp(where(positive, 0.0, x)) * (self.alpha * self.scale)
        return gy * where(positive, self.scale, curve)

    def backward_arrays(self, gy):
        return kernels.elu_backward(gy, self.input_arrays[0], self.alpha, self.scale)


def elu(x, alpha=1.0):
    """x where x > 0, alpha · (eˣ − 1) elsewhere. Any shape.

    D.-A. Clevert, T. Unterthiner and S. Hochreiter, "Fast and accurate deep network learning by
    exponential linear units (ELUs)", 2016.
    """
    return Elu(float(alpha))(floating(x))


# The fixed point of mean 0 and variance 1, equation 14 of the paper.
_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805


def selu(x):
    """1.0507 · elu(x, alpha=1.6733): keeps mean 0 and variance 1 from layer to layer. Any shape.

    G. Klambauer et al., "Self-normalizing neural networks", 2017.
    """
    return Elu(_SELU_ALPHA, _SELU_SCALE)(floating(x))


class Prelu(Function):
    __slots__ = ("weight_shape",)
    reads = ((0, 1), (0,))

    def forward(self, x, weight):
        self.weight_shape = weight.shape
        return self.xp.maximum(x, 0) + self.xp.minimum(x, 0) * weight

    def backward(self, gy):
        x, weight = self.inputs
        positive = Tensor(x.data > 0)
        return self._gradients(where, gy, weight, positive, where(positive, 0.0, x))

    def backward_arrays(self, gy):
        x, weight = self.input_arrays
        return self._gradients(choose, gy, weight, x > 0, self.xp.minimum(x, 0))

    def _gradients(self, choose, gy, weight, positive, negative_part):
        return (
            choose(positive, gy, gy * weight) if self.needs(0) else None,
            sum_to(gy * negative_part, self.weight_shape) if self.needs(1) else None,
        )


def prelu(x, weight):
    """x where x > 0, weight · x elsewhere, with a slope to be learnt.

    Args:
        x: (..., C).
        weight: (C,), one slope for each channel, or () or (1,), one for all.

    Raises:
        ShapeError: the weight has another shape.

    K. He et al., "Delving deep into rectifiers", 2015.
    """
    x, weight = operands(floating(x), weight)
    if weight.shape not in ((), x.shape[-1:]) and not (weight.shape == (1,) and x.ndim):
        channels = f"({x.shape[-1]},) or " if x.ndim else ""
        raise ShapeError(
            f"prelu: weight has shape {weight.shape} but x (shape {x.shape}) needs {channels}one number"
        )
    return Prelu()(x, weight)
