"""The comparison of sliding windows measures what it says. No figure of any machine is tested."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # the benchmarks are not installed with the package

from benchmarks import sliding_windows
from benchmarks.comparison import OURS, DisagreementError
from tinynet.models.window_classifier import WindowClassifier


def test_both_ways_give_the_answers_of_all_windows():
    functions = sliding_windows.candidates(WindowClassifier(), 2, (16, 20))
    answers = [function() for function in functions.values()]
    assert answers[0].shape == answers[1].shape == (1, 2, 4, 4)
    np.testing.assert_allclose(*answers, rtol=1e-3, atol=1e-6)
    windows, seconds = sliding_windows.speed_up(WindowClassifier(), 2, (16, 20), rounds=2)
    assert windows == 8
    assert list(seconds) == [OURS, "window by window"]


def test_windows_that_are_not_those_of_the_convolution_are_noticed():
    with pytest.raises(DisagreementError, match="gave the shape"):
        sliding_windows.speed_up(WindowClassifier(), 1, (16, 16), rounds=2)
