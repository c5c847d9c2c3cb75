"""Batch normalisation on the CPU, in blocks of rows that fit into the cache.

The statistics read memory once: each block finds its own mean and its own sum of squared deviations,
which Chan, Golub & LeVeque, Updating Formulae and a Pairwise Algorithm for Computing Sample Variances
(1979), put together. The blocks depend on the shape only, so that the results do not depend on the
number of threads.
"""

import numpy as np
from numba import prange

from tinynet_kernels.compile import kernel

_BLOCK_ELEMENTS = 16384  # 64 KiB of float32
_MINIMUM_ROWS = 16  # keeps the partial results small beside the data when there are many columns


def batch_forward(x, gamma, beta, epsilon):
    x = np.ascontiguousarray(x)
    mean, variance = _statistics(x)
    inverse_std = (1 / np.sqrt(variance + epsilon)).astype(x.dtype)
    mean = mean.astype(x.dtype)
    y = _normalize(x, mean, gamma * inverse_std, beta)
    return y, mean, variance.astype(x.dtype), inverse_std


def batch_inference(x, gamma, beta, mean, variance, epsilon):
    inverse_std = (1 / np.sqrt(variance + epsilon)).astype(x.dtype)
    return _normalize(np.ascontiguousarray(x), mean, gamma * inverse_std, beta)


def batch_backward(gy, x, gamma, mean, inverse_std):
    gy, x = np.ascontiguousarray(gy), np.ascontiguousarray(x)
    mean, rows = np.ascontiguousarray(mean), max(1, x.shape[0])
    block_rows, blocks = _partition(x)
    partial = np.zeros((2, blocks, x.shape[1]))
    if x.size:
        _gradient_sums(gy, x, mean, partial[0], partial[1], block_rows)
    gbeta, centered_sum = partial.sum(axis=1)
    ggamma = centered_sum * inverse_std
    scale = gamma * inverse_std
    gx = np.empty_like(x)
    if x.size:
        slope = (-scale * inverse_std * ggamma / rows).astype(x.dtype)
        offset = (-scale * gbeta / rows).astype(x.dtype)
        _input_gradient(gy, x, mean, scale, slope, offset, gx, block_rows)
    return gx, ggamma.astype(x.dtype), gbeta.astype(x.dtype)


def _partition(x):
    """How many rows make a block, and how many blocks there are."""
    block_rows = max(_MINIMUM_ROWS, _BLOCK_ELEMENTS // max(1, x.shape[1]))
    return block_rows, -(-x.shape[0] // block_rows)


def _statistics(x):
    """Mean and biased variance of the columns, in float64."""
    block_rows, blocks = _partition(x)
    if not x.size:
        return np.zeros((2, x.shape[1]))
    means, squares = np.empty((2, blocks, x.shape[1]))
    _block_statistics(x, means, squares, block_rows)
    counts = np.full((blocks, 1), block_rows)
    counts[-1] = x.shape[0] - (blocks - 1) * block_rows
    mean = (counts * means).sum(axis=0) / x.shape[0]
    variance = (squares + counts * np.square(means - mean)).sum(axis=0) / x.shape[0]
    return mean, variance


def _normalize(x, mean, scale, beta):
    y = np.empty_like(x)
    if x.size:
        _scale_and_shift(
            x, np.ascontiguousarray(mean), scale, np.ascontiguousarray(beta), y, _partition(x)[0]
        )
    return y


@kernel
def _block_statistics(x, means, squares, block_rows):
    """Deviations are taken from the block's first row, then from its mean, to keep their digits."""
    M, C = x.shape
    for block in prange(means.shape[0]):
        first = block * block_rows
        last = min(first + block_rows, M)
        origin = x[first]
        total = np.zeros(C, x.dtype)
        for m in range(first, last):
            row = x[m]
            for c in range(C):
                total[c] += row[c] - origin[c]
        rows = x.dtype.type(last - first)
        for c in range(C):
            total[c] /= rows
        square = np.zeros(C, x.dtype)
        for m in range(first, last):
            row = x[m]
            for c in range(C):
                deviation = (row[c] - origin[c]) - total[c]
                square[c] += deviation * deviation
        for c in range(C):
            means[block, c] = np.float64(origin[c]) + total[c]
            squares[block, c] = square[c]


@kernel
def _scale_and_shift(x, mean, scale, beta, y, block_rows):
    M, C = x.shape
    for block in prange((M + block_rows - 1) // block_rows):
        for m in range(block * block_rows, min((block + 1) * block_rows, M)):
            source, target = x[m], y[m]
            for c in range(C):
                target[c] = (source[c] - mean[c]) * scale[c] + beta[c]


@kernel
def _gradient_sums(gy, x, mean, plain, centered, block_rows):
    """Per block: the sum of gy, and the sum of gy * (x - mean)."""
    M, C = x.shape
    for block in prange(plain.shape[0]):
        sums = np.zeros((2, C), x.dtype)
        plain_sum, centered_sum = sums[0], sums[1]
        for m in range(block * block_rows, min((block + 1) * block_rows, M)):
            gradient, row = gy[m], x[m]
            for c in range(C):
                plain_sum[c] += gradient[c]
                centered_sum[c] += gradient[c] * (row[c] - mean[c])
        for c in range(C):
            plain[block, c] = plain_sum[c]
            centered[block, c] = centered_sum[c]


@kernel
def _input_gradient(gy, x, mean, scale, slope, offset, gx, block_rows):
    M, C = x.shape
    for block in prange((M + block_rows - 1) // block_rows):
        for m in range(block * block_rows, min((block + 1) * block_rows, M)):
            gradient, row, target = gy[m], x[m], gx[m]
            for c in range(C):
                target[c] = scale[c] * gradient[c] + slope[c] * (row[c] - mean[c]) + offset[c]
