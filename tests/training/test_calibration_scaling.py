import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet.errors import ArgumentError, ShapeError
from tinynet.training.calibration import (
    PlattScaling,
    TemperatureScaling,
    brier_score,
    expected_calibration_error,
    negative_log_likelihood,
)


def drawn(seed, sharpening, count=2000, classes=5):
    """Labels drawn from softmax(z), and logits sharpening · z: the right temperature is `sharpening`."""
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.standard_normal((count, classes))
    powers = np.exp(logits)
    shares = (powers / powers.sum(axis=1, keepdims=True)).cumsum(axis=1)
    labels = np.minimum((shares < rng.random((count, 1))).sum(axis=1), classes - 1)
    return sharpening * logits, labels


@given(seed=st.integers(0, 100), sharpening=st.floats(0.05, 50))
@settings(deadline=None, max_examples=20)
def test_temperature_agrees_with_a_fine_grid_search(seed, sharpening):
    logits, labels = drawn(seed, sharpening, 500)
    scaling = TemperatureScaling().fit(logits, labels)
    grid = sharpening * np.geomspace(0.5, 2, 400)  # steps of 0.35 %
    best = grid[np.argmin([negative_log_likelihood(logits / t, labels) for t in grid])]
    assert scaling.temperature == pytest.approx(best, rel=0.01)


@pytest.mark.parametrize("sharpening", [1e-200, 1e-3, 1.0, 1e6, 1e300])
def test_temperature_is_found_for_logits_of_any_size(sharpening):
    logits, labels = drawn(3, 1.0)
    expected = TemperatureScaling().fit(logits, labels).temperature
    found = TemperatureScaling().fit(sharpening * logits, labels).temperature
    assert found == pytest.approx(sharpening * expected, rel=1e-9)


def test_slope_of_the_likelihood_is_zero_at_the_temperature():
    logits, labels = drawn(5, 4.0)
    t = TemperatureScaling().fit(logits, labels).temperature
    here, below, above = (negative_log_likelihood(logits / (t * f), labels) for f in (1, 1 - 1e-4, 1 + 1e-4))
    assert abs(above - below) < 1e-3 * ((above - here) + (below - here)) + 1e-9
    assert here < below and here < above


def test_calibration_error_falls_on_other_data_and_no_prediction_changes():
    logits, labels = drawn(7, 4.0, 8000)
    scaling = TemperatureScaling().fit(logits[:4000], labels[:4000])
    test, truth = logits[4000:], labels[4000:]
    calibrated = scaling(test)
    np.testing.assert_array_equal(calibrated.argmax(axis=1), test.argmax(axis=1))
    np.testing.assert_allclose(scaling.probabilities(test).sum(axis=1), 1)
    assert expected_calibration_error(calibrated, truth) < 0.2 * expected_calibration_error(test, truth)
    assert negative_log_likelihood(calibrated, truth) < negative_log_likelihood(test, truth)
    assert brier_score(calibrated, truth) < brier_score(test, truth)


@given(
    st.lists(
        st.lists(st.floats(-1e300, 1e300), min_size=3, max_size=3),
        min_size=1,
        max_size=5,
    ),
    st.floats(0.01, 100),
)
@settings(deadline=None, max_examples=200)
def test_predictions_stay_for_any_logits_and_temperature(rows, temperature):
    logits = np.array(rows)
    gaps = logits.max(axis=1, keepdims=True) - logits
    logits[(gaps > 0) & (gaps < 1e-300)] = -1  # quotients that underflow
    scaled = TemperatureScaling(temperature)(logits)
    np.testing.assert_array_equal(scaled.argmax(axis=1), logits.argmax(axis=1))


def test_neighbouring_numbers_are_not_rounded_to_one():
    numbers = 1.95 + np.spacing(1.0) * np.arange(20)
    first = int((np.diff(numbers / 1.9) == 0).argmax())
    logits = numbers[None, first : first + 2]
    plain = logits / 1.9
    assert plain[0, 0] == plain[0, 1]  # dividing alone would change the prediction
    assert TemperatureScaling(1.9)(logits).argmax() == 1


def test_scaled_logits_have_the_softmax_of_the_quotient():
    logits, _ = drawn(1, 2.0, 50)
    quotient = np.exp(logits / 1.7)
    quotient /= quotient.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(TemperatureScaling(1.7).probabilities(logits), quotient, rtol=1e-12)
    assert repr(TemperatureScaling(1.7)) == "TemperatureScaling(temperature=1.7)"


def test_data_without_a_best_temperature_are_refused():
    right = np.array([[2.0, 0.0], [0.0, 1.0]])
    with pytest.raises(ArgumentError, match="no sample is classified wrong"):
        TemperatureScaling().fit(right, [0, 1])
    with pytest.raises(ArgumentError, match="no larger, in the mean"):
        TemperatureScaling().fit(right, [1, 0])
    with pytest.raises(ArgumentError, match="a logit is −∞"):
        TemperatureScaling().fit([[0.0, -np.inf], [0.0, 1.0]], [0, 0])
    with pytest.raises(ArgumentError, match="temperature should be positive, not 0"):
        TemperatureScaling(0)


def two_classes(seed, a, b, count=20000):
    rng = np.random.default_rng(seed)
    scores = 3 * rng.standard_normal(count) + 1
    labels = rng.random(count) < 1 / (1 + np.exp(-(a * scores + b)))
    return scores, labels.astype(int)


@pytest.mark.parametrize(("a", "b"), [(0.5, -0.3), (2.0, 1.0), (-1.0, 0.0)])
def test_platt_scaling_finds_the_sigmoid_that_labels_were_drawn_from(a, b):
    scaling = PlattScaling().fit(*two_classes(2, a, b))
    assert scaling.a == pytest.approx(a, abs=0.07)
    assert scaling.b == pytest.approx(b, abs=0.1)


@given(seed=st.integers(0, 100), size=st.sampled_from([1e-300, 1.0, 1e300]), shift=st.floats(-3, 3))
@settings(deadline=None, max_examples=25)
def test_platt_scaling_is_at_the_minimum_with_smoothed_targets(seed, size, shift):
    scores, labels = two_classes(seed, 1.0, 0.0, 200)
    scores = size * (scores + shift)
    scaling = PlattScaling().fit(scores, labels)
    ones = labels.sum()
    targets = np.where(labels, (ones + 1) / (ones + 2), 1 / (200 - ones + 2))
    errors = scaling.probabilities(scores) - targets
    assert abs(errors.mean()) < 1e-9
    assert abs((errors * scores / size).mean()) < 1e-9


def test_platt_scaling_stays_finite_where_scores_separate_the_classes():
    scaling = PlattScaling().fit([-3.0, -2.0, 2.0, 3.0], [0, 0, 1, 1])
    assert 0 < scaling.a < 10
    np.testing.assert_allclose(scaling.probabilities([-1e9, 0.0, 1e9]), [0, 0.5, 1], atol=1e-9)


def test_platt_scaling_of_scores_that_say_nothing_gives_the_share_of_the_class():
    scaling = PlattScaling().fit(np.full(8, 5.0), [1, 1, 1, 1, 1, 1, 0, 0])
    smoothed = (6 * 7 / 8 + 2 * 1 / 4) / 8
    assert scaling.probabilities([5.0])[0] == pytest.approx(smoothed)


def test_platt_scaling_takes_two_columns():
    scores, labels = two_classes(4, 0.5, 0.2, 500)
    columns = np.stack([1.0 - scores, np.ones(500)], axis=1)
    one, two = PlattScaling().fit(scores, labels), PlattScaling().fit(columns, labels)
    assert (two.a, two.b) == pytest.approx((one.a, one.b), rel=1e-9)
    np.testing.assert_allclose(two(columns), one(scores), rtol=1e-9, atol=1e-12)


def test_platt_scaling_refuses_what_it_cannot_fit():
    with pytest.raises(ArgumentError, match="found 0 of class 0 and 2 of class 1"):
        PlattScaling().fit([1.0, 2.0], [1, 1])
    with pytest.raises(ShapeError, match=r"two classes, not of shape \(2, 3\)"):
        PlattScaling().fit(np.zeros((2, 3)), [0, 1])
    with pytest.raises(ArgumentError, match="score of sample 1 is infinite"):
        PlattScaling()([[0.0, 1.0], [0.0, -np.inf]])
