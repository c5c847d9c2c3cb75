"""Connectionist temporal classification: the loss of label sequences whose places are not known."""

import numpy as np

from tinynet.autograd import Function, Tensor, grad
from tinynet.autograd.mode import per_thread
from tinynet.backend import array_module, is_on_gpu
from tinynet.errors import ArgumentError, DTypeError, ShapeError
from tinynet.functional.choosing import where
from tinynet.functional.conversion import accurate
from tinynet.functional.ctc_alignments import losses_of_alignments
from tinynet.functional.loss_arguments import beside, check_reduction
from tinynet.functional.softmax_functions import log_softmax
from tinynet_kernels import ctc as kernels
from tinynet_kernels.memory import calculate

__all__ = ["ctc_loss", "ctc_loss_with_logits"]


class CTCLoss(Function):
    """Losses and gradient from one kernel, with the reduction, and with the softmax before it if wanted."""

    __slots__ = ("blank", "is_finite", "is_logits", "labels", "reduction", "weights", "zero_infinity")
    operation = "ctc_loss"
    reads = ((0,),)

    def __init__(self, labels, blank, is_logits, reduction, zero_infinity):
        self.labels = labels
        self.blank = blank
        self.is_logits = is_logits
        self.reduction = reduction
        self.zero_infinity = zero_infinity

    def forward(self, x):
        weights = self.weights = self._weights(x)
        arguments = (x, *self.labels, self.blank, self.is_logits)
        if self.needs(0):
            losses, self.kept = kernels.losses_and_gradient(*arguments, weights)
        else:
            losses = kernels.losses(*arguments)
        self.is_finite = losses != self.xp.inf
        if self.zero_infinity:
            losses = self.xp.where(self.is_finite, losses, 0)
        if self.reduction == "none":
            return losses
        if self.reduction == "mean" and not losses.size:
            return losses.dtype.type(self.xp.nan)
        return (losses * weights).sum()

    def _weights(self, x):
        """The factor of each loss in the result."""
        if self.reduction != "mean":
            return self.xp.ones(x.shape[0], x.dtype)
        target_lengths = self.labels[2]
        return (1 / (self.xp.maximum(target_lengths, 1) * max(1, x.shape[0]))).astype(x.dtype)

    def explain(self, error, x):
        operation = "ctc_loss_with_logits" if self.is_logits else "ctc_loss"
        raise ArgumentError(f"{operation}: {str(error).partition(': ')[2]}") from None

    def backward(self, gy):
        """The gradient of the composed definition, which can be differentiated again."""
        x = self.inputs[0]
        losses = losses_of_alignments(log_softmax(x) if self.is_logits else x, *self.labels, self.blank)
        gy = where(Tensor(self.is_finite), gy * Tensor(self.weights), 0.0)
        return grad(losses, x, gy, create_graph=True)

    def backward_arrays(self, gy):
        # Nobody else will ask for what was kept. Whether gy is 1 would be waited for on a GPU.
        if per_thread.mode.freeing and not gy.ndim and not is_on_gpu(gy) and gy == 1:
            return self.kept
        return calculate(np.multiply, self.kept, self.xp.broadcast_to(gy, self.kept.shape[:1])[:, None, None])


def ctc_loss(
    log_probabilities,
    targets,
    input_lengths=None,
    target_lengths=None,
    blank=0,
    reduction="mean",
    zero_infinity=False,
):
    """−ln of the probability that merging repetitions and removing blanks leaves the target labels.

    Args:
        log_probabilities: (N, T, C), for each step the logarithms of probabilities, as `log_softmax` gives.
        targets: integer labels, padded to one length (N, S), or one sequence after the other in an array
            with one axis, for which `target_lengths` are needed. Padding is not looked at.
        input_lengths: integers (N,), how many steps of each sequence count; None for T.
        target_lengths: integers (N,), how many labels each sequence has, perhaps none; None for S.
        blank: the class that stands for no label.
        reduction: ``"none"``: the losses (N,); ``"sum"``; ``"mean"``: each loss is divided by the number of
            its labels (1 if there are none), then the mean over N is taken, as in PyTorch.
        zero_infinity: makes infinite losses 0.

    A sequence too short for its labels (each takes a step, and a blank stands between two that are the same)
    has an infinite loss; its gradient is 0 in either case, where PyTorch's is NaN unless `zero_infinity`.

    The gradient is that by independent log-probabilities, −(posterior of each class); PyTorch's contains
    the softmax's part already. By the logits before a `log_softmax` both come to the same.

    Raises:
        ShapeError: the shapes do not fit.
        DTypeError: labels or lengths that are not integers.
        ArgumentError: a label that is no class or the blank, a length out of range, an unknown reduction. On
            a GPU, where looking at them would make the program wait, such labels and lengths give NaN.

    A. Graves, S. Fernández, F. Gomez and J. Schmidhuber, "Connectionist temporal classification: labelling
    unsegmented sequence data with recurrent neural networks", 2006, equations 3 to 15.
    """
    return _loss(
        "ctc_loss",
        ("log_probabilities", log_probabilities),
        (targets, input_lengths, target_lengths),
        (blank, False, reduction, zero_infinity),
    )


def ctc_loss_with_logits(
    logits, targets, input_lengths=None, target_lengths=None, blank=0, reduction="mean", zero_infinity=False
):
    """`ctc_loss` of log_softmax(logits), faster and more accurate than one after the other."""
    return _loss(
        "ctc_loss_with_logits",
        ("logits", logits),
        (targets, input_lengths, target_lengths),
        (blank, True, reduction, zero_infinity),
    )


def _loss(operation, scores, labels, options):
    blank, is_logits, reduction, zero_infinity = options
    name, x = scores
    check_reduction(operation, reduction)
    x = accurate(x)
    if x.ndim != 3 or not x.shape[2]:
        raise ShapeError(f"{operation}: {name} must be (N, T, C) with C at least 1, but have shape {x.shape}")
    if not 0 <= blank < x.shape[2]:
        raise ArgumentError(
            f"{operation}: blank is {blank}, which is not one of the {x.shape[2]} classes of {name} of shape "
            f"{x.shape}"
        )
    labels = _labels(operation, x, *labels)
    return CTCLoss(labels, blank, is_logits, reduction, zero_infinity)(x)


def _labels(operation, x, targets, input_lengths, target_lengths):
    """Padded targets (N, S) and both lengths (N,) as arrays of integers."""
    N, T, _ = x.shape
    targets = _integers(operation, "targets", targets, x)
    input_lengths = _lengths(operation, "input_lengths", input_lengths, x, T)
    if targets.ndim == 1:
        if target_lengths is None:
            raise ArgumentError(
                f"{operation}: targets of shape {targets.shape}, one sequence after the other, need "
                "target_lengths"
            )
        target_lengths = _lengths(operation, "target_lengths", target_lengths, x, 0)
        targets = _padded(operation, targets, target_lengths)
    elif targets.ndim != 2 or targets.shape[0] != N:
        raise ShapeError(
            f"{operation}: targets have shape {targets.shape}, but scores of shape {x.shape} need ({N}, S) "
            "or all labels one after the other"
        )
    else:
        target_lengths = _lengths(operation, "target_lengths", target_lengths, x, targets.shape[1])
    return targets, input_lengths, target_lengths


def _integers(operation, name, value, x):
    array = beside(operation, name, value, x).data
    if array.dtype.kind not in "iu" and array.size:
        raise DTypeError(f"{operation}: {name} must be integers, not {array.dtype}")
    return array.astype(np.int64)


def _lengths(operation, name, lengths, x, default):
    if lengths is None:
        return array_module(x.data).full(x.shape[0], default, np.int64)
    lengths = _integers(operation, name, lengths, x)
    if lengths.shape != x.shape[:1]:
        raise ShapeError(
            f"{operation}: {name} have shape {lengths.shape}, but scores of shape {x.shape} need "
            f"{x.shape[:1]}"
        )
    return lengths


def _padded(operation, labels, lengths):
    """Labels one sequence after the other as rows (N, S), filled up with 0."""
    if (lengths < 0).any() or lengths.sum() != labels.size:
        raise ArgumentError(
            f"{operation}: target_lengths must not be below 0 and sum to the number of targets, "
            f"{labels.size}, but are {lengths.tolist()}"
        )
    xp = array_module(labels)
    rows = xp.zeros((len(lengths), int(lengths.max()) if lengths.size else 0), np.int64)
    rows[xp.arange(rows.shape[1]) < lengths[:, None]] = labels
    return rows
