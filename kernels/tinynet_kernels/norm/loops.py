"""The loops of batch normalisation, over flat matrices cut into strips and blocks; see `strips`.

The statistics read memory once: each block finds its own mean and its own sum of squared deviations,
which Chan, Golub & LeVeque, Updating Formulae and a Pairwise Algorithm for Computing Sample Variances
(1979), put together. The blocks depend on the shape only, so that the results do not depend on the
number of threads.

The loops along a strip are compiled into the functions that call them (``inline="always"``): a call would
count references to its arrays, see `simd.parts`. The kernels themselves hold no array expressions, nor
``np.zeros``, which Numba would make parallel as well.

Where the result is rectified, it is cut off at zero and at a ceiling; if that is NaN, no number is above it.
"""

import numpy as np
from numba import prange

from tinynet_kernels.compile import inner, kernel
from tinynet_kernels.simd.parts import part
from tinynet_kernels.simd.streaming import finish_streaming, is_large, stream
from tinynet_kernels.strips import ALONE

__all__ = ["backward", "forward", "normalize"]


@kernel
def forward(x, gamma, beta, epsilon, rectify, ceiling, y, mean, variance, inverse_std, strip, block):
    C, blocks = mean.size, (x.size + block - 1) // block
    moments = np.empty((blocks, 2, C))
    if x.size < ALONE:
        for b in range(blocks):
            _block_moments(x, b * block, block, strip, moments[b])
    else:
        for b in prange(blocks):
            _block_moments(x, b * block, block, strip, moments[b])
    _combine_moments(moments, x.size // C, block // C, epsilon, mean, variance, inverse_std)
    normalize(x, mean, _product(gamma, inverse_std), beta, rectify, ceiling, y, strip, block)


@kernel
def normalize(x, shift, scale, offset, rectify, ceiling, y, strip, block):
    shift, scale, offset = _repeated(shift, strip), _repeated(scale, strip), _repeated(offset, strip)
    if x.size < ALONE:
        _normalize_block(x, 0, x.size, shift, scale, offset, rectify, ceiling, y)
    else:
        for b in prange((x.size + block - 1) // block):
            _normalize_block(x, b * block, block, shift, scale, offset, rectify, ceiling, y)


@kernel
def backward(gy, x, y, gamma, mean, inverse_std, rectified, ceiling, gx, ggamma, gbeta, strip, block):
    C, blocks = gamma.size, (x.size + block - 1) // block
    sums, shift = np.empty((blocks, 2, C), x.dtype), _repeated(mean, strip)
    if x.size < ALONE:
        for b in range(blocks):
            _gradient_sums(gy, x, y, b * block, block, shift, rectified, ceiling, sums[b])
    else:
        for b in prange(blocks):
            _gradient_sums(gy, x, y, b * block, block, shift, rectified, ceiling, sums[b])
    factors = _combine_gradients(sums, x.size // C, gamma, mean, inverse_std, ggamma, gbeta)
    scale, slope = _repeated(factors[0], strip), _repeated(factors[1], strip)
    offset = _repeated(factors[2], strip)
    if x.size < ALONE:
        _input_gradient(gy, x, y, 0, x.size, scale, slope, offset, rectified, ceiling, gx)
    else:
        for b in prange(blocks):
            _input_gradient(gy, x, y, b * block, block, scale, slope, offset, rectified, ceiling, gx)


@inner
def _block_moments(x, first, block, strip, moments):
    """The means, and the sums of squared deviations, of the columns of the block from element `first` on.

    Deviations are taken from the block's first row, then from its mean, to keep their digits. Strips from
    four places are added up together: reading and writing the sums takes as long as reading a strip.
    """
    x, C = part(x, first, first + block), moments.shape[1]
    origin, sums = _repeated(part(x, 0, C), strip), np.zeros(strip, x.dtype)
    quarter = x.size // (4 * strip) * strip
    for i in range(0, quarter, strip):
        a, b, c, d = _four_strips(x, i, quarter, strip)
        _add_deviations_of_four(a, b, c, d, origin, sums)
    for i in range(4 * quarter, x.size, strip):
        _add_deviations(part(x, i, i + strip), origin, sums)
    mean = _folded(sums, C)
    for c in range(C):
        mean[c] /= x.size // C
        moments[0, c] = np.float64(origin[c]) + mean[c]
    center = _repeated(mean, strip)
    sums[:] = 0
    for i in range(0, quarter, strip):
        a, b, c, d = _four_strips(x, i, quarter, strip)
        _add_squared_deviations_of_four(a, b, c, d, origin, center, sums)
    for i in range(4 * quarter, x.size, strip):
        _add_squared_deviations(part(x, i, i + strip), origin, center, sums)
    squares = _folded(sums, C)
    for c in range(C):
        moments[1, c] = squares[c]


@inner(inline="always")
def _four_strips(x, first, distance, strip):
    second, third, fourth = first + distance, first + 2 * distance, first + 3 * distance
    return (
        part(x, first, first + strip),
        part(x, second, second + strip),
        part(x, third, third + strip),
        part(x, fourth, fourth + strip),
    )


@inner(inline="always")
def _add_deviations_of_four(a, b, c, d, origin, sums):
    for j in range(sums.size):
        start = origin[j]
        sums[j] += ((a[j] - start) + (b[j] - start)) + ((c[j] - start) + (d[j] - start))


@inner(inline="always")
def _add_deviations(x, origin, sums):
    for j in range(x.size):
        sums[j] += x[j] - origin[j]


@inner(inline="always")
def _add_squared_deviations_of_four(a, b, c, d, origin, mean, sums):
    for j in range(sums.size):
        start, center = origin[j], mean[j]
        e, f = (a[j] - start) - center, (b[j] - start) - center
        g, h = (c[j] - start) - center, (d[j] - start) - center
        sums[j] += (e * e + f * f) + (g * g + h * h)


@inner(inline="always")
def _add_squared_deviations(x, origin, mean, sums):
    for j in range(x.size):
        deviation = (x[j] - origin[j]) - mean[j]
        sums[j] += deviation * deviation


@inner
def _combine_moments(moments, rows, block_rows, epsilon, mean, variance, inverse_std):
    """Mean and biased variance of the columns from those of the blocks, in float64."""
    blocks, _, C = moments.shape
    last_rows = rows - (blocks - 1) * block_rows
    total, spread = np.zeros(C), np.zeros(C)
    for b in range(blocks):
        count = block_rows if b < blocks - 1 else last_rows
        for c in range(C):
            total[c] += count * moments[b, 0, c]
    for c in range(C):
        total[c] /= rows
    for b in range(blocks):
        count = block_rows if b < blocks - 1 else last_rows
        for c in range(C):
            distance = moments[b, 0, c] - total[c]
            spread[c] += moments[b, 1, c] + count * distance * distance
    for c in range(C):
        mean[c] = total[c]
        variance[c] = spread[c] / rows
        inverse_std[c] = 1 / np.sqrt(spread[c] / rows + epsilon)


@inner
def _normalize_block(x, first, block, shift, scale, offset, rectify, ceiling, y):
    past_cache, strip = is_large(y), shift.size
    x, y = part(x, first, first + block), part(y, first, first + block)
    buffer = np.empty(strip, x.dtype)
    for i in range(0, x.size, strip):
        target = buffer if past_cache else part(y, i, i + strip)
        _normalize_strip(part(x, i, i + strip), shift, scale, offset, rectify, ceiling, target)
        if past_cache:
            stream(buffer, part(y, i, i + strip))
    if past_cache:
        finish_streaming()


@inner(inline="always")
def _normalize_strip(x, shift, scale, offset, rectify, ceiling, y):
    zero = x.dtype.type(0)
    if rectify:
        for j in range(x.size):
            value = (x[j] - shift[j]) * scale[j] + offset[j]
            value = zero if value < zero else value
            y[j] = ceiling if value > ceiling else value
    else:
        for j in range(x.size):
            y[j] = (x[j] - shift[j]) * scale[j] + offset[j]


@inner
def _gradient_sums(gy, x, y, first, block, shift, rectified, ceiling, sums):
    """The sums of gy and of gy * (x - mean) over a block; see `_masked` for where gy counts."""
    end, strip, C = first + block, shift.size, sums.shape[1]
    gy, x, y = part(gy, first, end), part(x, first, end), part(y, first, end)
    plain, centered = np.zeros(strip, x.dtype), np.zeros(strip, x.dtype)
    for i in range(0, x.size, strip):
        j = i + strip
        if rectified:
            _add_masked_gradients(
                part(gy, i, j), part(x, i, j), part(y, i, j), ceiling, shift, plain, centered
            )
        else:
            _add_gradients(part(gy, i, j), part(x, i, j), shift, plain, centered)
    plain, centered = _folded(plain, C), _folded(centered, C)
    for c in range(C):
        sums[0, c] = plain[c]
        sums[1, c] = centered[c]


@inner(inline="always")
def _add_gradients(gy, x, shift, plain, centered):
    for j in range(x.size):
        plain[j] += gy[j]
        centered[j] += gy[j] * (x[j] - shift[j])


@inner(inline="always")
def _add_masked_gradients(gy, x, y, ceiling, shift, plain, centered):
    zero = x.dtype.type(0)
    for j in range(x.size):
        masked = _masked(gy[j], y[j], zero, ceiling)
        plain[j] += masked
        centered[j] += masked * (x[j] - shift[j])


@inner(inline="always")
def _masked(gradient, y, zero, ceiling):
    """The gradient before y was rectified: it passes where nothing was cut off."""
    passed = gradient if y > zero else zero
    return zero if y >= ceiling else passed


@inner
def _combine_gradients(sums, rows, gamma, mean, inverse_std, ggamma, gbeta):
    """Sets the gradients per column; returns factors a, b, c: the gradient of x is a * gy + b * x + c."""
    C = gamma.size
    plain, centered = np.zeros(C), np.zeros(C)
    for b in range(sums.shape[0]):
        for c in range(C):
            plain[c] += sums[b, 0, c]
            centered[c] += sums[b, 1, c]
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
def _input_gradient(gy, x, y, first, block, scale, slope, offset, rectified, ceiling, gx):
    past_cache, end, strip = is_large(gx), first + block, scale.size
    gy, x, y, gx = part(gy, first, end), part(x, first, end), part(y, first, end), part(gx, first, end)
    buffer = np.empty(strip, x.dtype)
    for i in range(0, x.size, strip):
        j = i + strip
        target = buffer if past_cache else part(gx, i, j)
        _gradient_strip(
            part(gy, i, j), part(x, i, j), part(y, i, j), scale, slope, offset, rectified, ceiling, target
        )
        if past_cache:
            stream(buffer, part(gx, i, j))
    if past_cache:
        finish_streaming()


@inner(inline="always")
def _gradient_strip(gy, x, y, scale, slope, offset, rectified, ceiling, gx):
    zero = x.dtype.type(0)
    if rectified:
        for j in range(x.size):
            masked = _masked(gy[j], y[j], zero, ceiling)
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
