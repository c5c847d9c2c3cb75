"""Activations as layers. They keep the shape of their input; the formulas apply elementwise."""

from tinynet import functional as F
from tinynet.errors import ArgumentError
from tinynet.nn import init
from tinynet.nn.arguments import count, empty_parameter
from tinynet.nn.chaining import absorbed_as
from tinynet.nn.module import Module

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "Identity",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
]


class Identity(Module):
    """x itself."""

    def forward(self, x):
        return x


class ReLU(Module):
    """max(x, 0)."""

    @absorbed_as("relu")
    def forward(self, x):
        return F.relu(x)


class LeakyReLU(Module):
    """x where x > 0, negative_slope · x elsewhere."""

    def __init__(self, negative_slope=0.01):
        self.negative_slope = negative_slope

    def forward(self, x):
        return F.leaky_relu(x, self.negative_slope)

    def extra_repr(self):
        return f"negative_slope={self.negative_slope}"


class PReLU(Module):
    """x where x > 0, weight · x elsewhere, with learnt slopes.

    Args:
        num_parameters: 1 for one slope, or C for one for each channel of x (..., C).
        init: the slope to start from.
    """

    def __init__(self, num_parameters=1, init=0.25):
        self.weight = _filled(count(self, "num_parameters", num_parameters), init)

    def forward(self, x):
        return F.prelu(x, self.weight)

    def extra_repr(self):
        return f"num_parameters={self.weight.size}"


def _filled(size, value):
    return init.constant(empty_parameter(size), value)


class ReLU6(Module):
    """min(max(x, 0), 6)."""

    @absorbed_as("relu6")
    def forward(self, x):
        return F.relu6(x)


class ELU(Module):
    """x where x > 0, alpha · (eˣ − 1) elsewhere."""

    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def forward(self, x):
        return F.elu(x, self.alpha)

    def extra_repr(self):
        return f"alpha={self.alpha}"


class SELU(Module):
    """1.0507 · elu(x, alpha=1.6733), which keeps mean 0 and variance 1."""

    def forward(self, x):
        return F.selu(x)


class GELU(Module):
    """x · Φ(x), with Φ the normal distribution function; ``approximate="tanh"`` for the approximation."""

    def __init__(self, approximate=False):
        if approximate not in (False, True, "none", "tanh"):
            raise ArgumentError(f"GELU: approximate must be False or 'tanh', not {approximate!r}")
        self.approximate = approximate

    def forward(self, x):
        return F.gelu(x, self.approximate)

    def extra_repr(self):
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """x · sigmoid(x), also called swish."""

    def forward(self, x):
        return F.silu(x)


class Mish(Module):
    """x · tanh(softplus(x))."""

    def forward(self, x):
        return F.mish(x)


class Softplus(Module):
    """ln(1 + exp(beta · x)) / beta, and x itself where beta · x is above the threshold."""

    def __init__(self, beta=1.0, threshold=20.0):
        if not beta > 0:
            raise ArgumentError(f"Softplus: beta must be above 0, not {beta!r}")
        self.beta = beta
        self.threshold = threshold

    def forward(self, x):
        return F.softplus(x, self.beta, self.threshold)

    def extra_repr(self):
        return f"beta={self.beta}, threshold={self.threshold}"


class Softsign(Module):
    """x / (1 + |x|)."""

    def forward(self, x):
        return F.softsign(x)


class Hardsigmoid(Module):
    """relu6(x + 3) / 6."""

    def forward(self, x):
        return F.hard_sigmoid(x)


class Hardswish(Module):
    """x · relu6(x + 3) / 6."""

    def forward(self, x):
        return F.hard_swish(x)


class Hardtanh(Module):
    """x limited to [min_val, max_val]."""

    def __init__(self, min_val=-1.0, max_val=1.0):
        if not min_val < max_val:
            raise ArgumentError(f"Hardtanh: min_val ({min_val}) must be below max_val ({max_val})")
        self.min_val = min_val
        self.max_val = max_val

    def forward(self, x):
        return F.hard_tanh(x, self.min_val, self.max_val)

    def extra_repr(self):
        return f"min_val={self.min_val}, max_val={self.max_val}"


class Sigmoid(Module):
    """1 / (1 + e⁻ˣ)."""

    def forward(self, x):
        return F.sigmoid(x)


class LogSigmoid(Module):
    """ln(1 / (1 + e⁻ˣ))."""

    def forward(self, x):
        return F.log_sigmoid(x)


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, x):
        return F.tanh(x)


class Softmax(Module):
    """exp(x) / Σ exp(x) along an axis, by default the last one, where the classes are."""

    def __init__(self, axis=-1):
        self.axis = axis

    def forward(self, x):
        return F.softmax(x, self.axis)

    def extra_repr(self):
        return f"axis={self.axis}"


class LogSoftmax(Module):
    """x − ln Σ exp(x) along an axis, by default the last one, where the classes are."""

    def __init__(self, axis=-1):
        self.axis = axis

    def forward(self, x):
        return F.log_softmax(x, self.axis)

    def extra_repr(self):
        return f"axis={self.axis}"
