import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet as tn
from tinynet.errors import ArgumentError, DTypeError, ShapeError
from tinynet.training.calibration import (
    brier_score,
    expected_calibration_error,
    maximum_calibration_error,
    negative_log_likelihood,
    reliability,
)


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def sample(seed, count=400, classes=5, sureness=3.0):
    rng = np.random.default_rng(seed)
    logits = sureness * rng.standard_normal((count, classes))
    return logits, rng.integers(0, classes, count)


def error_by_loops(logits, labels, bins):
    """The formula of the paper, sample by sample and bin by bin."""
    probabilities = softmax(logits)
    total = 0.0
    for b in range(bins):
        inside = [p for p in range(len(labels)) if b / bins < probabilities[p].max() <= (b + 1) / bins]
        if inside:
            accuracy = np.mean([probabilities[p].argmax() == labels[p] for p in inside])
            confidence = np.mean([probabilities[p].max() for p in inside])
            total += len(inside) / len(labels) * abs(accuracy - confidence)
    return total


@given(seed=st.integers(0, 1000), bins=st.integers(1, 30), classes=st.integers(2, 8))
@settings(deadline=None, max_examples=30)
def test_expected_error_is_the_formula_of_the_paper(seed, bins, classes):
    logits, labels = sample(seed, 100, classes)
    expected = error_by_loops(logits, labels, bins)
    assert expected_calibration_error(logits, labels, bins) == pytest.approx(expected, abs=1e-12)


def test_a_case_done_by_hand():
    # Three answers with confidence 0.9, two of them right, and one with 0.6, right.
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.6, 0.4]])
    labels = np.array([0, 1, 1, 0])
    bins = reliability(np.log(probabilities), labels, bins=10)
    np.testing.assert_array_equal(bins.counts, [0, 0, 0, 0, 0, 1, 0, 0, 3, 0])
    np.testing.assert_allclose(bins.confidence[[5, 8]], [0.6, 0.9])
    np.testing.assert_allclose(bins.accuracy[[5, 8]], [1, 2 / 3])
    assert np.isnan(bins.accuracy[0]) and bins.gaps[0] == 0
    assert bins.expected_error == pytest.approx((0.4 + 3 * (0.9 - 2 / 3)) / 4)
    assert bins.maximum_error == pytest.approx(0.4)
    assert maximum_calibration_error(np.log(probabilities), labels, 10) == bins.maximum_error
    assert brier_score(np.log(probabilities), labels) == pytest.approx((0.02 + 1.62 + 0.02 + 0.32) / 4)
    nll = -(2 * np.log(0.9) + np.log(0.1) + np.log(0.6)) / 4
    assert negative_log_likelihood(np.log(probabilities), labels) == pytest.approx(nll)


def test_labels_drawn_from_the_probabilities_are_calibrated_and_sharper_ones_are_not():
    rng = np.random.default_rng(0)
    logits = 2 * rng.standard_normal((40000, 4))
    labels = (softmax(logits).cumsum(axis=1) > rng.random((40000, 1))).argmax(axis=1)
    assert expected_calibration_error(logits, labels) < 0.01
    assert expected_calibration_error(logits, labels, adaptive=True) < 0.015
    assert expected_calibration_error(3 * logits, labels) > 0.1
    assert expected_calibration_error(3 * logits, labels, adaptive=True) > 0.1


@given(seed=st.integers(0, 1000), count=st.integers(1, 60), bins=st.integers(1, 20))
@settings(deadline=None, max_examples=30)
def test_adaptive_bins_hold_equally_many_samples_between_their_edges(seed, count, bins):
    logits, labels = sample(seed, count)
    result = reliability(logits, labels, bins, adaptive=True)
    assert result.counts.sum() == count
    assert result.counts.max() - result.counts.min() <= 1
    assert (np.diff(result.edges) >= 0).all()
    filled = result.counts > 0
    assert (result.confidence[filled] <= result.edges[1:][filled] + 1e-15).all()
    assert (result.confidence[filled] >= result.edges[:-1][filled] - 1e-15).all()
    assert result.edges[-1] == pytest.approx(softmax(logits).max())


def test_logits_of_two_classes_may_be_one_number():
    scores, labels = np.array([-2.0, 0.5, 3.0]), np.array([0, 0, 1])
    both = np.stack([np.zeros(3), scores], axis=1)
    for measure in (expected_calibration_error, brier_score, negative_log_likelihood):
        assert measure(scores, labels) == measure(both, labels)


def test_tensors_integers_and_huge_logits_are_taken():
    logits, labels = np.array([[1, 2], [5, 1]]), np.array([1, 0])
    expected = negative_log_likelihood(logits.astype(float), labels)
    assert negative_log_likelihood(tn.tensor(logits), tn.tensor(labels)) == expected
    huge = np.array([[1e308, -1e308], [-1e308, 1e308]])
    assert negative_log_likelihood(huge, [0, 1]) == 0
    assert negative_log_likelihood(huge, [0, 0]) == np.inf
    assert brier_score(huge, [0, 0]) == 1
    assert expected_calibration_error(huge, [0, 0]) == 0.5
    assert negative_log_likelihood([[-np.inf, 0.0]], [1]) == 0


@pytest.mark.parametrize(
    ("logits", "labels", "error", "text"),
    [
        (np.zeros((3, 2)), [0, 1], ShapeError, r"need labels of shape \(3,\), not \(2,\)"),
        (np.zeros((3, 2, 2)), [0, 1, 1], ShapeError, r"\(N, K\) for K classes, .* not \(3, 2, 2\)"),
        (np.zeros((3, 1)), [0, 0, 0], ShapeError, r"not \(3, 1\)"),
        (np.zeros((0, 2)), np.zeros(0, int), ArgumentError, "there are no samples"),
        (np.zeros((2, 2)), [0, 2], ArgumentError, "labels go from 0 to 1; found 0 to 2"),
        (np.zeros((2, 2)), [0.0, 1.0], DTypeError, "labels should be integers, not float64"),
        (np.array([["a", "b"]]), [0], DTypeError, "logits should be real numbers"),
        (np.array([[0.0, 1], [np.nan, 0]]), [0, 0], ArgumentError, "sample 1 are .nan"),
        (np.array([[-np.inf, -np.inf]]), [0], ArgumentError, "sample 0 .* give no probabilities"),
    ],
)
def test_wrong_arguments_are_refused(logits, labels, error, text):
    with pytest.raises(error, match=text):
        reliability(logits, labels)
    with pytest.raises(error, match=text):
        brier_score(logits, labels)


@pytest.mark.parametrize("bins", [0, -1, 2.5, True])
def test_a_wrong_number_of_bins_is_refused(bins):
    with pytest.raises(ArgumentError, match="bins should be an integer of at least 1"):
        expected_calibration_error(np.zeros((2, 2)), [0, 1], bins)
