"""The CTC loss composed of basic operations: the recursion over states as it is taught, step by step.

`tinynet_kernels.ctc` computes the same at once, with its gradient; this is what second derivatives come from.
"""

from tinynet.autograd import Tensor
from tinynet.backend import array_module
from tinynet.functional.choosing import clip, where
from tinynet.functional.indexing import gather
from tinynet.functional.joining import pad, stack
from tinynet.functional.reductions import logsumexp
from tinynet_kernels.ctc import IMPOSSIBLE

__all__: list[str] = []


def losses_of_alignments(log_probabilities, targets, input_lengths, target_lengths, blank):
    """−ln of the probability of all alignments, (N,); some 1e30 where there are none.

    Args:
        log_probabilities: a tensor (N, T, C).
        targets, input_lengths, target_lengths: arrays of integers (N, S), (N,) and (N,).
        blank: the class that is no label.
    """
    xp = array_module(log_probabilities.data)
    N, T, _ = log_probabilities.shape
    states, may_skip = _states(xp, targets, target_lengths, blank)
    classes = xp.broadcast_to(states[:, None, :], (N, T, states.shape[1]))
    emissions = clip(gather(log_probabilities, classes, axis=2), IMPOSSIBLE)
    is_first = xp.broadcast_to(xp.arange(states.shape[1]) == 0, states.shape)
    # Before the first step the blank before the first label is certain.
    alpha = Tensor(xp.where(is_first, 0.0, IMPOSSIBLE).astype(log_probabilities.dtype))
    for t in range(T):
        skipping = where(Tensor(may_skip), _moved(alpha, 2), IMPOSSIBLE)
        later = logsumexp(stack([alpha, _moved(alpha, 1), skipping]), axis=0) + emissions[:, t]
        alpha = where(Tensor(input_lengths[:, None] > t), later, alpha)
    ends_behind = xp.arange(states.shape[1]) - 2 * target_lengths[:, None]
    is_end = (ends_behind == 0) | (ends_behind == -1)
    return -logsumexp(where(Tensor(is_end), alpha, IMPOSSIBLE), axis=1)


def _states(xp, targets, target_lengths, blank):
    """The class of every state (N, 2 S + 1), and whether it may follow the state before the last."""
    counts = xp.arange(targets.shape[1]) < target_lengths[:, None]
    states = xp.full((targets.shape[0], 2 * targets.shape[1] + 1), blank)
    states[:, 1::2] = xp.where(counts, targets, blank)
    may_skip = xp.zeros(states.shape, bool)
    may_skip[:, 3::2] = states[:, 3::2] != states[:, 1:-2:2]
    return states, may_skip


def _moved(alpha, places):
    """alpha (N, states) moved to later states; nothing leads to the first ones."""
    width = alpha.shape[1]
    return pad(alpha, ((0, 0), (places, 0)), value=IMPOSSIBLE)[:, :width]
