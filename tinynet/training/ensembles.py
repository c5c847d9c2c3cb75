"""Asking more than once: several models, or one for several crops, and the mean of the probabilities."""

from dataclasses import dataclass

import numpy as np

from tinynet import functional as F
from tinynet import nn
from tinynet.data.augmentation import ten_crops
from tinynet.errors import ArgumentError, ShapeError
from tinynet.training.trainer import Trainer

__all__ = ["Ensemble", "EnsembleAccuracy", "TenCrop", "ensemble_accuracy", "mean_log_probabilities"]


def mean_log_probabilities(logits):
    """The logarithm of the mean of several answers' probabilities.

    log p = log(1/M Σ softmax(logits_m)) = logsumexp_m(log_softmax(logits_m)) − log M, without overflow. It
    serves wherever logits do: its softmax is the mean p, its cross-entropy the loss of p.

    Args:
        logits: a list of M tensors (N, classes).

    Returns:
        (N, classes).
    """
    answers = F.stack([F.log_softmax(answer, axis=-1) for answer in logits])
    return F.logsumexp(answers, axis=0) - float(np.log(len(logits)))


class Ensemble(nn.Module):
    """Several classifiers that answer together, by the mean of their probabilities.

    Trained independently, from other initial weights, they err on different images. It costs the time and the
    memory of all of them.

    Use it as any other model: `Trainer` evaluates it and predicts with it.

    Args:
        models: modules that turn images into logits (N, classes).

    Raises:
        ArgumentError: there is no model.
    """

    def __init__(self, models):
        self.members = nn.ModuleList(models)
        if not len(self.members):
            raise ArgumentError("Ensemble: at least one model is needed")

    def forward(self, x):
        """(N, ...) → (N, classes), see `mean_log_probabilities`."""
        return mean_log_probabilities([member(x) for member in self.members])


class TenCrop(nn.Module):
    """A classifier that looks at ten crops of each image, and answers by the mean of their probabilities.

    The crops are the four corners and the middle, and their mirror images, see `tinynet.data.ten_crops`.

    Source: A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet Classification with Deep Convolutional Neural
    Networks", NIPS 2012, section 4.1.

    Args:
        model: turns images (N, h, w, C) into logits (N, classes).
        size: (h, w) of the crops, or one number for both.
    """

    def __init__(self, model, size):
        self.model = model
        self.size = size

    def forward(self, x):
        """(N, H, W, C) with H ≥ h and W ≥ w → (N, classes), see `mean_log_probabilities`."""
        return mean_log_probabilities([self.model(crop) for crop in ten_crops(x, self.size)])

    def extra_repr(self):
        return f"size={self.size}"


@dataclass(frozen=True)
class EnsembleAccuracy:
    """How often an ensemble is right, and how often each of its members.

    Attributes:
        members: the accuracy of each member, from 0 to 1, in their order.
        ensemble: that of the mean of their probabilities.
    """

    members: tuple[float, ...]
    ensemble: float

    @property
    def gain(self):
        """By how much the ensemble is above the mean of its members."""
        return self.ensemble - float(np.mean(self.members))


def ensemble_accuracy(ensemble, x, y, batch_size=256):
    """Measures an ensemble beside its members; each is asked once.

    Args:
        ensemble: an `Ensemble`.
        x: inputs (N, ...).
        y: labels (N,).
        batch_size: how many samples go through a model at once.

    Returns:
        An `EnsembleAccuracy`.

    Raises:
        ShapeError: `x` and `y` have different lengths.
    """
    y = np.asarray(y)
    if y.shape != (len(x),):
        raise ShapeError(
            f"ensemble_accuracy: {len(x)} inputs need labels of shape ({len(x)},), not {y.shape}"
        )
    logits = [Trainer(member).predict(x, batch_size) for member in ensemble.members]
    together = mean_log_probabilities(logits).numpy()
    members = tuple(_accuracy(answers, y) for answers in logits)
    return EnsembleAccuracy(members, _accuracy(together, y))


def _accuracy(scores, labels):
    return float((scores.argmax(axis=-1) == labels).mean())
