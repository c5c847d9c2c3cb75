"""Squashing on the CPU: every capsule by one thread."""

import numpy as np
from numba import prange

from tinynet_kernels.compile import inner, kernel, summing_inner
from tinynet_kernels.memory import empty
from tinynet_kernels.routing.reference import EPSILON
from tinynet_kernels.simd.parts import part

__all__ = ["squash", "squash_backward"]

_ALONE = 16384  # elements: with fewer, waking another thread takes longer than it helps


def squash(x):
    y = empty(x.shape, x.dtype)
    if y.size:
        _squash(_flat(x), y.reshape(-1), x.shape[1])
    return y


def squash_backward(gy, x):
    gx = empty(x.shape, x.dtype)
    if gx.size:
        _squash_backward(_flat(gy), _flat(x), gx.reshape(-1), x.shape[1])
    return gx


def _flat(array):
    return np.ascontiguousarray(array).reshape(-1)


@kernel
def _squash(x, y, columns):
    rows = x.size // columns
    if x.size < _ALONE:
        for m in range(rows):
            _squash_row(_row(x, m, columns), _row(y, m, columns))
    else:
        for m in prange(rows):
            _squash_row(_row(x, m, columns), _row(y, m, columns))


@inner
def _squash_row(x, y):
    factor, _ = _factor_and_slope(_dot(x, x))
    for d in range(x.size):
        y[d] = factor * x[d]


@kernel
def _squash_backward(gy, x, gx, columns):
    rows = x.size // columns
    if x.size < _ALONE:
        for m in range(rows):
            _squash_backward_row(_row(gy, m, columns), _row(x, m, columns), _row(gx, m, columns))
    else:
        for m in prange(rows):
            _squash_backward_row(_row(gy, m, columns), _row(x, m, columns), _row(gx, m, columns))


@inner
def _squash_backward_row(gy, x, gx):
    factor, slope = _factor_and_slope(_dot(x, x))
    along = x.dtype.type(2) * slope * _dot(gy, x)
    for d in range(x.size):
        gx[d] = factor * gy[d] + along * x[d]


@inner
def _factor_and_slope(squared):
    """|x| / (1 + |x|²), and its derivative by |x|²."""
    one = type(squared)(1)
    shrunk = one / (one + squared)
    shifted = squared + type(squared)(EPSILON)
    inverse_root = one / np.sqrt(shifted)
    slope = (shrunk - type(squared)(0.5) * squared / shifted) * shrunk * inverse_root
    return squared * shrunk * inverse_root, slope


@inner(inline="always")
def _row(flat, m, columns):
    return part(flat, m * columns, (m + 1) * columns)


@summing_inner
def _dot(a, b):
    total = a.dtype.type(0)
    for d in range(a.size):
        total += a[d] * b[d]
    return total
