"""Squashing on the CPU: every capsule by one thread."""

import numpy as np

from tinynet_kernels.blocks import block, columns_of, run_blocks
from tinynet_kernels.compile import inner
from tinynet_kernels.memory import empty
from tinynet_kernels.routing.reference import EPSILON
from tinynet_kernels.simd.parts import part
from tinynet_kernels.sums import dot

__all__ = ["squash", "squash_backward"]

_ALONE = 16384  # elements: with fewer, waking another thread takes longer than it helps


def squash(x):
    return _by_rows(_squash, x)


def squash_backward(gy, x):
    return _by_rows(_squash_backward, gy, x)


def _by_rows(task, *arrays):
    result = empty(arrays[0].shape, arrays[0].dtype)
    if result.size:
        run_blocks(task, (*arrays, result), *result.shape, alone=_ALONE)
    return result


@inner
def _squash(zero, arguments, index):
    D = columns_of(arguments)
    x, y = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    for first in range(0, x.size, D):
        end = first + D
        capsule, result = part(x, first, end), part(y, first, end)
        factor, _ = _factor_and_slope(dot(capsule, capsule))
        for d in range(D):
            result[d] = factor * capsule[d]


@inner
def _squash_backward(zero, arguments, index):
    D = columns_of(arguments)
    gy, x = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    gx = block(zero, arguments, index, 2)
    for first in range(0, x.size, D):
        end = first + D
        incoming, capsule, result = part(gy, first, end), part(x, first, end), part(gx, first, end)
        factor, slope = _factor_and_slope(dot(capsule, capsule))
        along = type(zero)(2) * slope * dot(incoming, capsule)
        for d in range(D):
            result[d] = factor * incoming[d] + along * capsule[d]


@inner
def _factor_and_slope(squared):
    """|x| / (1 + |x|²), and its derivative by |x|²."""
    one = type(squared)(1)
    shrunk = one / (one + squared)
    shifted = squared + type(squared)(EPSILON)
    inverse_root = one / np.sqrt(shifted)
    slope = (shrunk - type(squared)(0.5) * squared / shifted) * shrunk * inverse_root
    return squared * shrunk * inverse_root, slope
