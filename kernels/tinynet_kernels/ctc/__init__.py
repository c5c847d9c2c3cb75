"""Connectionist temporal classification: the loss of a sequence of labels without knowing where they stand.

A network gives, for each of T steps, probabilities of C classes, one of which is the *blank*. An *alignment*
names a class for every step; it stands for the labels that are left when repetitions are merged and blanks
removed. The probability of a sequence of labels is the sum over all its alignments, of the product of their
steps. It is found by dynamic programming over *states*: the labels, with a blank before, between and behind.

    alpha[t, s] = (alpha[t−1, s] + alpha[t−1, s−1] + alpha[t−1, s−2]) · p[t, class of s]

where the third term is there only if s is a label that differs from the one before. ``beta`` is the same from
the end, without the factor of step t, so that alpha · beta is the probability of all alignments that are in
state s at step t. Divided by the whole and summed over the states of a class it is that class's *posterior*,
and the derivative of the loss by log p[t, c] is −posterior[t, c].

Source: A. Graves, S. Fernández, F. Gomez and J. Schmidhuber, "Connectionist temporal classification:
labelling unsegmented sequence data with recurrent neural networks" (2006), section 4.
"""

from tinynet_kernels.dispatch import FLOATS, Family, array_module

__all__ = ["losses", "losses_and_gradient"]

IMPOSSIBLE = -1e30  # log-probabilities below are taken for −∞, such as those of masks

_family = Family(__name__, gpu=FLOATS)


def losses(x, targets, input_lengths, target_lengths, blank, is_logits):
    """−ln of the probability of each sequence of labels.

    Args:
        x: (N, T, C), the logarithms of probabilities, or logits if `is_logits`, of which the softmax is taken
            here. Log-probabilities need not be normalised; below `IMPOSSIBLE` they count as −∞.
        targets: integers (N, S); what follows the labels of a row is not looked at.
        input_lengths: integers (N,), how many steps count, 0 … T.
        target_lengths: integers (N,), how many labels there are, 0 … S.
        blank: the class that is no label.
        is_logits: whether x holds logits.

    Returns:
        (N,), infinite where no alignment of the labels is possible.

    Raises:
        TypeError: targets or lengths are not integers.
        ValueError: the shapes disagree, a length is out of range, or a label is no class or the blank; the
            message names the first. The CUDA kernel, which would have to wait for the lengths and labels,
            makes the losses of such rows NaN instead, and their gradients.
    """
    _check("losses", x, targets, input_lengths, target_lengths, blank)
    take = _family.take(x)
    _check_values("losses", take, x, targets, input_lengths, target_lengths, blank)
    return take.losses(x, targets, input_lengths, target_lengths, blank, is_logits)


def losses_and_gradient(x, targets, input_lengths, target_lengths, blank, is_logits, weights):
    """The losses (N,), as of `losses`, and the gradient (N, T, C) of ``sum(weights * losses)`` by x.

    ``weights`` (N,) has the dtype of x. The gradient is 0 at steps that do not count, and for a row of
    infinite loss; it is NaN at the steps that count of a row whose loss is NaN.
    """
    _check("losses_and_gradient", x, targets, input_lengths, target_lengths, blank)
    if weights.shape != x.shape[:1]:
        raise ValueError(
            f"ctc.losses_and_gradient: weights have shape {weights.shape}, but x (shape {x.shape}) needs "
            f"{x.shape[:1]}"
        )
    take = _family.take(x, weights)
    _check_values("losses_and_gradient", take, x, targets, input_lengths, target_lengths, blank)
    return take.losses_and_gradient(x, targets, input_lengths, target_lengths, blank, is_logits, weights)


def _check(function, x, targets, input_lengths, target_lengths, blank):
    if x.ndim != 3 or x.shape[2] == 0:
        raise ValueError(f"ctc.{function}: x must be (N, T, C) with C at least 1, but has shape {x.shape}")
    if targets.ndim != 2 or targets.shape[0] != x.shape[0]:
        raise ValueError(
            f"ctc.{function}: targets have shape {targets.shape}, but x (shape {x.shape}) needs "
            f"({x.shape[0]}, S)"
        )
    if not 0 <= blank < x.shape[2]:
        raise ValueError(
            f"ctc.{function}: blank is {blank}, but the {x.shape[2]} classes are 0 … {x.shape[2] - 1}"
        )
    _check_integers(function, "targets", targets)
    for name, lengths in (("input_lengths", input_lengths), ("target_lengths", target_lengths)):
        _check_integers(function, name, lengths)
        if lengths.shape != x.shape[:1]:
            raise ValueError(
                f"ctc.{function}: {name} have shape {lengths.shape}, but x (shape {x.shape}) needs "
                f"{x.shape[:1]}"
            )


def _check_integers(function, name, array):
    if array.dtype.kind not in "iu":
        raise TypeError(f"ctc.{function}: {name} must be integers, not {array.dtype}")


def _check_values(function, take, x, targets, input_lengths, target_lengths, blank):
    """Looks at the lengths and labels, unless the take marks what is wrong by itself."""
    if getattr(take, "marks_wrong_values", False):
        return
    _check_lengths(function, "input_lengths", input_lengths, x.shape[1])
    _check_lengths(function, "target_lengths", target_lengths, targets.shape[1])
    _check_labels(function, targets, target_lengths, x.shape[2], blank)


def _check_lengths(function, name, lengths, most):
    is_wrong = (lengths < 0) | (lengths > most)
    if is_wrong.any():
        row = int(is_wrong.argmax())
        raise ValueError(f"ctc.{function}: {name}[{row}] is {int(lengths[row])}, which is not in 0 … {most}")


def _check_labels(function, targets, target_lengths, classes, blank):
    xp = array_module(targets)
    counts = xp.arange(targets.shape[1]) < target_lengths[:, None]
    is_wrong = counts & ((targets < 0) | (targets >= classes) | (targets == blank))
    if is_wrong.any():
        row, place = divmod(int(is_wrong.argmax()), targets.shape[1])
        label = int(targets[row, place])
        what = "the blank" if label == blank else f"not one of the {classes} classes 0 … {classes - 1}"
        raise ValueError(f"ctc.{function}: label {place} of row {row} is {label}, which is {what}")
