"""Activation functions and their gradients, and what a layer that ends in one needs on its way back.

Rectifier, sigmoid and tanh need nothing but their output y to find the gradient: the value x before
the activation need not be kept. The others take x.
"""

from tinynet_kernels.dispatch import FLOATS, Family

__all__ = [
    "add_relu",
    "backward_with_bias",
    "column_sums",
    "elu",
    "elu_backward",
    "gelu",
    "gelu_backward",
    "leaky_relu",
    "leaky_relu_backward",
    "relu",
    "relu_backward",
    "sigmoid",
    "sigmoid_backward",
    "silu",
    "silu_backward",
    "softplus",
    "softplus_backward",
    "tanh",
    "tanh_backward",
]

_family = Family(__name__, gpu=FLOATS)


def relu(x):
    """``max(x, 0)``; NaN stays NaN. Any shape.

    Source: Nair & Hinton, Rectified Linear Units Improve Restricted Boltzmann Machines (2010).
    """
    return _family.take(x).relu(x)


def relu_backward(gy, y):
    """gy where y > 0, and 0 elsewhere, given y = `relu` (x) and its gradient gy. Any shape."""
    _check_same_shape("relu_backward", gy, y)
    return _family.take(gy, y).relu_backward(gy, y)


def add_relu(x, y):
    """``max(x + y, 0)`` of two arrays of one shape; NaN stays NaN. Its gradient is `relu_backward`.

    Source: He et al., Deep Residual Learning for Image Recognition (2016), figure 2.
    """
    if x.shape != y.shape:
        raise ValueError(f"activation.add_relu: x has shape {x.shape} but y has {y.shape}")
    return _family.take(x, y).add_relu(x, y)


def leaky_relu(x, negative_slope):
    """x where x > 0, ``negative_slope * x`` elsewhere. Any shape.

    Source: Maas, Hannun & Ng, Rectifier Nonlinearities Improve Neural Network Acoustic Models (2013).
    """
    return _family.take(x).leaky_relu(x, negative_slope)


def leaky_relu_backward(gy, x, negative_slope):
    """gy where x > 0, ``negative_slope * gy`` elsewhere, or 0 if the slope is 0. Any shape."""
    _check_same_shape("leaky_relu_backward", gy, x, "x")
    return _family.take(gy, x).leaky_relu_backward(gy, x, negative_slope)


def elu(x, alpha, scale):
    """``scale * x`` where x > 0, ``scale * alpha * (exp(x) - 1)`` elsewhere. Any shape.

    Sources: Clevert, Unterthiner & Hochreiter, Exponential Linear Units (2016), without the scale; Klambauer
    et al., Self-Normalizing Neural Networks (2017), with it.
    """
    return _family.take(x).elu(x, alpha, scale)


def elu_backward(gy, x, alpha, scale):
    """The gradient of `elu` with respect to x, given x and the gradient gy of the output. Any shape."""
    _check_same_shape("elu_backward", gy, x, "x")
    return _family.take(gy, x).elu_backward(gy, x, alpha, scale)


def backward_with_bias(gy, y, activation):
    """The gradients of ``y = activation(z + bias)`` with respect to z and bias, in one pass.

    Args:
        gy: gradient with respect to y (..., C).
        y: the output (..., C); may be None where `activation` is.
        activation: "relu" or None.

    Returns:
        The gradient with respect to z (..., C), which is `gy` itself where there is no activation, and
        with respect to bias (C,): the former summed over all axes but the last.
    """
    if gy.ndim == 0:
        raise ValueError("activation.backward_with_bias: gy must have at least one axis, (..., C)")
    if activation is None:
        return _family.take(gy).backward_with_bias(gy, None, None)
    if activation != "relu":
        raise ValueError(
            f"activation.backward_with_bias: activation must be 'relu' or None, not {activation!r}"
        )
    _check_same_shape("backward_with_bias", gy, y)
    return _family.take(gy, y).backward_with_bias(gy, y, activation)


def column_sums(x):
    """The sums over all axes but the last, (..., C) → (C,), accurate however many rows there are."""
    if x.ndim == 0:
        raise ValueError("activation.column_sums: x must have at least one axis, (..., C)")
    return _family.take(x).column_sums(x)


def sigmoid(x):
    """``1 / (1 + exp(-x))``, to the last digits for x of any size. Any shape."""
    return _family.take(x).sigmoid(x)


def sigmoid_backward(gy, y):
    """``gy * y * (1 - y)``, given y = `sigmoid` (x) and its gradient gy. Any shape."""
    _check_same_shape("sigmoid_backward", gy, y)
    return _family.take(gy, y).sigmoid_backward(gy, y)


def silu(x):
    """``x * sigmoid(x)``. Any shape. Source: Elfwing, Uchibe & Doya, Sigmoid-Weighted Linear Units (2018)."""
    return _family.take(x).silu(x)


def silu_backward(gy, x):
    """The gradient of `silu` with respect to x, given x and the gradient gy of the output. Any shape."""
    _check_same_shape("silu_backward", gy, x, "x")
    return _family.take(gy, x).silu_backward(gy, x)


def tanh(x):
    """The hyperbolic tangent. Any shape."""
    return _family.take(x).tanh(x)


def tanh_backward(gy, y):
    """``gy * (1 - y²)``, given y = `tanh` (x) and its gradient gy. Any shape."""
    _check_same_shape("tanh_backward", gy, y)
    return _family.take(gy, y).tanh_backward(gy, y)


def softplus(x, beta, threshold):
    """``log(1 + exp(beta * x)) / beta``, or x itself where ``beta * x > threshold``. Any shape.

    Source: Dugas et al., Incorporating Second-Order Functional Knowledge for Better Option Pricing (2001).
    """
    return _family.take(x).softplus(x, beta, threshold)


def softplus_backward(gy, x, beta, threshold):
    """``gy * sigmoid(beta * x)``, or gy where ``beta * x > threshold``. Any shape."""
    _check_same_shape("softplus_backward", gy, x, "x")
    return _family.take(gy, x).softplus_backward(gy, x, beta, threshold)


def gelu(x):
    """``x * Φ(x)`` with Φ the distribution function of the standard normal distribution. Any shape.

    Source: Hendrycks & Gimpel, Gaussian Error Linear Units (2016).
    """
    return _family.take(x).gelu(x)


def gelu_backward(gy, x):
    """``gy * (Φ(x) + x * Φ'(x))``, given the input x of `gelu` and its gradient gy. Any shape."""
    _check_same_shape("gelu_backward", gy, x, "x")
    return _family.take(gy, x).gelu_backward(gy, x)


def _check_same_shape(function, gy, y, name="y"):
    if y is None or gy.shape != y.shape:
        shape = None if y is None else y.shape
        raise ValueError(f"activation.{function}: gy has shape {gy.shape} but {name} has {shape}")
