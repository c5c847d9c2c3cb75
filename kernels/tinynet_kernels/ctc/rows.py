"""Rows of scores and their exponentials, for the CPU take of the CTC loss: flat arrays, row by row."""

import numpy as np

from tinynet_kernels.compile import inner, summing_inner
from tinynet_kernels.ctc import IMPOSSIBLE
from tinynet_kernels.ctc.scaled import NOTHING
from tinynet_kernels.simd.exponential import exponential
from tinynet_kernels.simd.ordering import from_ordered_integer, ordered_integer
from tinynet_kernels.simd.parts import part

__all__ = [
    "copy_rows",
    "exponential_pairs",
    "exponentials",
    "fill",
    "gather",
    "invert_sums",
    "multiply_rows",
    "shift_rows",
    "total",
]

# ln 2 in two parts: the product of an exponent with the first one is exact.
_LN_2_COARSE, _LN_2_FINE = 0.693359375, -2.12194440054690583e-4


@inner
def shift_rows(x, C, shifted, padded):
    """x less the maximum of its row, in rows of whole vectors, which are filled up with −∞."""
    for t in range(x.size // C):
        row, result = part(x, t * C, (t + 1) * C), part(shifted, t * padded, (t + 1) * padded)
        maximum = _maximum(row)
        for c in range(C):
            result[c] = row[c] - maximum
        fill(part(result, C, padded), -np.inf)


@inner
def gather(x, row_size, labels, blank, result, width):
    """The scores of the labels at every step, and then that of the blank; what is left over is −∞."""
    for t in range(result.size // width):
        row, gathered = part(x, t * row_size, (t + 1) * row_size), part(result, t * width, (t + 1) * width)
        for i in range(labels.size):
            gathered[i] = row[labels[i]]
        gathered[labels.size] = row[blank]
        fill(part(gathered, labels.size + 1, width), -np.inf)


@inner
def exponentials(x):
    """exp(x) in place of every x. One loop over all steps, since short ones take as long to begin and end."""
    for i in range(x.size):
        x[i] = exponential(x[i])


@inner
def exponential_pairs(mantissas, exponents):
    """exp of what is in `mantissas`, as pairs: see `tinynet_kernels.ctc.scaled`."""
    for i in range(mantissas.size):
        mantissas[i], exponents[i] = _exponential_pair(mantissas[i])


@inner
def _exponential_pair(x):
    number = type(x)
    n = np.rint(x * number(1.4426950408889634))
    r = (x - n * number(_LN_2_COARSE)) - n * number(_LN_2_FINE)
    # Of numbers so large that these bounds are needed the last digit is larger than 1.
    r = number(0.5) if r > number(0.5) else r
    r = number(-0.5) if r < number(-0.5) else r
    mantissa = exponential(r)
    is_nothing, is_infinite = x < number(IMPOSSIBLE), x > number(-IMPOSSIBLE)
    mantissa = number(0) if is_nothing else mantissa
    mantissa = number(np.inf) if is_infinite else mantissa
    n = number(NOTHING) if is_nothing else n
    n = number(0) if is_infinite else n
    return mantissa, n


@inner
def invert_sums(x, row_size, result):
    """1 / the sum of each row."""
    for t in range(result.size):
        result[t] = x.dtype.type(1) / total(part(x, t * row_size, (t + 1) * row_size))


@inner
def multiply_rows(x, row_size, factors):
    for t in range(factors.size):
        row, factor = part(x, t * row_size, (t + 1) * row_size), factors[t]
        for i in range(row_size):
            row[i] *= factor


@inner
def copy_rows(x, row_size, factor, result, result_size):
    """Copies the beginnings of rows, multiplied by a factor."""
    for t in range(result.size // result_size):
        row = part(x, t * row_size, (t + 1) * row_size)
        target = part(result, t * result_size, (t + 1) * result_size)
        for c in range(result_size):
            target[c] = factor * row[c]


@inner
def fill(row, value):
    for i in range(row.size):
        row[i] = value


@inner
def _maximum(row):
    """The largest element; in a row with NaN, perhaps another."""
    largest = ordered_integer(row[0])
    for c in range(1, row.size):
        candidate = ordered_integer(row[c])
        largest = candidate if candidate > largest else largest
    return from_ordered_integer(row[0], largest)


@summing_inner
def total(row):
    result = row.dtype.type(0)
    for i in range(row.size):
        result += row[i]
    return result
