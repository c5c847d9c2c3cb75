"""Softmax and cross-entropy on the CPU: every row by one thread, while it is in the cache."""

import numpy as np

from tinynet_kernels.blocks import block, columns_of, entries, parameters_of, run_blocks, whole
from tinynet_kernels.compile import inner, summing_inner
from tinynet_kernels.memory import empty
from tinynet_kernels.simd.exponential import exponential
from tinynet_kernels.simd.ordering import from_ordered_integer, ordered_integer
from tinynet_kernels.simd.parts import part
from tinynet_kernels.sums import dot, total

_ALONE = 16384  # elements: with fewer, waking another thread takes longer than it helps
_IGNORED = -1  # in place of a target that does not count


def softmax(x):
    return _by_rows(_softmax, x)


def log_softmax(x):
    return _by_rows(_log_softmax, x)


def softmax_backward(gy, y):
    return _by_rows(_softmax_backward, gy, y)


def log_softmax_backward(gy, y):
    return _by_rows(_log_softmax_backward, gy, y)


def _by_rows(task, *arrays):
    result = empty(arrays[0].shape, arrays[0].dtype)
    if result.size:
        run_blocks(task, (*arrays, result), *result.shape, alone=_ALONE)
    return result


def first_wrong_target(targets, classes, ignore_index):
    if not targets.size:
        return -1
    return _first_wrong_target(_as_int64(targets), classes, ignore_index is not None, ignore_index or 0)


def cross_entropy_forward(logits, targets, class_weights, ignore_index, smoothing):
    losses, log_normalizer = np.empty(len(logits), logits.dtype), np.empty(len(logits), logits.dtype)
    if losses.size:
        targets, weights = _counted(targets, ignore_index), _weights(logits, class_weights)
        arrays = logits, targets, weights, losses, log_normalizer
        run_blocks(_losses, arrays, *logits.shape, alone=_ALONE, parameters=(smoothing,))
    return losses, log_normalizer


def cross_entropy_backward(gy, logits, log_normalizer, targets, class_weights, ignore_index, smoothing):
    gradient = empty(logits.shape, logits.dtype)
    if gradient.size:
        targets, weights = _counted(targets, ignore_index), _weights(logits, class_weights)
        arrays = logits, targets, weights, gy, log_normalizer, gradient
        run_blocks(_gradients, arrays, *logits.shape, alone=_ALONE, parameters=(smoothing,))
    return gradient


def _as_int64(targets):
    return np.ascontiguousarray(targets, np.int64)


def _counted(targets, ignore_index):
    targets = _as_int64(targets)
    return targets if ignore_index is None else np.where(targets == ignore_index, _IGNORED, targets)


def _weights(logits, class_weights):
    return np.ones(logits.shape[1], logits.dtype) if class_weights is None else class_weights


@inner
def _softmax(zero, arguments, index):
    C = columns_of(arguments)
    x, y = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    for first in range(0, x.size, C):
        end = first + C
        row, result = part(x, first, end), part(y, first, end)
        sum_of_row = _exponentials(row, _maximum(row), result)
        for c in range(C):
            result[c] /= sum_of_row


@inner
def _log_softmax(zero, arguments, index):
    C = columns_of(arguments)
    x, y = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    for first in range(0, x.size, C):
        end = first + C
        row, result = part(x, first, end), part(y, first, end)
        maximum = _maximum(row)
        log_sum = np.log(_sum_of_exponentials(row, maximum))
        for c in range(C):
            result[c] = (row[c] - maximum) - log_sum


@inner
def _softmax_backward(zero, arguments, index):
    C = columns_of(arguments)
    gy, y = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    gx = block(zero, arguments, index, 2)
    for first in range(0, y.size, C):
        end = first + C
        incoming, row, result = part(gy, first, end), part(y, first, end), part(gx, first, end)
        mean = dot(incoming, row)
        for c in range(C):
            result[c] = row[c] * (incoming[c] - mean)


@inner
def _log_softmax_backward(zero, arguments, index):
    C = columns_of(arguments)
    gy, y = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    gx = block(zero, arguments, index, 2)
    for first in range(0, y.size, C):
        end = first + C
        incoming, row, result = part(gy, first, end), part(y, first, end), part(gx, first, end)
        gradient = total(incoming)
        for c in range(C):
            result[c] = incoming[c] - exponential(row[c]) * gradient


@inner
def _first_wrong_target(targets, classes, ignores, ignore_index):
    """The first row whose target is neither a class nor the ignored one, or -1."""
    for m in range(targets.size):
        if not (0 <= targets[m] < classes or (ignores and targets[m] == ignore_index)):
            return m
    return -1


@inner
def _losses(zero, arguments, index):
    C = columns_of(arguments)
    logits, targets = block(zero, arguments, index, 0), entries(0, arguments, index, 1)
    weights, (smoothing,) = whole(zero, arguments, C, 2), parameters_of(zero, arguments, 1)
    losses, log_normalizer = entries(zero, arguments, index, 3), entries(zero, arguments, index, 4)
    for m in range(targets.size):
        row = part(logits, m * C, (m + 1) * C)
        losses[m], log_normalizer[m] = _row_loss(row, targets[m], weights, smoothing)


@inner
def _row_loss(row, target, weights, smoothing):
    """The loss, 0 for an ignored target, and the logarithm of the sum of exponentials."""
    maximum = _maximum(row)
    log_sum = np.log(_sum_of_exponentials(row, maximum))
    if target == _IGNORED:
        return row.dtype.type(0), maximum + log_sum
    loss = weights[target] * (log_sum - (row[target] - maximum))
    if smoothing > 0:
        everywhere = smoothing / row.dtype.type(row.size)
        uniform = everywhere * _weighted_losses(row, weights, maximum, log_sum)
        loss = (row.dtype.type(1) - smoothing) * loss + uniform
    return loss, maximum + log_sum


@inner
def _gradients(zero, arguments, index):
    C = columns_of(arguments)
    logits, targets = block(zero, arguments, index, 0), entries(0, arguments, index, 1)
    weights, (smoothing,) = whole(zero, arguments, C, 2), parameters_of(zero, arguments, 1)
    gy, log_normalizer = entries(zero, arguments, index, 3), entries(zero, arguments, index, 4)
    gradient = block(zero, arguments, index, 5)
    for m in range(targets.size):
        row, result = part(logits, m * C, (m + 1) * C), part(gradient, m * C, (m + 1) * C)
        _row_gradient(gy[m], row, log_normalizer[m], targets[m], weights, smoothing, result)


@inner
def _row_gradient(gy, row, log_normalizer, target, weights, smoothing, gradient):
    if target == _IGNORED:
        for c in range(row.size):
            gradient[c] = 0
        return
    at_target = gy * ((row.dtype.type(1) - smoothing) * weights[target])
    if smoothing > 0:
        everywhere = gy * (smoothing / row.dtype.type(row.size))
        push = at_target + everywhere * total(weights)
        for c in range(row.size):
            gradient[c] = exponential(row[c] - log_normalizer) * push - everywhere * weights[c]
    else:
        for c in range(row.size):
            gradient[c] = exponential(row[c] - log_normalizer) * at_target
    gradient[target] -= at_target


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
