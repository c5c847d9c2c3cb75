"""The loops of layer normalisation, over the rows of a flat matrix.

A row is read from memory once: what follows finds it in the cache. Rows are grouped into blocks, the unit of
work of one thread and, backwards, of partial sums over the rows; the blocks depend on the shape only, so that
the results do not depend on the number of threads.
"""

import numpy as np
from numba import prange

from tinynet_kernels.compile import inner, kernel, summing_inner
from tinynet_kernels.simd.memory import keep_alive
from tinynet_kernels.simd.parts import part
from tinynet_kernels.simd.streaming import finish_streaming, is_large, stream

__all__ = ["backward", "forward"]

_ALONE = 32768  # elements: with fewer, waking another thread takes longer than it helps
_FAR = 16.0  # variances: a squared distance from which on a number counts as far away
_TOGETHER = 32  # rows that are added up in the precision of the numbers, and these sums in float64


@kernel
def forward(x, gamma, beta, epsilon, y, mean, inverse_std, block):
    """Fills y (rows · columns,) and the statistics (rows,); a block is so many rows."""
    if x.size < _ALONE:
        _normalize_rows(x, gamma, beta, epsilon, y, mean, inverse_std, 0, mean.size)
    else:
        for b in prange((mean.size + block - 1) // block):
            _normalize_rows(x, gamma, beta, epsilon, y, mean, inverse_std, b * block, (b + 1) * block)


@kernel
def backward(gy, x, gamma, mean, inverse_std, gx, ggamma, gbeta, block):
    """Fills gx (rows · columns,), and ggamma and gbeta (columns,); a block is so many rows."""
    blocks = (mean.size + block - 1) // block
    sums = np.empty((blocks, 2, gamma.size))
    if x.size < _ALONE:
        for b in range(blocks):
            _gradient_of_rows(gy, x, gamma, mean, inverse_std, gx, sums[b], b * block, (b + 1) * block)
    else:
        for b in prange(blocks):
            _gradient_of_rows(gy, x, gamma, mean, inverse_std, gx, sums[b], b * block, (b + 1) * block)
    _add_up(sums, ggamma, gbeta)


@inner
def _normalize_rows(x, gamma, beta, epsilon, y, mean, inverse_std, first, end):
    C, past_cache = gamma.size, is_large(y)
    memory = np.empty(C, x.dtype)
    buffer = part(memory, 0, C)
    for m in range(first, min(end, mean.size)):
        row, result = part(x, m * C, (m + 1) * C), part(y, m * C, (m + 1) * C)
        average, variance = _moments(row)
        mean[m] = average
        inverse_std[m] = 1 / np.sqrt(variance + epsilon)
        target = buffer if past_cache else result
        _normalize(row, mean[m], inverse_std[m], gamma, beta, target)
        if past_cache:
            stream(buffer, result)
    if past_cache:
        finish_streaming()
    keep_alive(memory)


@inner(inline="always")
def _normalize(row, average, scale, gamma, beta, y):
    for c in range(row.size):
        y[c] = ((row[c] - average) * scale) * gamma[c] + beta[c]


@inner
def _moments(row):
    """Mean and biased variance, in float64.

    They follow from the distances from the first number. If that lies far outside of the others, too few
    digits are left of the variance, and distances from the mean found so far take their place.
    """
    origin = row[0]
    average, variance = _from_distances(row, origin)
    if average * average > _FAR * variance:
        origin = row.dtype.type(origin + average)
        average, variance = _from_distances(row, origin)
    return origin + average, 0.0 if variance < 0 else variance


@inner
def _from_distances(row, origin):
    """Mean and variance of the distances from a number."""
    distances, squares = _distances(row, origin)
    average = np.float64(distances) / row.size
    return average, np.float64(squares) / row.size - average * average


@summing_inner
def _distances(row, center):
    """The sums of the distances from a number, and of their squares."""
    distances = squares = row.dtype.type(0)
    for c in range(row.size):
        distance = row[c] - center
        distances += distance
        squares += distance * distance
    return distances, squares


@inner
def _gradient_of_rows(gy, x, gamma, mean, inverse_std, gx, sums, first, end):
    C, past_cache, end = gamma.size, is_large(gx), min(end, mean.size)
    sums[:] = 0
    memory = np.zeros(3 * C, x.dtype)
    buffer, weighted, plain = part(memory, 0, C), part(memory, C, 2 * C), part(memory, 2 * C, 3 * C)
    for m in range(first, end):
        incoming, row = part(gy, m * C, (m + 1) * C), part(x, m * C, (m + 1) * C)
        result = part(gx, m * C, (m + 1) * C)
        average, scale = mean[m], inverse_std[m]
        shared, along = _means(incoming, row, gamma, average, scale)
        target = buffer if past_cache else result
        _input_gradient(incoming, row, gamma, average, scale, shared, along, target)
        if past_cache:
            stream(buffer, result)
        _add_gradients(incoming, row, average, scale, weighted, plain)
        if (m + 1 - first) % _TOGETHER == 0 or m + 1 == end:
            _empty_into(weighted, sums[0])
            _empty_into(plain, sums[1])
    if past_cache:
        finish_streaming()
    keep_alive(memory)


@summing_inner
def _means(gy, row, gamma, average, scale):
    """The means of the gradients by the normalised numbers, and of their products with these."""
    shared = along = row.dtype.type(0)
    for c in range(row.size):
        gradient = gy[c] * gamma[c]
        shared += gradient
        along += gradient * ((row[c] - average) * scale)
    columns = row.dtype.type(row.size)
    return shared / columns, along / columns


@inner(inline="always")
def _input_gradient(gy, row, gamma, average, scale, shared, along, gx):
    for c in range(row.size):
        gx[c] = scale * ((gy[c] * gamma[c] - shared) - ((row[c] - average) * scale) * along)


@inner(inline="always")
def _add_gradients(gy, row, average, scale, weighted, plain):
    for c in range(row.size):
        weighted[c] += gy[c] * ((row[c] - average) * scale)
        plain[c] += gy[c]


@inner
def _add_up(sums, ggamma, gbeta):
    """The sums of all blocks (blocks, 2, columns), one block after the other."""
    for b in range(1, sums.shape[0]):
        for c in range(ggamma.size):
            sums[0, 0, c] += sums[b, 0, c]
            sums[0, 1, c] += sums[b, 1, c]
    for c in range(ggamma.size):
        ggamma[c] = sums[0, 0, c]
        gbeta[c] = sums[0, 1, c]


@inner
def _empty_into(some, sums):
    """Adds some sums to those in float64, and lets them start at 0 again."""
    for c in range(some.size):
        sums[c] += some[c]
        some[c] = 0
