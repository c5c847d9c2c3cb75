"""The loops of batch normalisation, over flat matrices cut into strips and blocks; see `strips`.

The statistics read memory once: each block finds its own mean and its own sum of squared deviations,
which Chan, Golub & LeVeque, Updating Formulae and a Pairwise Algorithm for Computing Sample Variances
(1979), put together. The blocks depend on the shape only, so that the results do not depend on the
number of threads.

The loops along a strip are compiled into the functions that call them (``inline="always"``): a call would
count references to its arrays, see `simd.parts`. The kernels themselves hold no array expressions, nor
``np.zeros``, which Numba would make parallel as well.
"""

import numpy as np
from numba import prange

from tinynet_kernels.compile import inner, kernel
from tinynet_kernels.simd.parts import part
from tinynet_kernels.simd.streaming import finish_streaming, is_large, stream
from tinynet_kernels.strips import ALONE

__all__ = ["backward", "forward", "inference"]


@kernel
def forward(x, gamma, beta, epsilon, rectify, y, mean, variance, inverse_std, strip, block):
    C, blocks, past_cache = mean.size, (x.size + block - 1) // block, is_large(y)
    means, squares = np.empty((blocks, C)), np.empty((blocks, C))
    if x.size < ALONE:
        for b in range(blocks):
            _block_statistics(part(x, b * block, (b + 1) * block), means[b], squares[b], strip)
    else:
        for b in prange(blocks):
            _block_statistics(part(x, b * block, (b + 1) * block), means[b], squares[b], strip)
    _combine(means, squares, x.size // C, block // C, epsilon, mean, variance, inverse_std)
    shift, scale, offset = (
        _repeated(mean, strip),
        _repeated(_product(gamma, inverse_std), strip),
        _repeated(beta, strip),
    )
    if x.size < ALONE:
        _normalize(x, shift, scale, offset, rectify, y, past_cache)
    else:
        for b in prange(blocks):
            first, last = b * block, (b + 1) * block
            _normalize(part(x, first, last), shift, scale, offset, rectify, part(y, first, last), past_cache)


@kernel
def inference(x, gamma, beta, mean, variance, epsilon, rectify, y, strip, block):
    scale, past_cache = np.empty_like(gamma), is_large(y)
    for c in range(scale.size):
        scale[c] = gamma[c] / np.sqrt(np.float64(variance[c]) + epsilon)
    shift, scale, offset = _repeated(mean, strip), _repeated(scale, strip), _repeated(beta, strip)
    if x.size < ALONE:
        _normalize(x, shift, scale, offset, rectify, y, past_cache)
    else:
        for b in prange((x.size + block - 1) // block):
            first, last = b * block, (b + 1) * block
            _normalize(part(x, first, last), shift, scale, offset, rectify, part(y, first, last), past_cache)


@kernel
def backward(gy, x, y, gamma, mean, inverse_std, rectified, gx, ggamma, gbeta, strip, block):
    C, blocks, past_cache = gamma.size, (x.size + block - 1) // block, is_large(gx)
    partial = np.empty((blocks, 2, C), x.dtype)
    shift = _repeated(mean, strip)
    if x.size < ALONE:
        for b in range(blocks):
            first, last = b * block, (b + 1) * block
            _gradient_sums(
                part(gy, first, last),
                part(x, first, last),
                part(y, first, last),
                shift,
                rectified,
                partial[b],
            )
    else:
        for b in prange(blocks):
            first, last = b * block, (b + 1) * block
            _gradient_sums(
                part(gy, first, last),
                part(x, first, last),
                part(y, first, last),
                shift,
                rectified,
                partial[b],
            )
    factors = _combine_gradients(partial, x.size // C, gamma, mean, inverse_std, ggamma, gbeta)
    scale, slope, offset = (
        _repeated(factors[0], strip),
        _repeated(factors[1], strip),
        _repeated(factors[2], strip),
    )
    if x.size < ALONE:
        _input_gradient(gy, x, y, scale, slope, offset, rectified, gx, past_cache)
    else:
        for b in prange(blocks):
            i, j = b * block, (b + 1) * block
            _input_gradient(
                part(gy, i, j),
                part(x, i, j),
                part(y, i, j),
                scale,
                slope,
                offset,
                rectified,
                part(gx, i, j),
                past_cache,
            )


@inner
def _block_statistics(x, means, squares, strip):
    """Deviations are taken from the block's first row, then from its mean, to keep their digits."""
    C = means.size
    rows = x.dtype.type(x.size // C)
    origin = _repeated(x[:C], strip)
    sums = np.zeros(strip, x.dtype)
    for first in range(0, x.size, strip):
        _add_deviations(part(x, first, first + strip), origin, sums)
    mean = _folded(sums, C)
    for c in range(C):
        mean[c] /= rows
        means[c] = np.float64(origin[c]) + mean[c]
    center = _repeated(mean, strip)
    sums[:] = 0
    for first in range(0, x.size, strip):
        _add_squared_deviations(part(x, first, first + strip), origin, center, sums)
    square = _folded(sums, C)
    for c in range(C):
        squares[c] = square[c]


@inner(inline="always")
def _add_deviations(x, origin, sums):
    for j in range(x.size):
        sums[j] += x[j] - origin[j]


@inner(inline="always")
def _add_squared_deviations(x, origin, mean, sums):
    for j in range(x.size):
        deviation = (x[j] - origin[j]) - mean[j]
        sums[j] += deviation * deviation


@inner
def _combine(means, squares, rows, block_rows, epsilon, mean, variance, inverse_std):
    """Mean and biased variance of the columns from those of the blocks, in float64."""
    blocks, C = means.shape
    last_rows = rows - (blocks - 1) * block_rows
    total, spread = np.zeros(C), np.zeros(C)
    for b in range(blocks):
        count = block_rows if b < blocks - 1 else last_rows
        for c in range(C):
            total[c] += count * means[b, c]
    for c in range(C):
        total[c] /= rows
    for b in range(blocks):
        count = block_rows if b < blocks - 1 else last_rows
        for c in range(C):
            distance = means[b, c] - total[c]
            spread[c] += squares[b, c] + count * distance * distance
    for c in range(C):
        mean[c] = total[c]
        variance[c] = spread[c] / rows
        inverse_std[c] = 1 / np.sqrt(spread[c] / rows + epsilon)


@inner
def _normalize(x, shift, scale, offset, rectify, y, past_cache):
    strip = shift.size
    buffer = np.empty(strip, x.dtype)
    for first in range(0, x.size, strip):
        last = first + strip
        if past_cache:
            _normalize_strip(part(x, first, last), shift, scale, offset, rectify, buffer)
            stream(buffer, part(y, first, last))
        else:
            _normalize_strip(part(x, first, last), shift, scale, offset, rectify, part(y, first, last))
    if past_cache:
        finish_streaming()


@inner(inline="always")
def _normalize_strip(x, shift, scale, offset, rectify, y):
    zero = x.dtype.type(0)
    if rectify:
        for j in range(x.size):
            value = (x[j] - shift[j]) * scale[j] + offset[j]
            y[j] = zero if value < zero else value
    else:
        for j in range(x.size):
            y[j] = (x[j] - shift[j]) * scale[j] + offset[j]


@inner
def _gradient_sums(gy, x, y, shift, rectified, partial):
    """The sums of gy and of gy * (x - mean) over a block; gy counts where y > 0 if that was rectified."""
    strip, C = shift.size, partial.shape[1]
    plain, centered = np.zeros(strip, x.dtype), np.zeros(strip, x.dtype)
    for first in range(0, x.size, strip):
        last = first + strip
        if rectified:
            _add_masked_gradients(
                part(gy, first, last), part(x, first, last), part(y, first, last), shift, plain, centered
            )
        else:
            _add_gradients(part(gy, first, last), part(x, first, last), shift, plain, centered)
    plain, centered = _folded(plain, C), _folded(centered, C)
    for c in range(C):
        partial[0, c] = plain[c]
        partial[1, c] = centered[c]


@inner(inline="always")
def _add_gradients(gy, x, shift, plain, centered):
    for j in range(x.size):
        plain[j] += gy[j]
        centered[j] += gy[j] * (x[j] - shift[j])


@inner(inline="always")
def _add_masked_gradients(gy, x, y, shift, plain, centered):
    zero = x.dtype.type(0)
    for j in range(x.size):
        masked = gy[j] if y[j] > zero else zero
        plain[j] += masked
        centered[j] += masked * (x[j] - shift[j])


@inner
def _combine_gradients(partial, rows, gamma, mean, inverse_std, ggamma, gbeta):
    """Sets the gradients per column; returns factors a, b, c: the gradient of x is a * gy + b * x + c."""
    C = gamma.size
    plain, centered = np.zeros(C), np.zeros(C)
    for b in range(partial.shape[0]):
        for c in range(C):
            plain[c] += partial[b, 0, c]
            centered[c] += partial[b, 1, c]
    factors = np.empty((3, C), gamma.dtype)
    for c in range(C):
        scale = np.float64(gamma[c]) * inverse_std[c]
        centered[c] *= inverse_std[c]
        ggamma[c] = centered[c]
        gbeta[c] = plain[c]
        factors[0, c] = scale
        factors[1, c] = -scale * inverse_std[c] * centered[c] / rows
        factors[2, c] = -scale * plain[c] / rows - np.float64(factors[1, c]) * mean[c]
    return factors


@inner
def _input_gradient(gy, x, y, scale, slope, offset, rectified, gx, past_cache):
    strip = scale.size
    buffer = np.empty(strip, x.dtype)
    for i in range(0, x.size, strip):
        j = i + strip
        if past_cache:
            _gradient_strip(
                part(gy, i, j), part(x, i, j), part(y, i, j), scale, slope, offset, rectified, buffer
            )
            stream(buffer, part(gx, i, j))
        else:
            _gradient_strip(
                part(gy, i, j), part(x, i, j), part(y, i, j), scale, slope, offset, rectified, part(gx, i, j)
            )
    if past_cache:
        finish_streaming()


@inner(inline="always")
def _gradient_strip(gy, x, y, scale, slope, offset, rectified, gx):
    zero = x.dtype.type(0)
    if rectified:
        for j in range(x.size):
            masked = gy[j] if y[j] > zero else zero
            gx[j] = scale[j] * masked + (slope[j] * x[j] + offset[j])
    else:
        for j in range(x.size):
            gx[j] = scale[j] * gy[j] + (slope[j] * x[j] + offset[j])


@inner
def _product(a, b):
    return a * b


@inner
def _repeated(per_column, strip):
    """An array (C,) over and over, as long as a strip."""
    repeated = np.empty(strip, per_column.dtype)
    for first in range(0, strip, per_column.size):
        for c in range(per_column.size):
            repeated[first + c] = per_column[c]
    return repeated


@inner
def _folded(sums, columns):
    """The sums of the columns (C,) from those of the elements of a strip."""
    folded = np.zeros(columns, sums.dtype)
    for first in range(0, sums.size, columns):
        for c in range(columns):
            folded[c] += sums[first + c]
    return folded
