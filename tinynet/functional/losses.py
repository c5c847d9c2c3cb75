"""Losses: squared, absolute, Huber, Kullback-Leibler, cosine similarity.

Those over classes and those for yes or no are in modules of their own and offered here as well. A target
takes the dtype of the predictions; it may be a tensor, an array, a list or, for a single number, a number.
"""

import math

import numpy as np

from tinynet.errors import ArgumentError
from tinynet.functional.arithmetic import check_broadcast, operands, square
from tinynet.functional.axes import one_axis
from tinynet.functional.binary_losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    hinge_loss,
)
from tinynet.functional.class_losses import cross_entropy, multi_margin_loss, nll_loss
from tinynet.functional.conversion import accurate
from tinynet.functional.elementwise import abs as absolute
from tinynet.functional.elementwise import clip, exp, log, sqrt, where
from tinynet.functional.loss_arguments import check_reduction, matched, reduced
from tinynet.functional.reductions import sum as total
from tinynet.functional.shaping import broadcast_to

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cosine_similarity",
    "cross_entropy",
    "hinge_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "multi_margin_loss",
    "nll_loss",
    "smooth_l1_loss",
]


def _errors(operation, predictions, target, reduction):
    """predictions − target, after the arguments were checked."""
    check_reduction(operation, reduction)
    predictions, target = matched(operation, predictions, target)
    return predictions - target


def mse_loss(predictions, target, reduction="mean"):
    """(predictions − target)², elementwise.

    Args:
        predictions: any shape.
        target: the same shape; there is no broadcasting.
        reduction: ``"none"``, ``"mean"`` (over all elements) or ``"sum"``.

    Raises ShapeError when the shapes differ, ArgumentError for an unknown reduction.
    """
    return reduced(square(_errors("mse_loss", predictions, target, reduction)), reduction)


def l1_loss(predictions, target, reduction="mean"):
    """|predictions − target|, elementwise. Arguments and errors as for `mse_loss`."""
    return reduced(absolute(_errors("l1_loss", predictions, target, reduction)), reduction)


def _huber(errors, delta):
    # Within the bounds this is errors²/2; outside, where the limited error is ±delta, it is linear.
    limited = clip(errors, -delta, delta)
    return limited * (errors - 0.5 * limited)


def huber_loss(predictions, target, delta=1.0, reduction="mean"):
    """e²/2 where |e| ≤ delta, delta · (|e| − delta/2) elsewhere; e = predictions − target, elementwise.

    Arguments and errors as for `mse_loss`; raises ArgumentError unless delta is above 0.

    P. Huber, "Robust estimation of a location parameter", 1964.
    """
    if not delta > 0:
        raise ArgumentError(f"huber_loss: delta must be above 0, not {delta}")
    return reduced(_huber(_errors("huber_loss", predictions, target, reduction), float(delta)), reduction)


def smooth_l1_loss(predictions, target, beta=1.0, reduction="mean"):
    """huber_loss / beta: e²/(2 beta) where |e| < beta, |e| − beta/2 elsewhere; e = predictions − target.

    Arguments and errors as for `mse_loss`. With beta 0 it is `l1_loss`; raises ArgumentError below 0.

    R. Girshick, "Fast R-CNN", 2015, equation 3.
    """
    if not beta >= 0:
        raise ArgumentError(f"smooth_l1_loss: beta must not be below 0, not {beta}")
    errors = _errors("smooth_l1_loss", predictions, target, reduction)
    losses = _huber(errors, float(beta)) * (1 / beta) if beta else absolute(errors)
    return reduced(losses, reduction)


def kl_div(log_probabilities, target, log_target=False, reduction="mean"):
    """target · (ln target − log_probabilities): the parts of the Kullback-Leibler divergence, elementwise.

    Args:
        log_probabilities: (N, ...) logarithms of probabilities, as `log_softmax` gives them.
        target: probabilities of the same shape. Where they are 0 the loss is 0.
        log_target: whether `target` holds logarithms of probabilities.
        reduction: ``"none"``; ``"mean"``, over all elements, as in PyTorch; ``"batchmean"``, the sum
            divided by N, which is the divergence; ``"sum"``.

    Raises ShapeError when the shapes differ, ArgumentError for an unknown reduction.

    S. Kullback and R. Leibler, "On information and sufficiency", 1951.
    """
    check_reduction("kl_div", reduction, ("none", "mean", "batchmean", "sum"))
    x, target = matched("kl_div", log_probabilities, target, "log_probabilities")
    if log_target:
        losses = exp(target) * (target - x)
    else:
        zero = target.data == 0  # 0 · ln 0 = 0, also against a logarithm of −∞
        losses = target * (log(where(zero, 1.0, target)) - where(zero, 0.0, x))
    if reduction != "batchmean":
        return reduced(losses, reduction)
    return total(losses) / (losses.shape[0] or math.nan if losses.ndim else 1)


def cosine_similarity(x, y, axis=-1, epsilon=1e-8):
    """The cosine of the angle between x and y along an axis, from −1 to 1: x·y / (‖x‖ ‖y‖).

    Args:
        x, y: shapes that broadcast to each other; the output has the common shape without the axis.
        axis: the axis of the common shape along which the vectors lie.
        epsilon: norms count as at least this much, so that a zero vector gives 0.

    Raises ShapeError when the shapes do not broadcast or there is no such axis.
    """
    x, y = operands(accurate(x), y)
    if x.shape != y.shape:
        check_broadcast("cosine_similarity", x.shape, y.shape)
        shape = np.broadcast_shapes(x.shape, y.shape)
        x, y = broadcast_to(x, shape), broadcast_to(y, shape)
    axis = one_axis("cosine_similarity", axis, x.ndim, x.shape)
    norms = [sqrt(clip(total(square(vector), axis=axis), epsilon**2)) for vector in (x, y)]
    return total(x * y, axis=axis) / (norms[0] * norms[1])
