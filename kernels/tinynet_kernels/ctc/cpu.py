"""The CTC loss on the CPU: every sequence by one thread, all of its steps while they are in the cache."""

import numpy as np
from numba import get_num_threads

from tinynet_kernels.compile import inner
from tinynet_kernels.ctc.rows import (
    copy_rows,
    exponential_pairs,
    exponentials,
    fill,
    gather,
    invert_sums,
    multiply_rows,
    shift_rows,
    total,
)
from tinynet_kernels.ctc.scaled import NOTHING, advance, retreat
from tinynet_kernels.memory import empty
from tinynet_kernels.simd.memory import element_bytes
from tinynet_kernels.simd.parts import part
from tinynet_kernels.simd.vectors import VECTOR_BYTES
from tinynet_kernels.simd.views import view
from tinynet_kernels.tasks import run

__all__ = ["losses", "losses_and_gradient"]

_LN_2 = 0.6931471805599453


def losses(x, targets, input_lengths, target_lengths, blank, is_logits):
    weights = np.ones(len(x), x.dtype)
    return _run(x, targets, input_lengths, target_lengths, blank, is_logits, weights, None)


def losses_and_gradient(x, targets, input_lengths, target_lengths, blank, is_logits, weights):
    gradient = empty(x.shape, x.dtype)
    result = _run(x, targets, input_lengths, target_lengths, blank, is_logits, weights, gradient)
    return result, gradient


def _run(x, targets, input_lengths, target_lengths, blank, is_logits, weights, gradient):
    """Fills `gradient` (unless it is None) and returns the losses."""
    N, T, C = x.shape
    result = np.empty(N, x.dtype)
    if not N:
        return result
    x, weights = np.ascontiguousarray(x), np.ascontiguousarray(weights)
    integers = [np.ascontiguousarray(array, np.int64) for array in (targets, input_lengths, target_lengths)]
    workers = min(N, get_num_threads())
    scratch_size = _scratch_size(T, C, int(integers[2].max()), x.dtype.itemsize)
    scratch = empty((workers, scratch_size), x.dtype)
    addresses = [array.ctypes.data for array in (x, *integers, weights, result, scratch)]
    addresses.append(0 if gradient is None else gradient.ctypes.data)
    sizes = N, T, C, targets.shape[1], blank, is_logits, workers, scratch_size
    run(_task, x.dtype, workers, [*addresses, *sizes])
    return result


def _scratch_size(steps, classes, labels, itemsize):
    """The elements that `_sequence` takes for the longest sequence."""
    lanes = VECTOR_BYTES // itemsize
    width = (labels // lanes + 1) * lanes
    states, padded = 4 * (width + lanes), -(-classes // lanes) * lanes
    return (states + 2 * width + padded + 3) * (steps + 2) + 4 * lanes + 3 * width


@inner
def _task(zero, arguments, index):
    """One task, see `tasks.run`: every so many-th sequence, in one piece of scratch memory."""
    x, targets, input_lengths, target_lengths, weights, losses, scratch, gradient = arguments[:8]
    N, T, C, S, blank, is_logits, workers, scratch_size = arguments[8:16]
    size = element_bytes(zero)
    steps, labels = view(0, input_lengths, N), view(0, target_lengths, N)
    all_losses, all_weights = view(zero, losses, N), view(zero, weights, N)
    own_scratch = view(zero, scratch + index * scratch_size * size, scratch_size)
    for n in range(index, N, workers):
        start = n * T * C * size
        all_losses[n] = _sequence(
            zero,
            view(zero, x + start, steps[n] * C),
            view(0, targets + n * S * 8, labels[n]),
            steps[n],
            C,
            blank,
            is_logits != 0,
            all_weights[n],
            view(zero, gradient + start, 0 if gradient == 0 else T * C),
            own_scratch,
        )


@inner
def _sequence(zero, x, labels, T, C, blank, is_logits, weight, gradient, scratch):
    """The loss of one sequence x, (T · C,). Fills its gradient, unless that is empty."""
    lanes = VECTOR_BYTES // element_bytes(zero)
    width, padded = (labels.size // lanes + 1) * lanes, -(-C // lanes) * lanes
    segment = width + lanes
    row = 4 * segment
    alpha, start = part(scratch, 0, row * (T + 1) + lanes), row * (T + 1) + lanes
    mantissas, start = part(scratch, start, start + width * T), start + width * T
    exponents, start = part(scratch, start, start + width * T), start + width * T
    may_skip, start = part(scratch, start, start + width + lanes), start + width + lanes
    softmax, start = part(scratch, start, start + padded * T), start + padded * T
    scales, start = part(scratch, start, start + T), start + T
    of_blank, start = part(scratch, start, start + 2 * T), start + 2 * T

    _compare_neighbours(labels, may_skip)
    if is_logits:
        shift_rows(x, C, softmax, padded)
        gather(softmax, padded, labels, blank, mantissas, width)
        exponentials(softmax)
        invert_sums(softmax, padded, scales)
    else:
        gather(x, C, labels, blank, mantissas, width)
    exponential_pairs(mantissas, exponents)
    if is_logits:
        multiply_rows(mantissas, width, scales)
    _separate_blanks(mantissas, exponents, width, labels.size, of_blank)
    _forward(zero, alpha, T, segment, lanes, mantissas, exponents, of_blank, may_skip)
    likelihood, exponent = _likelihood(alpha, row * T + lanes, segment, labels.size)
    loss = -(np.log(likelihood) + exponent * _LN_2)
    if gradient.size == 0:
        return loss

    counted = part(gradient, 0, T * C)
    fill(part(gradient, T * C, gradient.size), 0)
    if not (likelihood > 0 and likelihood < np.inf):
        fill(counted, 0 if likelihood == 0 else np.nan)
        return loss
    if is_logits:
        multiply_rows(softmax, padded, scales)
        copy_rows(softmax, padded, weight, counted, C)
    else:
        fill(counted, 0)
    later, start = part(scratch, start, start + row + lanes), start + row + lanes
    posteriors = part(scratch, start, start + 2 * segment)
    _begin(later, segment, lanes, labels.size)
    for t in range(T - 1, -1, -1):
        _step_back(
            *(zero, alpha, t, T, segment, lanes, mantissas, exponents, of_blank, may_skip),
            *(later, exponent, posteriors),
        )
        at_step = part(counted, t * C, (t + 1) * C)
        _subtract_posteriors(at_step, labels, blank, posteriors, segment, weight)
    return loss


@inner
def _separate_blanks(mantissas, exponents, width, blank, of_blank):
    """Moves number `blank` of every row to a place of its own.

    It becomes 0, since there is no label of this number.
    """
    T = of_blank.size // 2
    for t in range(T):
        place = t * width + blank
        of_blank[t], of_blank[T + t] = mantissas[place], exponents[place]
        mantissas[place], exponents[place] = 0, NOTHING


@inner
def _forward(zero, alpha, T, segment, lanes, mantissas, exponents, of_blank, may_skip):
    """Fills alpha, whose row 0 is what comes before the first step."""
    _begin(alpha, segment, lanes, 0)
    size, width = element_bytes(zero), segment - lanes
    row = 4 * segment
    for t in range(T):
        current = part(alpha, row * (t + 1), row * (t + 2) + lanes)
        current[segment + lanes - 1] = 0  # label −1
        current[3 * segment + lanes - 1] = NOTHING
        target = current.ctypes.data + lanes * size
        for offset in range(0, width * size, VECTOR_BYTES):
            advance(
                segment * size,
                target - row * size + offset,
                mantissas.ctypes.data + t * width * size + offset,
                exponents.ctypes.data + t * width * size + offset,
                may_skip.ctypes.data + offset,
                of_blank[t],
                of_blank[T + t],
                target + offset,
            )


@inner
def _compare_neighbours(labels, may_skip):
    """Sets where a label differs from the one before to 1, and the rest to 0."""
    fill(may_skip, 0)
    for i in range(1, labels.size):
        if labels[i] != labels[i - 1]:
            may_skip[i] = 1


@inner
def _begin(states, segment, lanes, certain):
    """Fills a row of states: the blank of number `certain` has the probability 1, all else 0."""
    fill(part(states, 0, 2 * segment), 0)
    fill(part(states, 2 * segment, 4 * segment + lanes), NOTHING)
    states[lanes + certain] = 1
    states[lanes + 2 * segment + certain] = 0


@inner
def _step_back(
    zero, alpha, t, T, segment, lanes, mantissas, exponents, of_blank, may_skip, later, exponent, posteriors
):
    """Computes the posteriors of step t, not normalised, and beta · p at step t in place of that at t + 1."""
    size, width = element_bytes(zero), segment - lanes
    source = alpha.ctypes.data + (4 * segment * (t + 1) + lanes) * size
    target = later.ctypes.data + lanes * size
    for offset in range(0, width * size, VECTOR_BYTES):
        retreat(
            segment * size,
            target + offset,
            mantissas.ctypes.data + t * width * size + offset,
            exponents.ctypes.data + t * width * size + offset,
            may_skip.ctypes.data + offset,
            of_blank[t],
            of_blank[T + t],
            source + offset,
            type(zero)(exponent),
            posteriors.ctypes.data + offset,
        )


@inner
def _likelihood(alpha, last_row, segment, labels):
    """The probability of ending in the last blank or the last label, in float64."""
    blank, label = last_row + labels, last_row + segment + labels - 1
    of_blank, of_label = np.float64(alpha[2 * segment + blank]), np.float64(alpha[2 * segment + label])
    exponent = of_blank if of_blank > of_label else of_label
    total = alpha[blank] * np.exp2(of_blank - exponent) + alpha[label] * np.exp2(of_label - exponent)
    return total, exponent


@inner
def _subtract_posteriors(at_step, labels, blank, posteriors, segment, weight):
    """Subtracts the posterior of each class from the gradient of one step.

    They are divided by their sum, which is the probability of all alignments found at this step: what was
    rounded on the way here cancels.
    """
    of_blanks = part(posteriors, 0, labels.size + 1)
    of_labels = part(posteriors, segment, segment + labels.size)
    of_blank = total(of_blanks)
    factor = weight / (of_blank + total(of_labels))
    at_step[blank] -= factor * of_blank
    for i in range(labels.size):
        at_step[labels[i]] -= factor * of_labels[i]
