"""Logits and labels as all of the calibration takes them, and the softmax of such logits."""

import numpy as np

from tinynet import backend
from tinynet.autograd import Tensor
from tinynet.errors import ArgumentError, DTypeError, ShapeError

__all__ = ["below_largest", "checked_logits", "checked_pair", "log_softmax"]


def checked_logits(function, logits):
    """Logits as a float64 array (N, K) with K ≥ 2; those of shape (N,) get a first class with logit 0.

    Raises:
        DTypeError: they are not numbers.
        ShapeError: they have another shape.
        ArgumentError: a logit is NaN or +∞, or a whole row is −∞.
    """
    logits = _array(logits)
    if logits.dtype.kind not in "fiu":
        raise DTypeError(f"{function}: logits should be real numbers, not {logits.dtype}")
    logits = logits.astype(np.float64)
    if logits.ndim == 1:
        logits = np.stack([np.zeros_like(logits), logits], axis=1)
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise ShapeError(
            f"{function}: logits should have the shape (N, K) for K classes, or (N,) for two classes, "
            f"not {logits.shape}"
        )
    unusable = np.isnan(logits).any(axis=1) | (np.abs(logits.max(axis=1)) == np.inf)
    if unusable.any():
        row = int(unusable.argmax())
        raise ArgumentError(
            f"{function}: the logits of sample {row} are {logits[row]}, which give no probabilities"
        )
    return logits


def checked_pair(function, logits, labels):
    """`checked_logits` and, of the same length, labels as int64 (N,) from 0 to K − 1.

    Raises:
        DTypeError: the labels are not integers.
        ShapeError: the lengths differ.
        ArgumentError: a label is none of the classes, or there are no samples.
    """
    logits = checked_logits(function, logits)
    labels = _array(labels)
    if labels.shape != (len(logits),):
        raise ShapeError(
            f"{function}: {len(logits)} samples (logits of shape {logits.shape}) need labels of shape "
            f"({len(logits)},), not {labels.shape}"
        )
    if not len(logits):
        raise ArgumentError(f"{function}: there are no samples")
    if labels.dtype.kind not in "iub":
        raise DTypeError(f"{function}: labels should be integers, not {labels.dtype}")
    labels = labels.astype(np.int64)
    if labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise ArgumentError(
            f"{function}: with {logits.shape[1]} classes, labels go from 0 to {logits.shape[1] - 1}; "
            f"found {labels.min()} to {labels.max()}"
        )
    return logits, labels


def below_largest(logits):
    """Logits less the largest of their row: 0 for the predicted class and below it for all others.

    The difference of two different numbers is never rounded to 0, so the predicted class stays the same.
    """
    with np.errstate(over="ignore"):  # −∞ is the right limit, a probability of 0
        return logits - logits.max(axis=1, keepdims=True)


def log_softmax(logits):
    """The logarithm of the probabilities (N, K) that belong to logits (N, K)."""
    shifted = below_largest(logits)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _array(values):
    return backend.to_numpy(values.data) if isinstance(values, Tensor) else np.asarray(values)
