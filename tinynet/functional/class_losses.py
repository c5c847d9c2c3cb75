"""Losses over classes, the class axis last: cross-entropy, negative log-likelihood, multi-class hinge."""

from tinynet.autograd import Function, Tensor
from tinynet.backend import array_module
from tinynet.errors import ArgumentError, ShapeError
from tinynet.functional.activations import relu
from tinynet.functional.arithmetic import square
from tinynet.functional.conversion import cast
from tinynet.functional.elementwise import where
from tinynet.functional.indexing import gather
from tinynet.functional.loss_arguments import (
    beside,
    check_labels,
    check_reduction,
    class_labels,
    class_scores,
    class_weights_beside,
    nan_where_wrong,
    reduced,
)
from tinynet.functional.reductions import sum as total
from tinynet.functional.softmax_functions import log_softmax, softmax
from tinynet_kernels import softmax as kernels

__all__ = ["cross_entropy", "multi_margin_loss", "nll_loss"]


class CrossEntropy(Function):
    """The loss of each label, fused with the softmax before it and the reduction after it.

    Inputs: logits, labels and perhaps class weights.
    """

    __slots__ = ("ignore_index", "reduction", "smoothing", "whole")
    reads = ((0, 1, 2),)

    def __init__(self, ignore_index, smoothing, reduction):
        self.ignore_index = ignore_index
        self.smoothing = smoothing
        self.reduction = reduction

    def forward(self, logits, labels, weights=None):
        rows = logits.reshape(-1, logits.shape[-1])
        losses, log_normalizer = kernels.cross_entropy_forward(
            rows, labels.reshape(-1), weights, self.ignore_index, self.smoothing
        )
        if self.needs(0):
            self.kept = log_normalizer
        if self.reduction == "none":
            return losses.reshape(labels.shape)
        total = losses.sum()
        if self.reduction == "sum":
            return total
        self.whole = _whole(labels, weights, self.ignore_index, logits.dtype)
        return total / self.whole

    def explain(self, error, logits, labels, weights=None):
        check_labels(self.operation, labels, logits.shape, "logits", self.ignore_index)

    def backward(self, gy):
        """With pull = (1 − ε) · w[t] · onehot(t) + ε/C · w, the loss is −Σ pull · log p."""
        logits = self.inputs[0]
        counted, pull = self._pull(*self.input_arrays)
        if self.reduction == "mean":
            gy = gy / Tensor(self.whole)
        # Ignored losses have no gradient, whatever (NaN, from a mean over nothing) comes in.
        gy = where(Tensor(counted), gy, 0.0).reshape((*counted.shape, 1))
        push = softmax(logits) * Tensor(pull.sum(axis=-1, keepdims=True))
        return gy * (push - Tensor(pull)), *[None] * (len(self.inputs) - 1)

    def _pull(self, logits, labels, weights=None):
        xp, classes = self.xp, logits.shape[-1]
        counted = labels != self.ignore_index
        weights = xp.ones(classes, logits.dtype) if weights is None else weights
        chosen = (labels[..., None] == xp.arange(classes)) & counted[..., None]
        uniform = xp.where(counted[..., None], self.smoothing / classes * weights, 0.0)
        return counted, xp.where(chosen, (1 - self.smoothing) * weights, 0.0) + uniform

    def backward_arrays(self, gy):
        logits, labels, *weights = self.input_arrays
        rows = logits.reshape(-1, logits.shape[-1])
        if self.reduction == "mean":
            gy = gy / self.whole
        gradient = kernels.cross_entropy_backward(
            self.xp.broadcast_to(gy, labels.shape).reshape(-1),
            rows,
            self.kept,
            labels.reshape(-1),
            weights[0] if weights else None,
            self.ignore_index,
            self.smoothing,
        )
        return gradient.reshape(logits.shape), *[None] * (len(self.inputs) - 1)


def cross_entropy(
    logits, target, class_weights=None, ignore_index=-100, label_smoothing=0.0, reduction="mean"
):
    """The cross-entropy between softmax(logits) and the target: −ln of the target class's probability.

    Args:
        logits: (..., C), before the softmax.
        target: integer labels (...), or probabilities (..., C), one-hot ones for instance, of any dtype.
            Gradients flow to probabilities as well.
        class_weights: (C,), a factor for the loss of each class. A constant, without gradient.
        ignore_index: labels of this value have loss 0 and do not count. For labels only.
        label_smoothing: this part, from 0 to 1, of the target is spread evenly over all classes
            (Szegedy et al., "Rethinking the Inception architecture for computer vision", 2016, section 7).
        reduction: ``"none"``: the losses (...); ``"sum"``; ``"mean"``: for labels the sum divided by the
            summed class weights of the labels that count, which is NaN when none does; for probabilities
            the sum divided by the number of losses. All as in PyTorch.

    Raises:
        ShapeError: the target or the class weights do not fit the logits.
        DTypeError: labels that are not integers.
        ArgumentError: a label that is no class, a smoothing outside [0, 1], an unknown reduction. On a GPU,
            where looking at them would make the program wait, such labels give NaN.
    """
    check_reduction("cross_entropy", reduction)
    if not 0 <= label_smoothing <= 1:
        raise ArgumentError(f"cross_entropy: label_smoothing must lie in [0, 1], not {label_smoothing}")
    logits = class_scores("cross_entropy", logits, "logits")
    weights = class_weights_beside("cross_entropy", class_weights, logits)
    target = beside("cross_entropy", "target", target, logits)
    if target.ndim == logits.ndim:
        losses = _soft_cross_entropy(logits, target, weights, ignore_index, float(label_smoothing))
        return reduced(losses, reduction)
    labels = class_labels("cross_entropy", target, logits, "logits")
    inputs = (logits, labels) if weights is None else (logits, labels, weights)
    return CrossEntropy(ignore_index, float(label_smoothing), reduction)(*inputs)


def _soft_cross_entropy(logits, target, weights, ignore_index, smoothing):
    """The losses for a target of probabilities."""
    if target.shape != logits.shape:
        raise ShapeError(
            f"cross_entropy: target has shape {target.shape} but logits of shape {logits.shape} need "
            f"labels of shape {logits.shape[:-1]} or probabilities of shape {logits.shape}"
        )
    if ignore_index is not None and ignore_index >= 0:
        raise ArgumentError(
            f"cross_entropy: ignore_index ({ignore_index}) is for labels, but target (shape {target.shape}) "
            "holds probabilities"
        )
    target = cast(target, logits.dtype)
    if smoothing:
        target = target * (1 - smoothing) + smoothing / logits.shape[-1]
    if weights is not None:
        target = target * weights
    return -total(target * log_softmax(logits), axis=-1)


def _shares(labels, weights, ignore_index, dtype):
    """The weight w[t] of each label, as an array like the labels; 0 for the ignored ones."""
    xp = array_module(labels)
    counted = labels != ignore_index
    if weights is None:
        return counted.astype(dtype)
    return xp.where(counted, weights[xp.where(counted, labels, 0)], 0).astype(dtype, copy=False)


def _whole(labels, weights, ignore_index, dtype):
    """What a mean over labels divides by: their summed weights, or NaN where none counts. An array ()."""
    xp = array_module(labels)
    whole = _shares(labels, weights, ignore_index, dtype).sum()
    return xp.where(whole == 0, dtype.type(xp.nan), whole)


def _reduced_by_weight(losses, labels, weights, ignore_index, reduction):
    """The reduction of losses of labels: their mean is weighted by the classes."""
    if reduction != "mean":
        return reduced(losses, reduction)
    weights = None if weights is None else weights.data
    return total(losses) / Tensor(_whole(labels.data, weights, ignore_index, losses.dtype))


def nll_loss(log_probabilities, target, class_weights=None, ignore_index=-100, reduction="mean"):
    """The negative log-likelihood −log_probabilities[..., target]: cross-entropy after `log_softmax`.

    Args:
        log_probabilities: (..., C).
        target: integer labels (...).
        class_weights: (C,), a factor for the loss of each class. A constant, without gradient.
        ignore_index: labels of this value have loss 0 and do not count.
        reduction: as for the labels of `cross_entropy`.

    Raises ShapeError, DTypeError and ArgumentError like `cross_entropy`.
    """
    check_reduction("nll_loss", reduction)
    x = class_scores("nll_loss", log_probabilities, "log_probabilities")
    weights = class_weights_beside("nll_loss", class_weights, x)
    labels = class_labels("nll_loss", target, x, "log_probabilities")
    check_labels("nll_loss", labels.data, x.shape, "log_probabilities", ignore_index)
    counted = labels.data != ignore_index
    shares = _shares(labels.data, None if weights is None else weights.data, ignore_index, x.dtype)
    losses = where(Tensor(counted), -(_at_labels(x, labels.data * counted) * Tensor(shares)), 0.0)
    losses = nan_where_wrong(losses, labels.data, x.shape[-1], ignore_index)
    return _reduced_by_weight(losses, labels, weights, ignore_index, reduction)


def _at_labels(x, labels):
    """The scores (...) of the labels (...), an array, among x (..., C)."""
    return gather(x, labels[..., None], axis=-1).reshape(labels.shape)


def multi_margin_loss(scores, target, power=1, margin=1.0, class_weights=None, reduction="mean"):
    """The multi-class hinge loss Σ max(0, margin − scores[target] + scores[i])^power / C, i ≠ target.

    Args:
        scores: (..., C).
        target: integer labels (...).
        power: 1 or 2.
        margin: by how much the target's score has to be above every other.
        class_weights: (C,), a factor for the loss of each target class. A constant, without gradient.
        reduction: ``"none"``: the losses (...); ``"mean"``, over the number of losses; ``"sum"``.

    Raises:
        ShapeError: the target or the class weights do not fit the scores.
        DTypeError: labels that are not integers.
        ArgumentError: a label that is no class (on a GPU its loss is NaN instead), another power, an unknown
            reduction.

    K. Crammer and Y. Singer, "On the algorithmic implementation of multiclass kernel-based vector
    machines", 2001; J. Weston and C. Watkins, "Multi-class support vector machines", 1998, for the sum.
    """
    check_reduction("multi_margin_loss", reduction)
    if power not in (1, 2):
        raise ArgumentError(f"multi_margin_loss: power must be 1 or 2, not {power!r}")
    x = class_scores("multi_margin_loss", scores, "scores")
    weights = class_weights_beside("multi_margin_loss", class_weights, x)
    labels = class_labels("multi_margin_loss", target, x, "scores").data
    check_labels("multi_margin_loss", labels, x.shape, "scores")
    violation = relu(x - _at_labels(x, labels).reshape((*labels.shape, 1)) + margin)
    if power == 2:
        violation = square(violation)
    classes = array_module(labels).arange(x.shape[-1])
    losses = total(where(Tensor(classes == labels[..., None]), 0.0, violation), axis=-1) / x.shape[-1]
    losses = nan_where_wrong(losses, labels, x.shape[-1])
    if weights is not None:
        losses = losses * Tensor(weights.data[labels])
    return reduced(losses, reduction)
