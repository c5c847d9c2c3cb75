"""Softmax and cross-entropy on the CPU: every row by one thread, while it is in the cache."""

import numpy as np
from numba import prange

from tinynet_kernels.compile import inner, kernel, summing_inner


def softmax(x):
    y = np.empty(x.shape, x.dtype)
    if y.size:
        _softmax(np.ascontiguousarray(x), y)
    return y


def log_softmax(x):
    y = np.empty(x.shape, x.dtype)
    if y.size:
        _log_softmax(np.ascontiguousarray(x), y)
    return y


def softmax_backward(gy, y):
    gx = np.empty(y.shape, y.dtype)
    if gx.size:
        _softmax_backward(np.ascontiguousarray(gy), np.ascontiguousarray(y), gx)
    return gx


def log_softmax_backward(gy, y):
    gx = np.empty(y.shape, y.dtype)
    if gx.size:
        _log_softmax_backward(np.ascontiguousarray(gy), np.ascontiguousarray(y), gx)
    return gx


def cross_entropy_forward(logits, targets, class_weights, ignore_index, smoothing):
    losses, log_normalizer = np.empty((2, logits.shape[0]), logits.dtype)
    weights, targets = _weights(logits, class_weights), _marked_targets(targets, ignore_index)
    if losses.size:
        smoothing = logits.dtype.type(smoothing)
        _cross_entropy_forward(
            np.ascontiguousarray(logits), targets, weights, smoothing, losses, log_normalizer
        )
    return losses, log_normalizer


def cross_entropy_backward(gy, logits, log_normalizer, targets, class_weights, ignore_index, smoothing):
    gradient = np.empty(logits.shape, logits.dtype)
    weights, targets = _weights(logits, class_weights), _marked_targets(targets, ignore_index)
    if gradient.size:
        _cross_entropy_backward(
            np.ascontiguousarray(gy),
            np.ascontiguousarray(logits),
            np.ascontiguousarray(log_normalizer),
            targets,
            weights,
            logits.dtype.type(smoothing),
            gradient,
        )
    return gradient


def _weights(logits, class_weights):
    if class_weights is None:
        return np.ones(logits.shape[1], logits.dtype)
    return np.ascontiguousarray(class_weights)


def _marked_targets(targets, ignore_index):
    """The targets as int64, with -1 in place of the ignored ones."""
    marked = targets.astype(np.int64)
    if ignore_index is not None:
        marked[targets == ignore_index] = -1
    return marked


@kernel
def _softmax(x, y):
    for m in prange(x.shape[0]):
        total = _exponentials(x[m], _maximum(x[m]), y[m])
        _divide(y[m], total)


@kernel
def _log_softmax(x, y):
    for m in prange(x.shape[0]):
        row, target = x[m], y[m]
        maximum = _maximum(row)
        log_sum = np.log(_exponentials(row, maximum, target))
        for c in range(row.size):
            target[c] = (row[c] - maximum) - log_sum


@kernel
def _softmax_backward(gy, y, gx):
    for m in prange(y.shape[0]):
        gradient, row, target = gy[m], y[m], gx[m]
        mean = _dot(gradient, row)
        for c in range(row.size):
            target[c] = row[c] * (gradient[c] - mean)


@kernel
def _log_softmax_backward(gy, y, gx):
    for m in prange(y.shape[0]):
        gradient, row, target = gy[m], y[m], gx[m]
        total = _sum(gradient)
        for c in range(row.size):
            target[c] = gradient[c] - np.exp(row[c]) * total


@kernel
def _cross_entropy_forward(logits, targets, weights, smoothing, losses, log_normalizer):
    one = logits.dtype.type(1)
    everywhere = smoothing / logits.dtype.type(logits.shape[1])
    for m in prange(logits.shape[0]):
        row, target = logits[m], targets[m]
        maximum = _maximum(row)
        log_sum = np.log(_sum_of_exponentials(row, maximum))
        log_normalizer[m] = maximum + log_sum
        if target < 0:
            losses[m] = 0
            continue
        loss = weights[target] * (log_sum - (row[target] - maximum))
        if smoothing > 0:
            loss = (one - smoothing) * loss + everywhere * _weighted_losses(row, weights, maximum, log_sum)
        losses[m] = loss


@kernel
def _cross_entropy_backward(gy, logits, log_normalizer, targets, weights, smoothing, gradient):
    C = logits.shape[1]
    one = logits.dtype.type(1)
    everywhere = smoothing / logits.dtype.type(C)
    total_weight = _sum(weights)
    for m in prange(logits.shape[0]):
        row, result, target = logits[m], gradient[m], targets[m]
        if target < 0:
            for c in range(C):
                result[c] = 0
            continue
        at_target = (one - smoothing) * weights[target]
        push = at_target + everywhere * total_weight
        for c in range(C):
            result[c] = gy[m] * (np.exp(row[c] - log_normalizer[m]) * push - everywhere * weights[c])
        result[target] -= gy[m] * at_target


@inner
def _maximum(row):
    maximum = row[0]
    for c in range(1, row.size):
        maximum = row[c] if row[c] > maximum else maximum
    return maximum


@inner
def _exponentials(row, shift, result):
    """Writes exp(row - shift) to `result` and returns its sum."""
    for c in range(row.size):
        result[c] = np.exp(row[c] - shift)
    return _sum(result)


@summing_inner
def _sum_of_exponentials(row, shift):
    total = row.dtype.type(0)
    for c in range(row.size):
        total += np.exp(row[c] - shift)
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


@inner
def _divide(row, divisor):
    for c in range(row.size):
        row[c] /= divisor
