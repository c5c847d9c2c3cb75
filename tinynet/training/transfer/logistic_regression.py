"""Logistic regression: one dense layer with a penalty, the shallow network on top of a frozen one."""

import numpy as np

from tinynet import functional as F
from tinynet import nn
from tinynet.autograd import Tensor, no_grad
from tinynet.backend import Generator
from tinynet.errors import ArgumentError, ShapeError
from tinynet.training.transfer.limited_memory_bfgs import minimize

__all__ = ["LogisticRegression"]


class LogisticRegression:
    """A dense layer on features, trained on all samples at once until its loss no longer falls.

    The loss is the mean cross-entropy plus penalty / 2 · Σ weight², where the weights are those for
    scaled features; biases are free. It has one minimum, which L-BFGS finds in float64, with the gradient
    from the engine. The scaling is then worked into the layer, which takes features as they come and can be
    put on top of the network that they come from.

    Args:
        penalty: at least 0. In terms of scikit-learn's C it is 1 / (C · N).
        scaling: ``"together"`` divides all features by one number, the root of their mean variance. The
            features of a network are best left in proportion, since those that vary most say most.
            ``"each"`` divides every feature by its own deviation, for features of different units.
        steps: how many steps of L-BFGS are made at most.
        tolerance: the largest component of the gradient that counts as 0.

    Attributes:
        network: the `nn.Linear` from features to logits, float64; None before `fit`.
        loss: the loss at the end of `fit`.
        converged: whether `fit` reached the tolerance.

    Raises:
        ArgumentError: the penalty is negative, or there is no such scaling.
    """

    def __init__(self, penalty=0.05, scaling="together", steps=500, tolerance=1e-6):
        if not penalty >= 0:
            raise ArgumentError(f"LogisticRegression: penalty should be at least 0, not {penalty!r}")
        if scaling not in ("together", "each"):
            raise ArgumentError(
                f"LogisticRegression: scaling should be 'together' or 'each', not {scaling!r}"
            )
        self.penalty = penalty
        self.scaling = scaling
        self.steps = steps
        self.tolerance = tolerance
        self.network = None
        self.loss = None
        self.converged = False

    def fit(self, features, labels, num_classes=None):
        """Trains the layer. Returns the classifier.

        Args:
            features: (N, F), an array.
            labels: (N,) integers from 0 on.
            num_classes: how many classes there are; None takes the largest label plus one.

        Raises:
            ShapeError: the arrays do not belong together.
            ArgumentError: a label is negative, or not below `num_classes`.
        """
        features, labels = _checked("LogisticRegression.fit", features, labels)
        if num_classes is None:
            num_classes = int(labels.max()) + 1
        mean, variance = features.mean(axis=0), features.var(axis=0)
        if self.scaling == "together":
            variance = np.full_like(variance, variance.mean())
        deviation = np.sqrt(np.where(variance > 0, variance, 1))
        # On the CPU, where the features and the steps of the minimisation are.
        layer = nn.Linear(features.shape[1], num_classes, generator=Generator(0)).to("float64").to("cpu")
        objective = _Objective(layer, (features - mean) / deviation, labels, self.penalty)
        minimum = minimize(objective, np.zeros(objective.size), self.steps, self.tolerance)
        self.loss, self.converged = minimum.value, minimum.converged
        weight, bias = objective.split(minimum.point)
        weight = weight / deviation[:, np.newaxis]
        layer.load_state_dict({"weight": weight, "bias": bias - mean @ weight})
        self.network = layer
        return self

    def logits(self, features):
        """(N, F) → (N, classes), float64."""
        if self.network is None:
            raise ArgumentError("LogisticRegression: fit it first")
        with no_grad():
            return self.network(Tensor(np.asarray(features, np.float64))).numpy()

    def predict(self, features):
        """The most likely class of each sample, (N,) int64."""
        return self.logits(features).argmax(axis=1)

    def accuracy(self, features, labels):
        """The share of the samples that are classified right."""
        features, labels = _checked("LogisticRegression.accuracy", features, labels)
        return float(np.mean(self.predict(features) == labels))


class _Objective:
    """The loss and its gradient as functions of all weights and biases in one array."""

    def __init__(self, layer, features, labels, penalty):
        self.layer = layer
        self.features, self.labels = Tensor(features), Tensor(labels)
        self.penalty = penalty
        self.size = layer.weight.size + layer.bias.size

    def split(self, point):
        """The weight (F, classes) and the bias (classes,) in an array of all variables."""
        weight = self.layer.weight
        return point[: weight.size].reshape(weight.shape), point[weight.size :]

    def __call__(self, point):
        weight, bias = map(Tensor, self.split(point))
        weight.requires_grad_(True)
        bias.requires_grad_(True)
        loss = F.cross_entropy(F.linear(self.features, weight, bias), self.labels)
        loss = loss + (weight * weight).sum() * (self.penalty / 2)
        loss.backward()
        return loss.item(), np.concatenate([weight.grad.numpy().ravel(), bias.grad.numpy()])


def _checked(function, features, labels):
    features, labels = np.asarray(features, np.float64), np.asarray(labels)
    if features.ndim != 2 or labels.shape != features.shape[:1] or not len(features):
        raise ShapeError(
            f"{function}: features should be (N, F) and labels (N,) of the same N > 0, not of shapes "
            f"{features.shape} and {labels.shape}"
        )
    return features, labels
