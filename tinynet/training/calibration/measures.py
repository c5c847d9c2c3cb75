"""How far the confidence of a classifier is from its accuracy.

The confidence of an answer is the probability of the predicted class. Samples are put into bins by their
confidence; in each bin the share of right answers stands beside the mean confidence.
"""

from dataclasses import dataclass

import numpy as np

from tinynet.errors import ArgumentError
from tinynet.training.calibration.arguments import checked_pair, log_softmax

__all__ = [
    "Reliability",
    "brier_score",
    "expected_calibration_error",
    "maximum_calibration_error",
    "negative_log_likelihood",
    "reliability",
]


@dataclass(frozen=True)
class Reliability:
    """The numbers of a reliability diagram with B bins; see `reliability`.

    Attributes:
        edges: (B + 1,), the confidences between which the bins lie; bin b is (edges[b], edges[b + 1]].
        counts: (B,) int64, how many samples are in each bin.
        confidence: (B,), the mean confidence of the samples in each bin; NaN where there are none.
        accuracy: (B,), the share of them that is classified right; NaN where there are none.
    """

    edges: np.ndarray
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def gaps(self):
        """(B,), accuracy less confidence: below 0 where the classifier is too sure, 0 in empty bins."""
        return np.where(self.counts > 0, self.accuracy - self.confidence, 0.0)

    @property
    def expected_error(self):
        """Σ counts / N · |accuracy − confidence| (equation 3 of Guo et al.)."""
        return float(np.abs(self.gaps) @ self.counts / self.counts.sum())

    @property
    def maximum_error(self):
        """The largest |accuracy − confidence| of any bin (equation 5 of Guo et al.)."""
        return float(np.abs(self.gaps).max())


def reliability(logits, labels, bins=15, adaptive=False):
    """Accuracy and mean confidence of samples in bins of similar confidence.

    Args:
        logits: (N, K), or (N,) for two classes.
        labels: (N,) integers, the true classes.
        bins: B, the number of bins.
        adaptive: False for bins of equal width from 0 to 1; True for bins with equally many samples (up
            to one), which resolve finely where most of the samples are.

    Returns:
        A `Reliability`.

    Raises:
        ShapeError: the arrays do not belong together.
        DTypeError: logits are not real numbers, or labels not integers.
        ArgumentError: there are no samples, a label or a logit is none, or `bins` is not at least 1.

    C. Guo et al., 2017, section 2; adaptive bins: J. Nixon et al., "Measuring calibration in deep
    learning", 2019.
    """
    logits, labels = checked_pair("reliability", logits, labels)
    if isinstance(bins, bool) or not isinstance(bins, (int, np.integer)) or bins < 1:
        raise ArgumentError(f"reliability: bins should be an integer of at least 1, not {bins!r}")
    confidence = np.exp(log_softmax(logits).max(axis=1))
    right = logits.argmax(axis=1) == labels
    edges = _edges_of_equal_counts(confidence, bins) if adaptive else np.linspace(0, 1, bins + 1)
    members = _places_by_rank(confidence, bins) if adaptive else _places_by_edges(confidence, edges)
    counts = np.bincount(members, minlength=bins)
    filled = np.where(counts > 0, counts, np.nan)
    return Reliability(
        edges,
        counts,
        np.bincount(members, confidence, minlength=bins) / filled,
        np.bincount(members, right, minlength=bins) / filled,
    )


def expected_calibration_error(logits, labels, bins=15, adaptive=False):
    """The mean distance between confidence and accuracy of the bins, weighted by their samples, in [0, 1].

    Arguments and errors are those of `reliability`.
    """
    return reliability(logits, labels, bins, adaptive).expected_error


def maximum_calibration_error(logits, labels, bins=15, adaptive=False):
    """The largest distance between confidence and accuracy of any bin, in [0, 1].

    Arguments and errors are those of `reliability`. A bin of few samples can be far off by chance.
    """
    return reliability(logits, labels, bins, adaptive).maximum_error


def brier_score(logits, labels):
    """The mean of Σₖ (pₖ − yₖ)², with y = 1 for the true class and 0 for the others; in [0, 2].

    Arguments and errors are those of `reliability`.

    G. Brier, "Verification of forecasts expressed in terms of probability", 1950.
    """
    logits, labels = checked_pair("brier_score", logits, labels)
    errors = np.exp(log_softmax(logits))
    errors[np.arange(len(labels)), labels] -= 1
    return float(np.square(errors).sum(axis=1).mean())


def negative_log_likelihood(logits, labels):
    """The mean of −log p(true class); ∞ where a true class has probability 0.

    Arguments and errors are those of `reliability`.
    """
    logits, labels = checked_pair("negative_log_likelihood", logits, labels)
    return float(-log_softmax(logits)[np.arange(len(labels)), labels].mean())


def _places_by_edges(confidence, edges):
    """For each sample the bin (edges[b], edges[b + 1]] that it is in."""
    return np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, len(edges) - 2)


def _places_by_rank(confidence, bins):
    """For each sample the bin that it is in when the sorted samples are cut into equal parts."""
    places = np.empty(len(confidence), np.int64)
    places[np.argsort(confidence, kind="stable")] = np.arange(len(confidence)) * bins // len(confidence)
    return places


def _edges_of_equal_counts(confidence, bins):
    """The largest confidence of each bin of `_places_by_rank`, after the 0 at the lower end."""
    ordered = np.sort(confidence)
    # Bin b ends before the first sample whose rank · bins reaches (b + 1) · N.
    ends = -(-np.arange(1, bins + 1) * len(ordered) // bins)
    return np.concatenate([[0.0], ordered[ends - 1]])
