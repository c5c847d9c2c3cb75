"""Losses, with every reduction, weight and kind of target."""

import numpy as np

from operation_table.core import Input, Operation, away_from, constant, integers, normal, sample, uniform

REDUCTIONS = ("none", "mean", "sum")


def reduced(losses, reduction="mean", whole=None):
    """The reduction of losses; the mean is the sum divided by `whole`, NaN when that is nothing."""
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    whole = losses.size if whole is None else whole
    return losses.sum() / whole if whole else np.nan


def log_softmax(x):
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def probabilities(*shape):
    """Positive numbers that sum to 1 along the last axis."""
    return Input(shape, lambda rng, size: np.exp(log_softmax(rng.normal(size=size))))


def log_probabilities(*shape):
    return Input(shape, lambda rng, size: log_softmax(rng.normal(size=size)))


def one_hot(labels, classes):
    return (labels[..., None] == np.arange(classes)).astype(float)


def same_shape(x, y):
    if x.shape != y.shape:
        raise ValueError("the shapes differ")


def negative_log_likelihood(
    log_p, target, class_weights=None, ignore_index=-100, label_smoothing=0.0, reduction="mean"
):
    same_shape(log_p[..., 0], target)
    classes = log_p.shape[-1]
    weights = np.ones(classes) if class_weights is None else np.asarray(class_weights)
    at_target = one_hot(target, classes) * weights
    losses = -(at_target * log_p).sum(axis=-1) * (1 - label_smoothing)
    losses -= label_smoothing / classes * (weights * log_p).sum(axis=-1)
    counted = target != ignore_index
    return reduced(losses * counted, reduction, (at_target.sum(axis=-1) * counted).sum())


def cross_entropy(logits, target, class_weights=None, label_smoothing=0.0, reduction="mean", **ignored):
    log_p = log_softmax(logits)
    if target.ndim < logits.ndim:
        return negative_log_likelihood(
            log_p, target, class_weights, label_smoothing=label_smoothing, reduction=reduction, **ignored
        )
    same_shape(logits, target)
    weights = 1.0 if class_weights is None else np.asarray(class_weights)
    smooth = target * (1 - label_smoothing) + label_smoothing / logits.shape[-1]
    return reduced(-(smooth * weights * log_p).sum(axis=-1), reduction)


def class_loss_of_torch(name):
    """The loss of PyTorch, where classes are on axis 1 and weights are tensors."""

    def loss(torch, x, target, class_weights=None, **options):
        if x.ndim > 2:
            x = x.movedim(-1, 1).contiguous()  # nll_loss cannot differentiate other layouts
            target = target.movedim(-1, 1) if target.ndim == x.ndim else target
        if target.ndim == x.ndim:
            target = target.to(x.dtype)
        weight = None if class_weights is None else torch.tensor(class_weights, dtype=x.dtype)
        return getattr(torch.nn.functional, name)(x, target, weight=weight, **options)

    return loss


WEIGHTS = [0.5, 2.0, 1.0, 0.0, 1.5]
WITH_IGNORED = constant(np.array([2, -100, 0, 4]))

CLASSES = (
    *[sample(normal(4, 5), integers(0, 5, 4), reduction=reduction) for reduction in REDUCTIONS],
    sample(normal(2, 3, 5), integers(0, 5, 2, 3)),
    sample(normal(2, 2, 3, 5), integers(0, 5, 2, 2, 3), reduction="none"),
    sample(normal(4, 5), WITH_IGNORED),
    sample(normal(4, 5), WITH_IGNORED, reduction="none"),
    sample(normal(4, 5), constant(np.array([1, 3, 1, 0])), ignore_index=1),
    *[sample(normal(4, 5), WITH_IGNORED, class_weights=WEIGHTS, reduction=r) for r in REDUCTIONS],
)


def multi_margin(x, target, power=1, margin=1.0, class_weights=None, reduction="mean"):
    same_shape(x[..., 0], target)
    chosen = one_hot(target, x.shape[-1])
    violation = np.maximum(margin - (chosen * x).sum(axis=-1, keepdims=True) + x, 0) ** power
    weights = 1.0 if class_weights is None else np.asarray(class_weights)[target]
    return reduced((violation * (1 - chosen)).mean(axis=-1) * weights, reduction)


def multi_margin_of_torch(torch, x, target, power=1, margin=1.0, class_weights=None, reduction="mean"):
    weight = None if class_weights is None else torch.tensor(class_weights, dtype=x.dtype)
    return torch.nn.functional.multi_margin_loss(
        x, target, p=power, margin=margin, weight=weight, reduction=reduction
    )


def elementwise(function):
    """The reference of an elementwise loss of predictions and a target."""

    def loss(x, target, *, reduction="mean", weight=None, **options):
        same_shape(x, target)
        losses = function(x, target, **options)
        return reduced(losses if weight is None else losses * np.asarray(weight), reduction)

    return loss


def elementwise_of_torch(name):
    """The loss of PyTorch, with tinynet's names of arguments translated."""

    def loss(torch, x, target, weight=None, positive_weight=None, **options):
        if weight is not None:
            options["weight"] = torch.tensor(weight, dtype=x.dtype)
        if positive_weight is not None:
            options["pos_weight"] = torch.tensor(positive_weight, dtype=x.dtype)
        return getattr(torch.nn.functional, name)(x, target.to(x.dtype), **options)

    return loss


def distant(*distances):
    """Predictions whose difference to the target stays away from the kinks."""
    return away_from(*distances, shape=(3, 4), distance=0.05), constant(np.zeros((3, 4)))


ERRORS = (
    *[sample(normal(3, 4), normal(3, 4), reduction=reduction) for reduction in REDUCTIONS],
    sample(normal(5), normal(5)),
    sample(normal(3, 2), integers(0, 2, 3, 2)),
)
KINKED_ERRORS = (
    *[sample(*distant(-1, 0, 1), reduction=reduction) for reduction in REDUCTIONS],
    sample(uniform(0.1, 0.4, 5), uniform(0.5, 0.9, 5)),
)


def huber(x, target, delta=1.0):
    size = np.abs(x - target)
    return np.where(size <= delta, 0.5 * size**2, delta * (size - 0.5 * delta))


def smooth_l1(x, target, beta=1.0):
    return huber(x, target, beta) / beta if beta else np.abs(x - target)


def kl_div(x, target, log_target=False, reduction="mean"):
    same_shape(x, target)
    if log_target:
        losses = np.exp(target) * (target - x)
    else:
        losses = np.where(target > 0, target * (np.log(np.where(target > 0, target, 1)) - x), 0)
    return reduced(losses, "mean", len(x)) if reduction == "batchmean" else reduced(losses, reduction)


def kl_div_of_torch(torch, x, target, log_target=False, reduction="mean"):
    if reduction == "mean":  # PyTorch warns that this is not the divergence
        return kl_div_of_torch(torch, x, target, log_target, reduction="none").mean()
    return torch.nn.functional.kl_div(x, target.to(x.dtype), log_target=log_target, reduction=reduction)


def binary_cross_entropy(p, target):
    return -(target * np.log(p) + (1 - target) * np.log(1 - p))


def binary_cross_entropy_with_logits(x, target, positive_weight=1.0):
    p = 1 / (1 + np.exp(-x))
    return -(np.asarray(positive_weight) * target * np.log(p) + (1 - target) * np.log(1 - p))


def cosine_similarity(x, y, axis=-1, epsilon=1e-8):
    norms = [np.maximum(np.sqrt((vector**2).sum(axis=axis)), epsilon) for vector in np.broadcast_arrays(x, y)]
    return (x * y).sum(axis=axis) / (norms[0] * norms[1])


def hinge(x, target, margin=1.0):
    return np.maximum(margin - target * x, 0)


SIGNS = np.array([[1, -1, 1, 1], [-1, -1, 1, -1], [1, 1, -1, -1]])

OPERATIONS = [
    Operation(
        "cross_entropy",
        (
            *CLASSES,
            sample(normal(4, 5), WITH_IGNORED, label_smoothing=0.1),
            *[
                sample(normal(4, 5), WITH_IGNORED, class_weights=WEIGHTS, label_smoothing=0.2, reduction=r)
                for r in REDUCTIONS
            ],
            *[sample(normal(4, 5), probabilities(4, 5), reduction=reduction) for reduction in REDUCTIONS],
            sample(normal(2, 3, 5), probabilities(2, 3, 5), label_smoothing=0.1),
            sample(normal(4, 5), probabilities(4, 5), class_weights=WEIGHTS, label_smoothing=0.1),
            sample(normal(3, 5), constant(np.eye(5, dtype=np.int64)[[4, 0, 2]])),
        ),
        cross_entropy,
        class_loss_of_torch("cross_entropy"),
    ),
    Operation(
        "cross_entropy",
        (sample(normal(5), constant(np.array(3))), sample(normal(5), probabilities(5))),
        cross_entropy,
        class_loss_of_torch("cross_entropy"),
        empty=None,
    ),
    Operation(
        "nll_loss",
        (
            *[sample(log_probabilities(*s.inputs[0].shape), *s.inputs[1:], **s.options) for s in CLASSES],
            sample(normal(3, 5), integers(0, 5, 3)),
        ),
        negative_log_likelihood,
        class_loss_of_torch("nll_loss"),
    ),
    Operation(
        "multi_margin_loss",
        (
            *[sample(normal(4, 5), integers(0, 5, 4), reduction=reduction) for reduction in REDUCTIONS],
            sample(normal(4, 5), integers(0, 5, 4), power=2),
            sample(normal(4, 5), integers(0, 5, 4), margin=0.3, class_weights=WEIGHTS),
        ),
        multi_margin,
        multi_margin_of_torch,
    ),
    Operation("mse_loss", ERRORS, elementwise(lambda x, y: (x - y) ** 2), elementwise_of_torch("mse_loss")),
    Operation(
        "l1_loss", KINKED_ERRORS, elementwise(lambda x, y: np.abs(x - y)), elementwise_of_torch("l1_loss")
    ),
    Operation(
        "huber_loss",
        (
            *KINKED_ERRORS,
            sample(*distant(-0.4, 0.4), delta=0.4),
            sample(normal(2, 2), normal(2, 2), delta=9.0),
        ),
        elementwise(huber),
        elementwise_of_torch("huber_loss"),
    ),
    Operation(
        "smooth_l1_loss",
        (*KINKED_ERRORS, sample(*distant(-0.4, 0.4), beta=0.4), sample(*distant(0), beta=0.0)),
        elementwise(smooth_l1),
        elementwise_of_torch("smooth_l1_loss"),
    ),
    Operation(
        "kl_div",
        (
            *[
                sample(log_probabilities(3, 4), probabilities(3, 4), reduction=reduction)
                for reduction in (*REDUCTIONS, "batchmean")
            ],
            sample(log_probabilities(3, 4), log_probabilities(3, 4), log_target=True),
            sample(log_probabilities(2, 4), constant(np.eye(4)[[3, 0]]), reduction="batchmean"),
        ),
        kl_div,
        kl_div_of_torch,
    ),
    Operation(
        "binary_cross_entropy",
        (
            *[
                sample(uniform(0.1, 0.9, 3, 4), uniform(0.1, 0.9, 3, 4), reduction=reduction)
                for reduction in REDUCTIONS
            ],
            sample(uniform(0.1, 0.9, 3, 4), integers(0, 2, 3, 4), weight=[0.5, 1.0, 2.0, 0.0]),
        ),
        elementwise(binary_cross_entropy),
        elementwise_of_torch("binary_cross_entropy"),
    ),
    Operation(
        "binary_cross_entropy_with_logits",
        (
            *[
                sample(away_from(0, shape=(3, 4)), uniform(0.1, 0.9, 3, 4), reduction=reduction)
                for reduction in REDUCTIONS
            ],
            sample(normal(3, 4), integers(0, 2, 3, 4), weight=[0.5, 1.0, 2.0, 0.0]),
            sample(normal(3, 4), uniform(0.0, 1.0, 3, 4), positive_weight=[3.0, 1.0, 0.5, 2.0]),
            sample(normal(3, 4), uniform(0.0, 1.0, 3, 4), positive_weight=3.0, weight=0.5, reduction="sum"),
        ),
        elementwise(binary_cross_entropy_with_logits),
        elementwise_of_torch("binary_cross_entropy_with_logits"),
    ),
    Operation(
        "hinge_loss",
        (
            *[
                sample(away_from(-1, 1, shape=(3, 4)), constant(SIGNS), reduction=reduction)
                for reduction in REDUCTIONS
            ],
            sample(away_from(-0.5, 0.5, shape=(3, 4)), constant(SIGNS), margin=0.5),
        ),
        elementwise(hinge),
    ),
    Operation(
        "cosine_similarity",
        (
            sample(normal(3, 4), normal(3, 4)),
            sample(normal(3, 4), normal(4)),
            sample(normal(2, 3, 2), normal(2, 3, 2), axis=1),
            sample(normal(3, 1), normal(3, 4)),
            sample(normal(4), normal(4)),
        ),
        cosine_similarity,
        lambda torch, x, y, axis=-1: torch.nn.functional.cosine_similarity(x, y, dim=axis),
    ),
]
