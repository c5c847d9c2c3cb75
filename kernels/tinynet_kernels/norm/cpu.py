"""Batch normalisation on the CPU: prepares flat, contiguous arrays for the `loops`."""

import numpy as np

from tinynet_kernels.memory import empty
from tinynet_kernels.norm import loops
from tinynet_kernels.strips import cut

_CEILINGS = {None: np.nan, "relu": np.nan, "relu6": 6}


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
    options = float(epsilon), activation is not None, x.dtype.type(_CEILINGS[activation])
    loops.forward(*arrays, *options, y.reshape(-1), *statistics, strip, block)
    return y, *statistics


def batch_inference(x, gamma, beta, mean, variance, epsilon, activation=None):
    y = empty(x.shape, x.dtype)
    if y.size:
        scale = (gamma / np.sqrt(variance.astype(np.float64) + epsilon)).astype(x.dtype)
        shift, offset = np.ascontiguousarray(mean), np.ascontiguousarray(beta)
        options = activation is not None, x.dtype.type(_CEILINGS[activation])
        loops.normalize(_flat(x), shift, scale, offset, *options, y.reshape(-1), *cut(*x.shape))
    return y


def batch_backward(gy, x, gamma, mean, inverse_std, y=None, activation="relu"):
    gx = empty(x.shape, x.dtype)
    ggamma, gbeta = np.zeros(x.shape[1], x.dtype), np.zeros(x.shape[1], x.dtype)
    if gx.size:
        flat = _flat(gy), _flat(x), _flat(x if y is None else y)
        per_column = map(np.ascontiguousarray, (gamma, mean, inverse_std))
        strip, block = cut(*x.shape)
        options = y is not None, x.dtype.type(_CEILINGS[activation])
        loops.backward(*flat, *per_column, *options, gx.reshape(-1), ggamma, gbeta, strip, block)
    return gx, ggamma, gbeta


def _flat(array):
    return np.ascontiguousarray(array).reshape(-1)
