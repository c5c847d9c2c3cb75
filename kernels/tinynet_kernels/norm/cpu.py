"""Batch normalisation on the CPU: prepares flat, contiguous arrays for the `loops`."""

import numpy as np

from tinynet_kernels.memory import empty
from tinynet_kernels.norm import loops
from tinynet_kernels.strips import cut


def batch_forward(x, gamma, beta, epsilon, activation=None):
    C = x.shape[1]
    mean, variance, inverse_std = np.zeros(C, x.dtype), np.zeros(C, x.dtype), np.empty(C, x.dtype)
    if not x.size:
        inverse_std.fill(1 / np.sqrt(epsilon))
        return empty(x.shape, x.dtype), mean, variance, inverse_std
    y = empty(x.shape, x.dtype)
    statistics = mean, variance, inverse_std
    strip, block = cut(*x.shape)
    arrays = _flat(x), np.ascontiguousarray(gamma), np.ascontiguousarray(beta)
    loops.forward(*arrays, float(epsilon), activation is not None, y.reshape(-1), *statistics, strip, block)
    return y, *statistics


def batch_inference(x, gamma, beta, mean, variance, epsilon, activation=None):
    y = empty(x.shape, x.dtype)
    if y.size:
        per_column = map(np.ascontiguousarray, (gamma, beta, mean, variance))
        strip, block = cut(*x.shape)
        loops.inference(
            _flat(x), *per_column, float(epsilon), activation is not None, y.reshape(-1), strip, block
        )
    return y


def batch_backward(gy, x, gamma, mean, inverse_std, y=None):
    gx = empty(x.shape, x.dtype)
    ggamma, gbeta = np.zeros(x.shape[1], x.dtype), np.zeros(x.shape[1], x.dtype)
    if gx.size:
        flat = _flat(gy), _flat(x), _flat(x if y is None else y)
        per_column = map(np.ascontiguousarray, (gamma, mean, inverse_std))
        strip, block = cut(*x.shape)
        loops.backward(*flat, *per_column, y is not None, gx.reshape(-1), ggamma, gbeta, strip, block)
    return gx, ggamma, gbeta


def _flat(array):
    return np.ascontiguousarray(array).reshape(-1)
