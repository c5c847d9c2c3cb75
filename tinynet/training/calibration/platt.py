"""Platt scaling: probabilities for a classifier of two classes from its scores."""

import numpy as np

from tinynet.errors import ArgumentError, ShapeError
from tinynet.training.calibration.arguments import checked_logits, checked_pair

__all__ = ["PlattScaling"]

STEPS = 100
SHORTEST_STEP = 2.0**-40
TOLERANCE = 1e-12
ROUNDING = 1e-12  # of the loss: a decrease that drowns in the rounding of its sum


class PlattScaling:
    """sigmoid(a · z + b) as the probability of class 1, with a and b that fit held-out data best.

    ::

        scaling = PlattScaling().fit(validation_logits, validation_labels)
        probabilities = scaling.probabilities(test_logits)

    Attributes:
        a: the factor; 1 before `fit`.
        b: the summand; 0 before `fit`.

    J. Platt, "Probabilistic outputs for support vector machines and comparisons to regularized likelihood
    methods", 1999, where the signs of a and b are the opposite ones; Newton's method after H.-T. Lin, C.-J.
    Lin, R. Weng, "A note on Platt's probabilistic outputs for support vector machines", 2007.
    """

    def __init__(self, a=1.0, b=0.0):
        self.a, self.b = float(a), float(b)

    def fit(self, logits, labels):
        """Sets a and b to the minimum of the cross-entropy. Returns the scaling.

        Targets are not 0 and 1 but 1 / (N₀ + 2) and (N₁ + 1) / (N₁ + 2), with N₀ and N₁ the numbers of
        samples of the classes: what Bayes' rule expects of further samples. So a and b stay finite where
        the scores separate the classes.

        Args:
            logits: (N,) scores of class 1, or (N, 2), of which the difference is the score.
            labels: (N,) integers, 0 or 1.

        Raises:
            ShapeError, DTypeError: the arrays do not belong together, or hold no numbers.
            ArgumentError: a score is infinite, or all samples are of one class.
        """
        scores, labels = _scores("PlattScaling.fit", logits, labels)
        positive = int(labels.sum())
        negative = len(labels) - positive
        if not positive or not negative:
            raise ArgumentError(
                f"PlattScaling.fit: needs samples of both classes, found {negative} of class 0 and "
                f"{positive} of class 1"
            )
        targets = np.where(labels == 1, (positive + 1) / (positive + 2), 1 / (negative + 2))
        # Scores of mean 0 and deviation 1 make the two unknowns equally large and hardly correlated. The
        # unit comes first, so that the squares of huge scores don't overflow.
        unit = np.abs(scores).max() or 1.0
        scores = scores / unit
        centre, spread = scores.mean(), scores.std() or 1.0
        start = np.array([0.0, np.log((positive + 1) / (negative + 1))])
        slope, height = _minimize((scores - centre) / spread, targets, start)
        self.a = float(slope / spread / unit)
        self.b = float(height - slope * centre / spread)
        return self

    def __call__(self, logits):
        """a · z + b, (N,) float64: the logits of the calibrated probabilities of class 1."""
        return self.a * _scores("PlattScaling", logits) + self.b

    def probabilities(self, logits):
        """The calibrated probabilities of class 1, (N,) float64."""
        return _sigmoid(self(logits))

    def __repr__(self):
        return f"PlattScaling(a={self.a:.6g}, b={self.b:.6g})"


def _scores(function, logits, labels=None):
    """The scores (N,) of class 1; with labels, both checked."""
    if labels is None:
        logits = checked_logits(function, logits)
    else:
        logits, labels = checked_pair(function, logits, labels)
    if logits.shape[1] != 2:
        raise ShapeError(f"{function}: needs logits of two classes, not of shape {logits.shape}")
    scores = logits[:, 1] - logits[:, 0]
    if np.isinf(scores).any():
        raise ArgumentError(f"{function}: the score of sample {int(np.isinf(scores).argmax())} is infinite")
    return scores if labels is None else (scores, labels)


def _minimize(scores, targets, point):
    """Newton's method, each step halved until the loss falls by enough (Armijo's rule)."""
    features = np.stack([scores, np.ones_like(scores)], axis=1)
    loss = _cross_entropy(features @ point, targets)
    for _ in range(STEPS):
        probabilities = _sigmoid(features @ point)
        gradient = features.T @ (probabilities - targets)
        if np.abs(gradient).max() <= TOLERANCE * len(targets):
            break
        curvature = features.T @ (features * (probabilities * (1 - probabilities))[:, None])
        curvature += TOLERANCE * np.eye(2)  # scores that are all equal leave one direction without any
        direction = -np.linalg.solve(curvature, gradient)
        length = 1.0
        while length > SHORTEST_STEP:
            following = point + length * direction
            lower = _cross_entropy(features @ following, targets)
            if lower <= loss + 1e-4 * length * (gradient @ direction) + ROUNDING * loss:
                break
            length /= 2
        else:  # rounding hides any further progress
            break
        point, loss = following, lower
    return point


def _cross_entropy(logits, targets):
    return float(np.sum(np.logaddexp(0, logits) - targets * logits))


def _sigmoid(logits):
    return np.exp(-np.logaddexp(0, -logits))
