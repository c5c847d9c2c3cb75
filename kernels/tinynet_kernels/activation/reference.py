"""Activation functions as their formulas say."""

import math

import numpy as np

from tinynet_kernels.dispatch import array_module

_FAR_OUT = 40.0  # here the normal density is 0 in float64; squares of huge numbers would overflow


def relu(x):
    return array_module(x).maximum(x, 0)


def relu_backward(gy, y):
    return array_module(gy).where(y > 0, gy, gy.dtype.type(0))


def add_relu(x, y):
    return relu(x + y)


def leaky_relu(x, negative_slope):
    return array_module(x).where(x > 0, x, x * negative_slope).astype(x.dtype)


def leaky_relu_backward(gy, x, negative_slope):
    if negative_slope == 0:
        return relu_backward(gy, x)
    return array_module(gy).where(x > 0, gy, gy * negative_slope).astype(gy.dtype)


def elu(x, alpha, scale):
    xp = array_module(x)
    curve = xp.expm1(xp.minimum(x, 0)) * (alpha * scale)
    return xp.where(x > 0, x * scale, curve)


def elu_backward(gy, x, alpha, scale):
    xp = array_module(x)
    curve = xp.exp(xp.minimum(x, 0)) * (alpha * scale)
    return xp.where(x > 0, gy * scale, gy * curve)


def backward_with_bias(gy, y, activation):
    g = gy if activation is None else relu_backward(gy, y)
    return g, column_sums(g)


def column_sums(x):
    xp = array_module(x)
    return x.sum(axis=tuple(range(x.ndim - 1)), dtype=xp.float64).astype(x.dtype)


def sigmoid(x):
    xp = array_module(x)
    return xp.exp(xp.minimum(x, 0)) / (1 + xp.exp(-xp.abs(x)))


def sigmoid_backward(gy, y):
    return gy * (y * (1 - y))


def silu(x):
    return x * sigmoid(x)


def silu_backward(gy, x):
    gate = sigmoid(x)
    return gy * (gate * (1 + x * (1 - gate)))


def tanh(x):
    return array_module(x).tanh(x)


def tanh_backward(gy, y):
    return gy * (1 - y * y)


def softplus(x, beta, threshold):
    xp, scaled = array_module(x), x * beta
    curve = xp.maximum(scaled, 0) + xp.log1p(xp.exp(-xp.abs(scaled)))
    return xp.where(scaled > threshold, x, curve / beta)


def softplus_backward(gy, x, beta, threshold):
    scaled = x * beta
    return array_module(x).where(scaled > threshold, gy, gy * sigmoid(scaled))


def gelu(x):
    return x * _normal_distribution(x)


def gelu_backward(gy, x):
    xp = array_module(x)
    near = xp.clip(x, -_FAR_OUT, _FAR_OUT)
    density = xp.exp(near * near * -0.5) / math.sqrt(2 * math.pi)
    return gy * (_normal_distribution(x) + near * density)


def _normal_distribution(x):
    if array_module(x) is np:
        erf = np.vectorize(math.erf, otypes=[x.dtype])
    else:
        from cupyx.scipy.special import erf
    return 0.5 * (1 + erf(x * math.sqrt(0.5)))
