"""Temperature scaling: one number that makes a classifier as sure as it ought to be."""

import numpy as np

from tinynet.errors import ArgumentError
from tinynet.training.calibration.arguments import (
    below_largest,
    checked_logits,
    checked_pair,
    log_softmax,
)

__all__ = ["TemperatureScaling"]

STEPS = 200
TOLERANCE = 1e-12


class TemperatureScaling:
    """Logits divided by a temperature T > 0, the one that makes the labels of held-out data likeliest.

    Above 1 it takes confidence away, below 1 it adds some. The order of the classes stays as it is, so
    no prediction changes. ::

        scaling = TemperatureScaling().fit(validation_logits, validation_labels)
        probabilities = scaling.probabilities(test_logits)

    Attributes:
        temperature: T; 1 before `fit`.

    C. Guo et al., "On calibration of modern neural networks", 2017, section 4.2.
    """

    def __init__(self, temperature=1.0):
        if not 0 < temperature < np.inf:
            raise ArgumentError(f"TemperatureScaling: temperature should be positive, not {temperature!r}")
        self.temperature = float(temperature)

    def fit(self, logits, labels):
        """Sets T to the minimum of the negative log-likelihood. Returns the scaling.

        In β = 1 / T the likelihood is that of an exponential family, so its logarithm is concave and has
        one maximum. It is where the slope Σ (E[z] − z[label]) is 0, found by Newton's method, with
        bisection wherever a step would leave the interval that is known to hold it.

        Args:
            logits: (N, K), or (N,) for two classes; of data that the model was not trained on, for on its
                training data it is right more often than on any other.
            labels: (N,) integers, the true classes.

        Raises:
            ShapeError, DTypeError: the arrays do not belong together, or hold no numbers.
            ArgumentError: no finite T > 0 is best. It would be 0 if no sample is classified wrong, and ∞ if
                the logits of the true classes are no larger, in the mean, than those of the others.
        """
        logits, labels = checked_pair("TemperatureScaling.fit", logits, labels)
        if np.isinf(logits).any():
            raise ArgumentError("TemperatureScaling.fit: a logit is −∞, which no temperature changes")
        # Numbers near 1 for any logits, however large. A power of two scales without rounding.
        unit = 2.0 ** min(np.frexp(np.abs(logits).max())[1], 1023)
        below = below_largest(logits / unit)
        missing = below[np.arange(len(labels)), labels]
        _check_solvable(below, missing)
        self.temperature = float(unit / _best_inverse(below, missing.mean()))
        return self

    def __call__(self, logits):
        """The logits (N, K) of the calibrated probabilities, float64: z / T, less the largest of each row.

        Taking the largest away changes no probability, and without it dividing could round two
        different logits to the same number.
        """
        return below_largest(checked_logits("TemperatureScaling", logits)) / self.temperature

    def probabilities(self, logits):
        """The calibrated probabilities softmax(z / T), (N, K), float64."""
        return np.exp(log_softmax(self(logits)))

    def __repr__(self):
        return f"TemperatureScaling(temperature={self.temperature:.6g})"


def _check_solvable(below, missing):
    if not missing.any():
        raise ArgumentError(
            "TemperatureScaling.fit: no sample is classified wrong, so the smaller T, the likelier the "
            "labels; use more held-out data"
        )
    if missing.mean() <= _moments(below, 0.0)[0]:
        raise ArgumentError(
            "TemperatureScaling.fit: the logits of the true classes are no larger, in the mean, than those "
            "of all classes, so the larger T, the likelier the labels; do logits and labels belong together?"
        )


def _best_inverse(below, target):
    """The β at which the mean of E[below] under softmax(β · below) is `target`."""
    low, high = _bracket(below, target)
    inverse = np.sqrt(low * high)
    for _ in range(STEPS):
        mean, variance = _moments(below, inverse)
        if mean < target:
            low = inverse
        else:
            high = inverse
        step = (target - mean) / variance if variance > 0 else np.inf
        following = inverse + step
        if not low < following < high:
            following = np.sqrt(low * high)
        if abs(following - inverse) <= TOLERANCE * inverse:
            return following
        inverse = following
    return inverse


def _bracket(below, target):
    """Two β between which the mean, which grows with β, passes the target."""
    low = high = 1.0
    while _moments(below, low)[0] >= target:
        low /= 4
    while _moments(below, high)[0] < target:
        high *= 4
    return low, high


def _moments(below, inverse):
    """The means over all samples of E[below] and Var[below] under softmax(inverse · below)."""
    weights = np.exp(inverse * below)
    weights /= weights.sum(axis=1, keepdims=True)
    means = (weights * below).sum(axis=1, keepdims=True)
    return means.mean(), (weights * np.square(below - means)).sum(axis=1).mean()
