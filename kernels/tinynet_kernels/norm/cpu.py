"""Normalisation on the CPU: prepares flat, contiguous arrays for the `loops` and the `layer_loops`."""

import numpy as np

from tinynet_kernels.memory import empty
from tinynet_kernels.norm import layer_loops, loops
from tinynet_kernels.strips import cut

_BLOCK = 16384  # elements of a block of rows
# Blocks that keep sums over their rows: enough of them for some threads, and of rows, so that the sums are
# small beside the data.
_LEAST_SUMS, _MOST_SUMS = 16, 128
_LEAST_ROWS, _ENOUGH_ROWS = 4, 16

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


def layer_forward(x, gamma, beta, epsilon):
    rows, columns = x.shape
    mean, inverse_std = np.zeros(rows, x.dtype), np.empty(rows, x.dtype)
    y = empty(x.shape, x.dtype)
    if y.size:
        gamma = np.ones(columns, x.dtype) if gamma is None else np.ascontiguousarray(gamma)
        beta = np.zeros(columns, x.dtype) if beta is None else np.ascontiguousarray(beta)
        statistics = mean, inverse_std
        block = max(1, _BLOCK // columns)
        layer_loops.forward(_flat(x), gamma, beta, float(epsilon), y.reshape(-1), *statistics, block)
    else:
        inverse_std.fill(1 / np.sqrt(epsilon))
    return y, mean, inverse_std


def layer_backward(gy, x, gamma, mean, inverse_std):
    rows, columns = x.shape
    gx = empty(x.shape, x.dtype)
    ggamma, gbeta = np.zeros(columns, x.dtype), np.zeros(columns, x.dtype)
    if gx.size:
        factors = np.ones(columns, x.dtype) if gamma is None else np.ascontiguousarray(gamma)
        per_row = np.ascontiguousarray(mean), np.ascontiguousarray(inverse_std)
        block = max(_LEAST_ROWS, min(_ENOUGH_ROWS, -(-rows // _LEAST_SUMS)), -(-rows // _MOST_SUMS))
        gradients = gx.reshape(-1), ggamma, gbeta
        layer_loops.backward(_flat(gy), _flat(x), factors, *per_row, *gradients, block)
    return (gx, None, None) if gamma is None else (gx, ggamma, gbeta)


def _flat(array):
    return np.ascontiguousarray(array).reshape(-1)
