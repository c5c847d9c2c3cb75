"""Losses as modules: the functions of `tinynet.functional` with their options set beforehand.

``reduction`` is ``"mean"``, ``"sum"`` or ``"none"`` everywhere; the functions' docstrings give shapes,
formulas and errors.
"""

from tinynet import functional as F
from tinynet.autograd import as_tensor
from tinynet.errors import ArgumentError
from tinynet.nn.module import Module

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CTCLoss",
    "CTCWithLogitsLoss",
    "CrossEntropyLoss",
    "HingeLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "MSELoss",
    "MultiMarginLoss",
    "NLLLoss",
    "SmoothL1Loss",
]


class _Loss(Module):
    """A loss of predictions and targets with a reduction."""

    reductions: tuple[str, ...] = ("none", "mean", "sum")

    def __init__(self, reduction):
        if reduction not in self.reductions:
            choices = ", ".join(map(repr, self.reductions[:-1]))
            raise ArgumentError(
                f"{type(self).__name__}: reduction must be {choices} or {self.reductions[-1]!r}, "
                f"not {reduction!r}"
            )
        self.reduction = reduction

    def _register_weight(self, name, weight):
        # A buffer moves with the module; it is an option of the loss and not part of what was learnt.
        weight = None if weight is None else as_tensor(weight).detach()
        self.register_buffer(name, weight, persistent=False)

    def extra_repr(self):
        return f"reduction={self.reduction!r}"


class CrossEntropyLoss(_Loss):
    """−ln softmax(logits)[target]: logits (..., C) against labels (...) or probabilities (..., C).

    ``weight`` (C,) is a factor for each class. See `functional.cross_entropy`.
    """

    def __init__(self, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
        super().__init__(reduction)
        self._register_weight("weight", weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, logits, target):
        return F.cross_entropy(
            logits, target, self.weight, self.ignore_index, self.label_smoothing, self.reduction
        )


class NLLLoss(_Loss):
    """−x[target]: logarithms of probabilities (..., C) against labels (...). See `functional.nll_loss`."""

    def __init__(self, weight=None, ignore_index=-100, reduction="mean"):
        super().__init__(reduction)
        self._register_weight("weight", weight)
        self.ignore_index = ignore_index

    def forward(self, log_probabilities, target):
        return F.nll_loss(log_probabilities, target, self.weight, self.ignore_index, self.reduction)


class BCELoss(_Loss):
    """−t ln p − (1 − t) ln(1 − p) of probabilities p. See `functional.binary_cross_entropy`."""

    def __init__(self, weight=None, reduction="mean"):
        super().__init__(reduction)
        self._register_weight("weight", weight)

    def forward(self, probabilities, target):
        return F.binary_cross_entropy(probabilities, target, self.weight, self.reduction)


class BCEWithLogitsLoss(_Loss):
    """Binary cross-entropy of sigmoid(logits). See `functional.binary_cross_entropy_with_logits`."""

    def __init__(self, weight=None, reduction="mean", pos_weight=None):
        super().__init__(reduction)
        self._register_weight("weight", weight)
        self._register_weight("pos_weight", pos_weight)

    def forward(self, logits, target):
        return F.binary_cross_entropy_with_logits(
            logits, target, self.pos_weight, self.weight, self.reduction
        )


class MSELoss(_Loss):
    """(prediction − target)². See `functional.mse_loss`."""

    def __init__(self, reduction="mean"):
        super().__init__(reduction)

    def forward(self, predictions, target):
        return F.mse_loss(predictions, target, self.reduction)


class L1Loss(_Loss):
    """|prediction − target|. See `functional.l1_loss`."""

    def __init__(self, reduction="mean"):
        super().__init__(reduction)

    def forward(self, predictions, target):
        return F.l1_loss(predictions, target, self.reduction)


class HuberLoss(_Loss):
    """e²/2 where |e| ≤ delta, delta · (|e| − delta/2) elsewhere. See `functional.huber_loss`."""

    def __init__(self, reduction="mean", delta=1.0):
        super().__init__(reduction)
        if not delta > 0:
            raise ArgumentError(f"HuberLoss: delta must be above 0, not {delta!r}")
        self.delta = delta

    def forward(self, predictions, target):
        return F.huber_loss(predictions, target, self.delta, self.reduction)

    def extra_repr(self):
        return f"{super().extra_repr()}, delta={self.delta}"


class SmoothL1Loss(_Loss):
    """e²/(2 beta) where |e| < beta, |e| − beta/2 elsewhere. See `functional.smooth_l1_loss`."""

    def __init__(self, reduction="mean", beta=1.0):
        super().__init__(reduction)
        if not beta >= 0:
            raise ArgumentError(f"SmoothL1Loss: beta must not be below 0, but is {beta!r}")
        self.beta = beta

    def forward(self, predictions, target):
        return F.smooth_l1_loss(predictions, target, self.beta, self.reduction)

    def extra_repr(self):
        return f"{super().extra_repr()}, beta={self.beta}"


class KLDivLoss(_Loss):
    """t · (ln t − x) for logarithms of probabilities x. See `functional.kl_div`."""

    reductions = ("none", "mean", "batchmean", "sum")

    def __init__(self, reduction="mean", log_target=False):
        super().__init__(reduction)
        self.log_target = log_target

    def forward(self, log_probabilities, target):
        return F.kl_div(log_probabilities, target, self.log_target, self.reduction)

    def extra_repr(self):
        return f"{super().extra_repr()}, log_target={self.log_target}"


class HingeLoss(_Loss):
    """max(0, margin − target · score) for targets of −1 or 1. See `functional.hinge_loss`."""

    def __init__(self, margin=1.0, reduction="mean"):
        super().__init__(reduction)
        self.margin = margin

    def forward(self, scores, target):
        return F.hinge_loss(scores, target, self.margin, self.reduction)

    def extra_repr(self):
        return f"{super().extra_repr()}, margin={self.margin}"


class MultiMarginLoss(_Loss):
    """The hinge loss of several classes, by labels (...). See `functional.multi_margin_loss`."""

    def __init__(self, p=1, margin=1.0, weight=None, reduction="mean"):
        super().__init__(reduction)
        if p not in (1, 2):
            raise ArgumentError(f"MultiMarginLoss: p must be 1 or 2, not {p!r}")
        self._register_weight("weight", weight)
        self.p = p
        self.margin = margin

    def forward(self, scores, target):
        return F.multi_margin_loss(scores, target, self.p, self.margin, self.weight, self.reduction)

    def extra_repr(self):
        return f"{super().extra_repr()}, p={self.p}, margin={self.margin}"


class CTCLoss(_Loss):
    """−ln p(labels) for log-probabilities (N, T, C) of classes and a blank. See `functional.ctc_loss`."""

    def __init__(self, blank=0, reduction="mean", zero_infinity=False):
        super().__init__(reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(self, log_probabilities, targets, input_lengths=None, target_lengths=None):
        options = self.blank, self.reduction, self.zero_infinity
        return F.ctc_loss(log_probabilities, targets, input_lengths, target_lengths, *options)

    def extra_repr(self):
        return f"{super().extra_repr()}, blank={self.blank}"


class CTCWithLogitsLoss(CTCLoss):
    """The same for logits, before the softmax. See `functional.ctc_loss_with_logits`."""

    def forward(self, logits, targets, input_lengths=None, target_lengths=None):
        options = self.blank, self.reduction, self.zero_infinity
        return F.ctc_loss_with_logits(logits, targets, input_lengths, target_lengths, *options)
