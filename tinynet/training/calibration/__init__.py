"""Whether a classifier is right as often as it says it is, and how to make it so.

    bins = reliability(test_logits, test_labels)                # accuracy beside confidence, bin by bin
    print(bins.expected_error)                                  # the expected calibration error
    scaling = TemperatureScaling().fit(validation_logits, validation_labels)
    print(expected_calibration_error(scaling(test_logits), test_labels))

Everything is computed in float64 on logits (N, K), the numbers that go into the softmax, or (N,) for two
classes, where they go into the sigmoid. The logarithm of probabilities may stand in the place of logits,
since softmax(log p) = p.

Source: C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On calibration of modern neural networks", ICML 2017.
"""

from tinynet.training.calibration.measures import (
    Reliability,
    brier_score,
    expected_calibration_error,
    maximum_calibration_error,
    negative_log_likelihood,
    reliability,
)
from tinynet.training.calibration.platt import PlattScaling
from tinynet.training.calibration.temperature import TemperatureScaling

__all__ = [
    "PlattScaling",
    "Reliability",
    "TemperatureScaling",
    "brier_score",
    "expected_calibration_error",
    "maximum_calibration_error",
    "negative_log_likelihood",
    "reliability",
]
