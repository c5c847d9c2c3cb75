"""Softmax and cross-entropy on the CPU: every row by one thread, while it is in the cache."""

import numpy as np
from numba import prange

from tinynet_kernels.compile import inner, kernel, summing_inner
from tinynet_kernels.memory import empty
from tinynet_kernels.simd.exponential import exponential
from tinynet_kernels.simd.ordering import from_ordered_integer, ordered_integer
from tinynet_kernels.simd.parts import part

_ALONE = 16384  # elements: with fewer, waking another thread takes longer than it helps


def softmax(x):
    return _by_rows(_softmax, x)


def log_softmax(x):
    return _by_rows(_log_softmax, x)


def softmax_backward(gy, y):
    return _by_rows(_softmax_backward, gy, y)


def log_softmax_backward(gy, y):
    return _by_rows(_log_softmax_backward, gy, y)


def _by_rows(kernel, *arrays):
    result = empty(arrays[0].shape, arrays[0].dtype)
    if result.size:
        kernel(*map(_flat, arrays), result.reshape(-1), result.shape[1])
    return result


def first_wrong_target(targets, classes, ignore_index):
    if not targets.size:
        return -1
    return _first_wrong_target(_as_int64(targets), classes, ignore_index is not None, ignore_index or 0)


def cross_entropy_forward(logits, targets, class_weights, ignore_index, smoothing):
    losses, log_normalizer = np.empty(len(logits), logits.dtype), np.empty(len(logits), logits.dtype)
    if losses.size:
        compute = _losses if logits.size < _ALONE else _losses_in_parallel
        compute(
            _flat(logits),
            _as_int64(targets),
            ignore_index is not None,
            ignore_index or 0,
            _weights(logits, class_weights),
            logits.dtype.type(smoothing),
            losses,
            log_normalizer,
        )
    return losses, log_normalizer


def cross_entropy_backward(gy, logits, log_normalizer, targets, class_weights, ignore_index, smoothing):
    gradient = empty(logits.shape, logits.dtype)
    if gradient.size:
        compute = _gradients if logits.size < _ALONE else _gradients_in_parallel
        compute(
            np.ascontiguousarray(gy),
            _flat(logits),
            np.ascontiguousarray(log_normalizer),
            _as_int64(targets),
            ignore_index is not None,
            ignore_index or 0,
            _weights(logits, class_weights),
            logits.dtype.type(smoothing),
            gradient.reshape(-1),
        )
    return gradient


def _flat(array):
    return np.ascontiguousarray(array).reshape(-1)


def _as_int64(targets):
    return np.ascontiguousarray(targets, np.int64)


def _weights(logits, class_weights):
    if class_weights is None:
        return np.ones(logits.shape[1], logits.dtype)
    return np.ascontiguousarray(class_weights)


@kernel
def _softmax(x, y, columns):
    rows = x.size // columns
    if x.size < _ALONE:
        for m in range(rows):
            _softmax_row(_row(x, m, columns), _row(y, m, columns))
    else:
        for m in prange(rows):
            _softmax_row(_row(x, m, columns), _row(y, m, columns))


@inner
def _softmax_row(x, y):
    total = _exponentials(x, _maximum(x), y)
    for c in range(y.size):
        y[c] /= total


@kernel
def _log_softmax(x, y, columns):
    rows = x.size // columns
    if x.size < _ALONE:
        for m in range(rows):
            _log_softmax_row(_row(x, m, columns), _row(y, m, columns))
    else:
        for m in prange(rows):
            _log_softmax_row(_row(x, m, columns), _row(y, m, columns))


@inner
def _log_softmax_row(x, y):
    maximum = _maximum(x)
    log_sum = np.log(_sum_of_exponentials(x, maximum))
    for c in range(x.size):
        y[c] = (x[c] - maximum) - log_sum


@kernel
def _softmax_backward(gy, y, gx, columns):
    rows = y.size // columns
    if y.size < _ALONE:
        for m in range(rows):
            _softmax_backward_row(_row(gy, m, columns), _row(y, m, columns), _row(gx, m, columns))
    else:
        for m in prange(rows):
            _softmax_backward_row(_row(gy, m, columns), _row(y, m, columns), _row(gx, m, columns))


@inner
def _softmax_backward_row(gy, y, gx):
    mean = _dot(gy, y)
    for c in range(y.size):
        gx[c] = y[c] * (gy[c] - mean)


@kernel
def _log_softmax_backward(gy, y, gx, columns):
    rows = y.size // columns
    if y.size < _ALONE:
        for m in range(rows):
            _log_softmax_backward_row(_row(gy, m, columns), _row(y, m, columns), _row(gx, m, columns))
    else:
        for m in prange(rows):
            _log_softmax_backward_row(_row(gy, m, columns), _row(y, m, columns), _row(gx, m, columns))


@inner
def _log_softmax_backward_row(gy, y, gx):
    total = _sum(gy)
    for c in range(y.size):
        gx[c] = gy[c] - exponential(y[c]) * total


@inner
def _first_wrong_target(targets, classes, ignores, ignore_index):
    """The first row whose target is neither a class nor the ignored one, or -1."""
    for m in range(targets.size):
        if not (0 <= targets[m] < classes or (ignores and targets[m] == ignore_index)):
            return m
    return -1


@inner
def _counted_target(target, ignores, ignore_index):
    """The target, or -1 if it is the ignored one."""
    return -1 if ignores and target == ignore_index else target


@inner
def _losses(logits, targets, ignores, ignore_index, weights, smoothing, losses, log_normalizer):
    C = weights.size
    for m in range(targets.size):
        target = _counted_target(targets[m], ignores, ignore_index)
        losses[m], log_normalizer[m] = _row_loss(_row(logits, m, C), target, weights, smoothing)


@kernel
def _losses_in_parallel(logits, targets, ignores, ignore_index, weights, smoothing, losses, log_normalizer):
    C = weights.size
    for m in prange(targets.size):
        target = _counted_target(targets[m], ignores, ignore_index)
        losses[m], log_normalizer[m] = _row_loss(_row(logits, m, C), target, weights, smoothing)


@inner
def _row_loss(row, target, weights, smoothing):
    """The loss, 0 for target -1, and the logarithm of the sum of exponentials."""
    maximum = _maximum(row)
    log_sum = np.log(_sum_of_exponentials(row, maximum))
    if target < 0:
        return row.dtype.type(0), maximum + log_sum
    loss = weights[target] * (log_sum - (row[target] - maximum))
    if smoothing > 0:
        everywhere = smoothing / row.dtype.type(row.size)
        uniform = everywhere * _weighted_losses(row, weights, maximum, log_sum)
        loss = (row.dtype.type(1) - smoothing) * loss + uniform
    return loss, maximum + log_sum


@inner
def _gradients(gy, logits, log_normalizer, targets, ignores, ignore_index, weights, smoothing, gradient):
    C = weights.size
    for m in range(targets.size):
        target = _counted_target(targets[m], ignores, ignore_index)
        row, result = _row(logits, m, C), _row(gradient, m, C)
        _row_gradient(gy[m], row, log_normalizer[m], target, weights, smoothing, result)


@kernel
def _gradients_in_parallel(
    gy, logits, log_normalizer, targets, ignores, ignore_index, weights, smoothing, gradient
):
    C = weights.size
    for m in prange(targets.size):
        target = _counted_target(targets[m], ignores, ignore_index)
        row, result = _row(logits, m, C), _row(gradient, m, C)
        _row_gradient(gy[m], row, log_normalizer[m], target, weights, smoothing, result)


@inner
def _row_gradient(gy, row, log_normalizer, target, weights, smoothing, gradient):
    if target < 0:
        for c in range(row.size):
            gradient[c] = 0
        return
    at_target = gy * ((row.dtype.type(1) - smoothing) * weights[target])
    if smoothing > 0:
        everywhere = gy * (smoothing / row.dtype.type(row.size))
        push = at_target + everywhere * _sum(weights)
        for c in range(row.size):
            gradient[c] = exponential(row[c] - log_normalizer) * push - everywhere * weights[c]
    else:
        for c in range(row.size):
            gradient[c] = exponential(row[c] - log_normalizer) * at_target
    gradient[target] -= at_target


@inner(inline="always")
def _row(flat, m, columns):
    return part(flat, m * columns, (m + 1) * columns)


@inner
def _maximum(row):
    """The largest element; in a row with NaN, perhaps another."""
    largest = ordered_integer(row[0])
    for c in range(1, row.size):
        candidate = ordered_integer(row[c])
        largest = candidate if candidate > largest else largest
    return from_ordered_integer(row[0], largest)


@summing_inner
def _exponentials(row, shift, result):
    """Writes exp(row - shift) to `result` and returns its sum."""
    total = row.dtype.type(0)
    for c in range(row.size):
        value = exponential(row[c] - shift)
        result[c] = value
        total += value
    return total


@summing_inner
def _sum_of_exponentials(row, shift):
    total = row.dtype.type(0)
    for c in range(row.size):
        total += exponential(row[c] - shift)
    return total


@summing_inner
def _weighted_losses(row, weights, maximum, log_sum):
    total = row.dtype.type(0)
    for c in range(row.size):
        total += weights[c] * (log_sum - (row[c] - maximum))
    return total


@summing_inner
def _sum(row):
    total = row.dtype.type(0)
    for c in range(row.size):
        total += row[c]
    return total


@summing_inner
def _dot(a, b):
    total = a.dtype.type(0)
    for c in range(a.size):
        total += a[c] * b[c]
    return total
