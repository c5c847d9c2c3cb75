"""Losses for yes or no: binary cross-entropy of probabilities and of logits, and the hinge loss."""

import math

import numpy as np

from tinynet.autograd import Function
from tinynet.backend import is_on_gpu
from tinynet.errors import ArgumentError
from tinynet.functional.activations import log_sigmoid, relu, sigmoid
from tinynet.functional.elementwise import abs as absolute
from tinynet.functional.elementwise import clip, log, where
from tinynet.functional.loss_arguments import (
    broadcastable,
    check_reduction,
    first_where,
    matched,
    reduced,
    weighted,
)
from tinynet.functional.smooth_activations import sigmoid_of_array

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "hinge_loss"]

_LOWEST_LOGARITHM = -100.0
_TINY = 1e-44  # its logarithm is below the lowest, and float32 can hold it
_SMALLEST_VARIANCE = 1e-12


class BinaryCrossEntropy(Function):
    __slots__ = ()
    reads = ((0, 1), (0,))

    def forward(self, p, target):
        yes, no = self._logarithms(p)
        return -(target * yes + (1 - target) * no)

    def _logarithms(self, p):
        """ln p and ln(1 − p), no lower than −100."""
        xp = self.xp
        with np.errstate(divide="ignore"):  # ln 0 = −∞ is raised to −100
            return tuple([xp.maximum(part, _LOWEST_LOGARITHM) for part in (xp.log(p), xp.log1p(-p))])

    def backward(self, gy):
        p, target = self.inputs
        gp = self._by_probability(gy, p, target, clip) if self.needs(0) else None
        if not self.needs(1):
            return gp, None
        yes, no = [clip(log(clip(part, _TINY)), _LOWEST_LOGARITHM) for part in (p, 1 - p)]
        return gp, gy * (no - yes)

    def backward_arrays(self, gy):
        p, target = self.input_arrays
        gp = self._by_probability(gy, p, target, self.xp.clip) if self.needs(0) else None
        if not self.needs(1):
            return gp, None
        yes, no = self._logarithms(p)
        return gp, gy * (no - yes)

    def _by_probability(self, gy, p, target, clip):
        return gy * ((p - target) / clip(p * (1 - p), _SMALLEST_VARIANCE, None))


def binary_cross_entropy(probabilities, target, weight=None, reduction="mean"):
    """−target · ln p − (1 − target) · ln(1 − p), elementwise.

    Args:
        probabilities: p, any shape, from 0 to 1. Logarithms are no lower than −100, so that a loss is at
            most 100, and the gradient's denominator p (1 − p) is at least 1e-12, both as in PyTorch.
        target: truth values or probabilities of the same shape.
        weight: a factor for each loss, of a shape that broadcasts to theirs.
        reduction: ``"none"``, ``"mean"`` (over the number of losses, whatever the weight) or ``"sum"``.

    Raises:
        ShapeError: the shapes do not fit.
        ArgumentError: a probability outside [0, 1], for which on a GPU the loss is NaN instead; an unknown
            reduction.
    """
    check_reduction("binary_cross_entropy", reduction)
    p, target = matched("binary_cross_entropy", probabilities, target, "probabilities")
    if not is_on_gpu(p.data):
        _check_probabilities(p.data)  # on a GPU logarithms of what is below 0 show it: they are NaN
    losses = BinaryCrossEntropy()(p, target)
    return reduced(weighted("binary_cross_entropy", losses, weight), reduction)


def _check_probabilities(p):
    outside = (p < 0) | (p > 1)  # NaN is let through, to be found where it arose
    if outside.any():
        position, place = first_where(outside)
        raise ArgumentError(
            f"binary_cross_entropy: probabilities must lie in [0, 1] but hold {float(p[position])}{place}; "
            "for scores before the sigmoid take binary_cross_entropy_with_logits"
        )


class BinaryCrossEntropyWithLogits(Function):
    __slots__ = ()
    reads = ((0, 1), (0,))

    def forward(self, x, target):
        xp = self.xp
        # target · softplus(−x) + (1 − target) · softplus(x), with what both have in common taken out.
        return ((x > 0) - target) * x + xp.log1p(xp.exp(-xp.abs(x)))

    def backward(self, gy):
        x, target = self.inputs
        return self._gradients(gy, x, target, sigmoid(x))

    def backward_arrays(self, gy):
        x, target = self.input_arrays
        return self._gradients(gy, x, target, sigmoid_of_array(self.xp, x))

    def _gradients(self, gy, x, target, p):
        return (gy * (p - target) if self.needs(0) else None, -gy * x if self.needs(1) else None)


def binary_cross_entropy_with_logits(logits, target, positive_weight=None, weight=None, reduction="mean"):
    """`binary_cross_entropy` of sigmoid(logits), accurate for logits of any size. Elementwise.

    Args:
        logits: any shape.
        target: truth values or probabilities of the same shape.
        positive_weight: a factor for the losses of the positive part, target · ln p, of a shape that
            broadcasts to the logits': (C,) for one for each class.
        weight: a factor for each loss, of a shape that broadcasts to theirs.
        reduction: ``"none"``, ``"mean"`` (over the number of losses, whatever the weights) or ``"sum"``.

    Raises:
        ShapeError: the shapes do not fit.
        ArgumentError: an unknown reduction.
    """
    operation = "binary_cross_entropy_with_logits"
    check_reduction(operation, reduction)
    x, target = matched(operation, logits, target, "logits")
    if positive_weight is None:
        losses = BinaryCrossEntropyWithLogits()(x, target)
    else:
        positive_weight = broadcastable(operation, "positive_weight", positive_weight, x)
        losses = -(positive_weight * target * log_sigmoid(x) + (1 - target) * log_sigmoid(-x))
    return reduced(weighted(operation, losses, weight), reduction)


def hinge_loss(scores, target, margin=1.0, reduction="mean"):
    """max(0, margin − target · scores), elementwise.

    Args:
        scores: any shape; the sign is the decision.
        target: −1 or 1, of the same shape.
        margin: from which score on a right decision costs nothing.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Raises:
        ShapeError: the shapes differ.
        ArgumentError: a target that is neither −1 nor 1, for which on a GPU the loss is NaN instead; an
            unknown reduction.

    C. Cortes and V. Vapnik, "Support-vector networks", 1995.
    """
    check_reduction("hinge_loss", reduction)
    x, target = matched("hinge_loss", scores, target, "scores")
    if is_on_gpu(target.data):
        target = where(absolute(target) == 1.0, target, math.nan)
    else:
        _check_signs(target.data)
    return reduced(relu(margin - x * target.detach()), reduction)


def _check_signs(target):
    is_wrong = abs(target) != 1
    if is_wrong.any():
        position, place = first_where(is_wrong)
        raise ArgumentError(f"hinge_loss: target must be −1 or 1 but is {float(target[position]):g}{place}")
