"""Softmax, its logarithm, and the cross-entropy, over the columns of a matrix (M, C).

All are shifted by the row's maximum, so that no exponential overflows. Logits of -inf are allowed and
mean a probability of 0; a row of nothing else gives NaN.

Sources: Bridle, Probabilistic Interpretation of Feedforward Classification Network Outputs (1990) for
the function; Szegedy et al., Rethinking the Inception Architecture (2016), section 7, for smoothing.
"""

from tinynet_kernels.dispatch import FLOATS, Family

__all__ = [
    "cross_entropy_backward",
    "cross_entropy_forward",
    "log_softmax",
    "log_softmax_backward",
    "softmax",
    "softmax_backward",
]

_family = Family(__name__, gpu=FLOATS)


def softmax(x):
    """``exp(x) / sum(exp(x))`` of each row, x (M, C) → (M, C)."""
    _check_matrix("softmax", x, "x")
    return _family.take(x).softmax(x)


def log_softmax(x):
    """``x - log(sum(exp(x)))`` of each row, x (M, C) → (M, C)."""
    _check_matrix("log_softmax", x, "x")
    return _family.take(x).log_softmax(x)


def softmax_backward(gy, y):
    """``y * (gy - sum(gy * y))``, where y (M, C) is the softmax and gy its gradient."""
    _check_same_shape("softmax_backward", gy, y)
    return _family.take(gy, y).softmax_backward(gy, y)


def log_softmax_backward(gy, y):
    """``gy - exp(y) * sum(gy)``, where y (M, C) is the log-softmax and gy its gradient."""
    _check_same_shape("log_softmax_backward", gy, y)
    return _family.take(gy, y).log_softmax_backward(gy, y)


def cross_entropy_forward(logits, targets, class_weights, ignore_index, smoothing):
    """The cross-entropy of each row with its target class.

    With p the softmax of the row, t its target, w the class weights and ε the smoothing,
    ``loss = -(1 - ε) * w[t] * log p[t] - ε / C * sum over c of w[c] * log p[c]``.

    Args:
        logits: (M, C).
        targets: integers (M,).
        class_weights: (C,) in the dtype of `logits`, or None for all ones.
        ignore_index: rows with this target have loss 0 and gradient 0, or None.
        smoothing: the ε above, from 0 to 1.

    Returns:
        The losses (M,), and ``log(sum(exp(logits)))`` of each row (M,), which the backward pass needs.

    Raises:
        TypeError: the targets are not integers.
        ValueError: the shapes disagree, or a target is neither a class nor `ignore_index`; the message
            names the first such row. On a GPU, where looking at the targets would make the program wait, such
            a row has a loss and a gradient of NaN instead.
    """
    _check_cross_entropy("cross_entropy_forward", logits, targets, class_weights)
    take = _family.take(*_without_none(logits, class_weights))
    _check_targets(take, targets, logits.shape[1], ignore_index)
    return take.cross_entropy_forward(logits, targets, class_weights, ignore_index, smoothing)


def cross_entropy_backward(gy, logits, log_normalizer, targets, class_weights, ignore_index, smoothing):
    """The gradient with respect to the logits (M, C), given gy (M,) with respect to the losses.

    The other arguments are those given to and returned by `cross_entropy_forward`.
    """
    _check_cross_entropy("cross_entropy_backward", logits, targets, class_weights)
    for name, array in (("gy", gy), ("log_normalizer", log_normalizer)):
        if array.shape != targets.shape:
            raise ValueError(
                f"softmax.cross_entropy_backward: {name} has shape {array.shape}, but logits (shape "
                f"{logits.shape}) need {targets.shape}"
            )
    take = _family.take(*_without_none(gy, logits, log_normalizer, class_weights))
    _check_targets(take, targets, logits.shape[1], ignore_index)
    return take.cross_entropy_backward(
        gy, logits, log_normalizer, targets, class_weights, ignore_index, smoothing
    )


def _without_none(*arrays):
    return [array for array in arrays if array is not None]


def _check_matrix(function, array, name):
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(
            f"softmax.{function}: {name} must be a matrix (M, C) with C at least 1, but has "
            f"shape {array.shape}"
        )


def _check_same_shape(function, gy, y):
    _check_matrix(function, y, "y")
    if gy.shape != y.shape:
        raise ValueError(f"softmax.{function}: gy has shape {gy.shape} but y has {y.shape}")


def _check_cross_entropy(function, logits, targets, class_weights):
    _check_matrix(function, logits, "logits")
    if targets.dtype.kind not in "iu":
        raise TypeError(f"softmax.{function}: targets must be integers, not {targets.dtype}")
    if targets.shape != logits.shape[:1]:
        raise ValueError(
            f"softmax.{function}: targets have shape {targets.shape}, but logits (shape {logits.shape}) need "
            f"{logits.shape[:1]}"
        )
    if class_weights is not None and class_weights.shape != logits.shape[1:]:
        raise ValueError(
            f"softmax.{function}: class_weights have shape {class_weights.shape}, but logits (shape "
            f"{logits.shape}) have {logits.shape[1]} classes"
        )


def _check_targets(take, targets, classes, ignore_index):
    row = take.first_wrong_target(targets, classes, ignore_index)
    if row >= 0:
        raise ValueError(
            f"softmax.cross_entropy: the target of row {row} is {int(targets[row])}, which is not one of the "
            f"{classes} classes 0 … {classes - 1}" + _but_ignored(ignore_index)
        )


def _but_ignored(ignore_index):
    return "" if ignore_index is None else f" and not the ignored index {ignore_index}"
