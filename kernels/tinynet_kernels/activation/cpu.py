"""Activation functions on the CPU: one pass over memory each. The smooth ones are in `smooth`."""

import numpy as np
from numba import prange

from tinynet_kernels.activation.smooth import (
    gelu,
    gelu_backward,
    sigmoid,
    sigmoid_backward,
    silu,
    silu_backward,
)
from tinynet_kernels.compile import inner, kernel
from tinynet_kernels.memory import empty
from tinynet_kernels.simd.memory import element_bytes
from tinynet_kernels.simd.parts import part
from tinynet_kernels.simd.streaming import finish_streaming, is_large, stream
from tinynet_kernels.simd.views import view
from tinynet_kernels.strips import ALONE, cut
from tinynet_kernels.tasks import run

__all__ = [
    "backward_with_bias",
    "column_sums",
    "gelu",
    "gelu_backward",
    "relu",
    "relu_backward",
    "sigmoid",
    "sigmoid_backward",
    "silu",
    "silu_backward",
]

_BLOCK = 16384  # elements; 64 KiB of float32
_STRIP = 1024


def relu(x):
    y = empty(x.shape, x.dtype)
    _relu(_flat(x), y.reshape(-1))
    return y


def relu_backward(gy, y):
    gx = empty(gy.shape, gy.dtype)
    _relu_backward(_flat(gy), _flat(y), gx.reshape(-1))
    return gx


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


@kernel
def _relu(x, y):
    if x.size < ALONE:
        _rectify(x, y)
        return
    past_cache = is_large(y)
    for block in prange((x.size + _BLOCK - 1) // _BLOCK):
        i, j = block * _BLOCK, (block + 1) * _BLOCK
        if past_cache:
            _rectify_past_cache(part(x, i, j), part(y, i, j))
        else:
            _rectify(part(x, i, j), part(y, i, j))


@inner
def _rectify(x, y):
    zero = x.dtype.type(0)
    for i in range(x.size):
        y[i] = zero if x[i] < zero else x[i]


@inner
def _rectify_past_cache(x, y):
    buffer = np.empty(_STRIP, x.dtype)
    for i in range(0, x.size, _STRIP):
        _rectify(part(x, i, i + _STRIP), buffer)
        stream(buffer, part(y, i, i + _STRIP))
    finish_streaming()


@kernel
def _relu_backward(gy, y, gx):
    if gy.size < ALONE:
        _mask(gy, y, gx)
        return
    past_cache = is_large(gx)
    for block in prange((gy.size + _BLOCK - 1) // _BLOCK):
        i, j = block * _BLOCK, (block + 1) * _BLOCK
        if past_cache:
            _mask_past_cache(part(gy, i, j), part(y, i, j), part(gx, i, j))
        else:
            _mask(part(gy, i, j), part(y, i, j), part(gx, i, j))


@inner
def _mask(gy, y, gx):
    zero = gy.dtype.type(0)
    for i in range(gy.size):
        gx[i] = gy[i] if y[i] > zero else zero


@inner
def _mask_past_cache(gy, y, gx):
    buffer = np.empty(_STRIP, gy.dtype)
    for i in range(0, gy.size, _STRIP):
        j = i + _STRIP
        _mask(part(gy, i, j), part(y, i, j), buffer)
        stream(buffer, part(gx, i, j))
    finish_streaming()


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
