"""The smooth activation functions on the CPU: one pass over memory each, exponentials as vector code."""

from tinynet_kernels.activation.elementwise import calculate
from tinynet_kernels.activation.functions import gate, hyperbolic_tangent, logarithm_of_one_plus
from tinynet_kernels.blocks import block, parameters_of
from tinynet_kernels.compile import inner
from tinynet_kernels.simd.exponential import exponential, exponential_minus_one

__all__ = [
    "elu",
    "elu_backward",
    "sigmoid",
    "sigmoid_backward",
    "silu",
    "silu_backward",
    "softplus",
    "softplus_backward",
    "tanh",
    "tanh_backward",
]

_ALONE = 16384  # elements


def sigmoid(x):
    return calculate(_sigmoid, x, alone=_ALONE)


def sigmoid_backward(gy, y):
    return calculate(_sigmoid_backward, gy, y, alone=_ALONE)


def silu(x):
    return calculate(_silu, x, alone=_ALONE)


def silu_backward(gy, x):
    return calculate(_silu_backward, gy, x, alone=_ALONE)


def tanh(x):
    return calculate(_tanh, x, alone=_ALONE)


def tanh_backward(gy, y):
    return calculate(_tanh_backward, gy, y, alone=_ALONE)


def softplus(x, beta, threshold):
    return calculate(_softplus, x, alone=_ALONE, parameters=(beta, threshold))


def softplus_backward(gy, x, beta, threshold):
    return calculate(_softplus_backward, gy, x, alone=_ALONE, parameters=(beta, threshold))


def elu(x, alpha, scale):
    return calculate(_elu, x, alone=_ALONE, parameters=(scale, alpha * scale))


def elu_backward(gy, x, alpha, scale):
    return calculate(_elu_backward, gy, x, alone=_ALONE, parameters=(scale, alpha * scale))


@inner
def _sigmoid(zero, arguments, index):
    x, y = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    for i in range(x.size):
        y[i] = gate(x[i])


@inner
def _sigmoid_backward(zero, arguments, index):
    gy, y = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    gx, one = block(zero, arguments, index, 2), type(zero)(1)
    for i in range(y.size):
        gx[i] = gy[i] * (y[i] * (one - y[i]))


@inner
def _silu(zero, arguments, index):
    x, y = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    for i in range(x.size):
        y[i] = x[i] * gate(x[i])


@inner
def _silu_backward(zero, arguments, index):
    gy, x = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    gx, one = block(zero, arguments, index, 2), type(zero)(1)
    for i in range(x.size):
        share = gate(x[i])
        gx[i] = gy[i] * (share * (one + x[i] * (one - share)))


@inner
def _tanh(zero, arguments, index):
    x, y = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    for i in range(x.size):
        y[i] = hyperbolic_tangent(x[i])


@inner
def _tanh_backward(zero, arguments, index):
    gy, y = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    gx, one = block(zero, arguments, index, 2), type(zero)(1)
    for i in range(y.size):
        gx[i] = gy[i] * (one - y[i] * y[i])


@inner
def _softplus(zero, arguments, index):
    x, y = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    beta, threshold = parameters_of(zero, arguments, 2)
    for i in range(x.size):
        scaled = x[i] * beta
        decay = exponential(-scaled if scaled > 0 else scaled)
        above = zero if scaled < 0 else scaled
        curve = (above + logarithm_of_one_plus(decay)) / beta
        y[i] = x[i] if scaled > threshold else curve


@inner
def _softplus_backward(zero, arguments, index):
    gy, x = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    gx = block(zero, arguments, index, 2)
    beta, threshold = parameters_of(zero, arguments, 2)
    for i in range(x.size):
        scaled = x[i] * beta
        curve = gy[i] * gate(scaled)
        gx[i] = gy[i] if scaled > threshold else curve


@inner
def _elu(zero, arguments, index):
    x, y = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    slope, height = parameters_of(zero, arguments, 2)
    for i in range(x.size):
        curve = height * exponential_minus_one(zero if x[i] > 0 else x[i])
        y[i] = slope * x[i] if x[i] > 0 else curve


@inner
def _elu_backward(zero, arguments, index):
    gy, x = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    gx = block(zero, arguments, index, 2)
    slope, height = parameters_of(zero, arguments, 2)
    for i in range(x.size):
        curve = height * exponential(zero if x[i] > 0 else x[i])
        gx[i] = gy[i] * (slope if x[i] > 0 else curve)
