"""The CTC loss as its formula says, with logarithms of probabilities, in float64."""

import numpy as np

from tinynet_kernels.ctc import IMPOSSIBLE
from tinynet_kernels.dispatch import array_module

__all__ = ["losses", "losses_and_gradient"]


def losses(x, targets, input_lengths, target_lengths, blank, is_logits):
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        log_p = _log_probabilities(x, is_logits)
        states, may_skip = _states(targets, target_lengths, blank)
        emissions = _of_states(log_p, states)
        alpha = _forward(emissions, may_skip)
        return -_log_likelihood(alpha, input_lengths, target_lengths).astype(x.dtype)


def losses_and_gradient(x, targets, input_lengths, target_lengths, blank, is_logits, weights):
    xp = array_module(x)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        log_p = _log_probabilities(x, is_logits)
        states, may_skip = _states(targets, target_lengths, blank)
        emissions = _of_states(log_p, states)
        alpha = _forward(emissions, may_skip)
        beta = _backward(emissions, may_skip, input_lengths, target_lengths)
        likelihood = _log_likelihood(alpha, input_lengths, target_lengths)
        posteriors = xp.exp(alpha[:, 1:] + beta - likelihood[:, None, None])
        is_class = (states[:, :, None] == xp.arange(x.shape[2])).astype(np.float64)
        gradient = -xp.matmul(posteriors, is_class)
        if is_logits:
            gradient += xp.exp(log_p)
    gradient *= weights[:, None, None]
    counts = xp.arange(x.shape[1]) < xp.asarray(input_lengths)[:, None]
    counts &= (likelihood != -xp.inf)[:, None]
    gradient = xp.where(counts[:, :, None], gradient, 0)
    return -likelihood.astype(x.dtype), gradient.astype(x.dtype)


def _log_probabilities(x, is_logits):
    xp = array_module(x)
    x = x.astype(np.float64)
    if is_logits:
        shifted = x - x.max(axis=2, keepdims=True)
        x = shifted - xp.log(xp.exp(shifted).sum(axis=2, keepdims=True))
    return xp.where(x < IMPOSSIBLE, -xp.inf, x)


def _states(targets, target_lengths, blank):
    """The classes of the states (N, 2 S + 1), and which may be entered from the state before the last."""
    xp = array_module(targets)
    counts = xp.arange(targets.shape[1]) < xp.asarray(target_lengths)[:, None]
    states = xp.full((targets.shape[0], 2 * targets.shape[1] + 1), blank, np.int64)
    states[:, 1::2] = xp.where(counts, targets, blank)
    may_skip = xp.zeros(states.shape, bool)
    may_skip[:, 3::2] = states[:, 3::2] != states[:, 1:-2:2]
    return states, may_skip


def _of_states(log_p, states):
    """The log-probability of each state's class, (N, T, 2 S + 1)."""
    shape = (*log_p.shape[:2], states.shape[1])
    xp = array_module(log_p)
    return xp.take_along_axis(log_p, xp.broadcast_to(states[:, None, :], shape), axis=2)


def _forward(emissions, may_skip):
    """ln alpha, (N, T + 1, 2 S + 1). Before the first step the first state, a blank, is certain.

    That state leads to itself and to the first label, as any does: no step is special.
    """
    xp = array_module(emissions)
    N, T, states = emissions.shape
    alpha = xp.full((N, T + 1, states), -xp.inf)
    alpha[:, 0, 0] = 0
    for t in range(T):
        total = alpha[:, t].copy()
        total[:, 1:] = xp.logaddexp(total[:, 1:], alpha[:, t, :-1])
        skipping = xp.where(may_skip[:, 2:], alpha[:, t, :-2], -xp.inf)
        total[:, 2:] = xp.logaddexp(total[:, 2:], skipping)
        alpha[:, t + 1] = total + emissions[:, t]
    return alpha


def _backward(emissions, may_skip, input_lengths, target_lengths):
    """ln beta, (N, T, 2 S + 1). After the last step that counts the last state, a blank, is certain."""
    xp = array_module(emissions)
    N, T, states = emissions.shape
    beta = xp.full((N, T, states), -xp.inf)
    end = xp.where(xp.arange(states) == 2 * xp.asarray(target_lengths)[:, None], 0.0, -xp.inf)
    for t in range(T - 1, -1, -1):
        is_last = (xp.asarray(input_lengths) == t + 1)[:, None]
        later = end if t == T - 1 else xp.where(is_last, end, beta[:, t + 1] + emissions[:, t + 1])
        total = later.copy()
        total[:, :-1] = xp.logaddexp(total[:, :-1], later[:, 1:])
        skipping = xp.where(may_skip[:, 2:], later[:, 2:], -xp.inf)
        total[:, :-2] = xp.logaddexp(total[:, :-2], skipping)
        beta[:, t] = total
    return beta


def _log_likelihood(alpha, input_lengths, target_lengths):
    """ln of the probability of all alignments, which end in the last label or the blank after it."""
    xp = array_module(alpha)
    rows = xp.arange(alpha.shape[0])
    final, last = alpha[rows, input_lengths], 2 * xp.asarray(target_lengths)
    label = xp.where(last > 0, final[rows, xp.maximum(last - 1, 0)], -xp.inf)
    return xp.logaddexp(final[rows, last], label)
