"""Softmax and cross-entropy as their formulas say."""

import numpy as np

from tinynet_kernels.dispatch import array_module


def softmax(x):
    xp = array_module(x)
    shifted, _ = _shift(xp, x)
    exponentials = xp.exp(shifted)
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def log_softmax(x):
    xp = array_module(x)
    shifted, _ = _shift(xp, x)
    return shifted - _log_sum_exp(xp, shifted)


def softmax_backward(gy, y):
    return y * (gy - (gy * y).sum(axis=1, keepdims=True))


def log_softmax_backward(gy, y):
    return gy - array_module(y).exp(y) * gy.sum(axis=1, keepdims=True)


def first_wrong_target(targets, classes, ignore_index):
    is_wrong = (targets < 0) | (targets >= classes)
    if ignore_index is not None:
        is_wrong &= targets != ignore_index
    return int(is_wrong.argmax()) if is_wrong.any() else -1


def cross_entropy_forward(logits, targets, class_weights, ignore_index, smoothing):
    xp = array_module(logits)
    shifted, maximum = _shift(xp, logits)
    log_sum = _log_sum_exp(xp, shifted)
    log_probabilities = shifted - log_sum
    weights = _weights(xp, logits, class_weights)
    counts, classes = _counted_targets(xp, targets, ignore_index)
    with np.errstate(invalid="ignore"):  # a weight of 0 times an infinite loss is NaN
        losses = -weights[classes] * xp.take_along_axis(log_probabilities, classes[:, None], axis=1)[:, 0]
        if smoothing:
            uniform = -(weights * log_probabilities).mean(axis=1)
            losses = (1 - smoothing) * losses + smoothing * uniform
    losses = xp.where(counts, losses, 0)
    return losses.astype(logits.dtype), (maximum + log_sum)[:, 0]


def cross_entropy_backward(gy, logits, log_normalizer, targets, class_weights, ignore_index, smoothing):
    xp = array_module(logits)
    with np.errstate(invalid="ignore"):
        probabilities = xp.exp(logits - log_normalizer[:, None])
    weights = _weights(xp, logits, class_weights)
    counts, classes = _counted_targets(xp, targets, ignore_index)
    # The loss is -sum(pull * log p), row by row.
    pull = xp.broadcast_to(smoothing / logits.shape[1] * weights, logits.shape).astype(logits.dtype)
    pull[xp.arange(logits.shape[0]), classes] += (1 - smoothing) * weights[classes]
    gradient = gy[:, None] * (probabilities * pull.sum(axis=1, keepdims=True) - pull)
    return xp.where(counts[:, None], gradient, 0).astype(logits.dtype)


def _shift(xp, x):
    """x less the maximum of its row, and that maximum (M, 1)."""
    maximum = x.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # -inf - -inf, in a row of nothing else, is NaN and should be
        return x - maximum, maximum


def _log_sum_exp(xp, shifted):
    with np.errstate(divide="ignore"):
        return xp.log(xp.exp(shifted).sum(axis=1, keepdims=True))


def _weights(xp, logits, class_weights):
    return xp.ones(logits.shape[1], logits.dtype) if class_weights is None else class_weights


def _counted_targets(xp, targets, ignore_index):
    """Which rows count, and the targets with 0 in place of the ignored ones."""
    counts = targets != ignore_index if ignore_index is not None else xp.ones(targets.shape, bool)
    return counts, xp.where(counts, targets, 0)
