"""Activation functions on the CPU: one pass over memory each. The smooth ones are in `smooth`."""

import numpy as np

from tinynet_kernels.activation.elementwise import calculate
from tinynet_kernels.activation.gaussian import gelu, gelu_backward
from tinynet_kernels.activation.smooth import (
    elu,
    elu_backward,
    sigmoid,
    sigmoid_backward,
    silu,
    silu_backward,
    softplus,
    softplus_backward,
    tanh,
    tanh_backward,
)
from tinynet_kernels.blocks import block, parameters_of
from tinynet_kernels.compile import inner
from tinynet_kernels.memory import empty
from tinynet_kernels.simd.memory import element_bytes
from tinynet_kernels.simd.parts import part
from tinynet_kernels.simd.streaming import finish_streaming, is_large, stream
from tinynet_kernels.simd.views import view
from tinynet_kernels.strips import ALONE, cut
from tinynet_kernels.tasks import run

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


def relu(x):
    return calculate(_relu, x, alone=ALONE)


def relu_backward(gy, y):
    return calculate(_relu_backward, gy, y, alone=ALONE)


def add_relu(x, y):
    return calculate(_add_relu, x, y, alone=ALONE)


def leaky_relu(x, negative_slope):
    return calculate(_leaky_relu, x, alone=ALONE, parameters=(negative_slope,))


def leaky_relu_backward(gy, x, negative_slope):
    if negative_slope == 0:
        return relu_backward(gy, x)
    return calculate(_leaky_relu_backward, gy, x, alone=ALONE, parameters=(negative_slope,))


def backward_with_bias(gy, y, activation):
    if activation is None:
        return gy, column_sums(gy)
    columns = gy.shape[-1]
    g, gbias = empty(gy.shape, gy.dtype), np.zeros(columns, gy.dtype)
    if gy.size:
        cuts = cut(gy.size // columns, columns)
        if gy.size < ALONE:
            _mask_and_sum(_flat(gy), _flat(y), g.reshape(-1), gbias, *cuts)
        else:
            arrays = np.ascontiguousarray(gy), np.ascontiguousarray(y), g
            _sum_in_parallel(_mask_and_sum_block, arrays, gbias, *cuts)
    return g, gbias


def column_sums(x):
    columns = x.shape[-1]
    total = np.zeros(columns, x.dtype)
    if x.size:
        cuts = cut(x.size // columns, columns)
        if x.size < ALONE:
            _sum(_flat(x), total, *cuts)
        else:
            _sum_in_parallel(_sum_block, (np.ascontiguousarray(x),), total, *cuts)
    return total


def _sum_in_parallel(task, arrays, total, strip, block):
    """Computes sums over columns with one task for each block, of contiguous arrays; see `strips`."""
    blocks = -(-arrays[0].size // block)
    partial = np.empty((blocks, total.size), total.dtype)
    addresses = (array.ctypes.data for array in (partial, *arrays))
    run(task, total.dtype, blocks, (total.size, arrays[0].size, strip, block, *addresses))
    _sum_blocks(partial, total)


def _flat(array):
    return np.ascontiguousarray(array).reshape(-1)


@inner
def _relu(zero, arguments, index):
    x, y = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    for i in range(x.size):
        y[i] = zero if x[i] < zero else x[i]


@inner
def _relu_backward(zero, arguments, index):
    gy, y = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    gx = block(zero, arguments, index, 2)
    for i in range(gy.size):
        gx[i] = gy[i] if y[i] > zero else zero


@inner
def _add_relu(zero, arguments, index):
    a, b = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    y = block(zero, arguments, index, 2)
    for i in range(a.size):
        total = a[i] + b[i]
        y[i] = zero if total < zero else total


@inner
def _leaky_relu(zero, arguments, index):
    x, y = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    (slope,) = parameters_of(zero, arguments, 1)
    for i in range(x.size):
        y[i] = x[i] if x[i] > zero else x[i] * slope


@inner
def _leaky_relu_backward(zero, arguments, index):
    gy, x = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    gx, (slope,) = block(zero, arguments, index, 2), parameters_of(zero, arguments, 1)
    for i in range(x.size):
        gx[i] = gy[i] if x[i] > zero else gy[i] * slope


@inner
def _sum(x, total, strip, block):
    """The sums of the columns of a small matrix; see `strips` for how it is cut."""
    partial = np.empty(((x.size + block - 1) // block, total.size), x.dtype)
    for b in range(partial.shape[0]):
        _sum_strips(part(x, b * block, (b + 1) * block), partial[b], strip)
    _sum_blocks(partial, total)


@inner
def _sum_block(zero, arguments, index):
    """One task, see `tasks.run`: the sums of one block."""
    columns, size, strip, block, partial, x = arguments[:6]
    total = view(zero, partial + index * columns * element_bytes(zero), columns)
    _sum_strips(part(view(zero, x, size), index * block, (index + 1) * block), total, strip)


@inner
def _sum_strips(x, total, strip):
    sums = np.zeros(strip, x.dtype)
    for first in range(0, x.size, strip):
        _add_strip(part(x, first, first + strip), sums)
    _fold(sums, total)


@inner(inline="always")
def _add_strip(x, sums):
    for j in range(x.size):
        sums[j] += x[j]


@inner
def _mask_and_sum(gy, y, g, total, strip, block):
    """The gradient before a ReLU, of a small matrix, and the sums of its columns."""
    partial = np.empty(((gy.size + block - 1) // block, total.size), gy.dtype)
    for b in range(partial.shape[0]):
        i, j = b * block, (b + 1) * block
        _mask_and_sum_strips(part(gy, i, j), part(y, i, j), part(g, i, j), partial[b], strip, False)
    _sum_blocks(partial, total)


@inner
def _mask_and_sum_block(zero, arguments, index):
    """One task, see `tasks.run`: the gradient and the sums of one block."""
    columns, size, strip, block, partial, gy_address, y_address, g_address = arguments[:8]
    total = view(zero, partial + index * columns * element_bytes(zero), columns)
    gy, y, g = view(zero, gy_address, size), view(zero, y_address, size), view(zero, g_address, size)
    i, j = index * block, (index + 1) * block
    _mask_and_sum_strips(part(gy, i, j), part(y, i, j), part(g, i, j), total, strip, is_large(g))


@inner
def _mask_and_sum_strips(gy, y, g, total, strip, past_cache):
    sums, buffer = np.zeros(strip, gy.dtype), np.empty(strip, gy.dtype)
    for i in range(0, gy.size, strip):
        j = i + strip
        if past_cache:
            _mask_and_add_strip(part(gy, i, j), part(y, i, j), buffer, sums)
            stream(buffer, part(g, i, j))
        else:
            _mask_and_add_strip(part(gy, i, j), part(y, i, j), part(g, i, j), sums)
    if past_cache:
        finish_streaming()
    _fold(sums, total)


@inner(inline="always")
def _mask_and_add_strip(gy, y, g, sums):
    zero = gy.dtype.type(0)
    for j in range(gy.size):
        masked = gy[j] if y[j] > zero else zero
        g[j] = masked
        sums[j] += masked


@inner
def _fold(sums, total):
    """The sums of the columns from those of the elements of a strip."""
    total[:] = 0
    for first in range(0, sums.size, total.size):
        for c in range(total.size):
            total[c] += sums[first + c]


@inner
def _sum_blocks(partial, total):
    """The sums over all blocks, in their order and in float64."""
    exact = np.zeros(total.size)
    for b in range(partial.shape[0]):
        for c in range(total.size):
            exact[c] += partial[b, c]
    for c in range(total.size):
        total[c] = exact[c]
