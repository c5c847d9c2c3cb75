"""Elementwise functions at their kinks, on integers and on special numbers."""

import math

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet.errors import ArgumentError, ShapeError


def gradient(function, *numbers):
    """The gradients of a function at float64 numbers."""
    inputs = [tn.Tensor(np.float64(number), requires_grad=True) for number in numbers]
    found = tn.grad(function(*inputs).sum(), inputs)
    return [part.tolist() for part in found]


def test_gradients_at_kinks():
    assert gradient(F.abs, [-2, 0, 3]) == [[-1, 0, 1]]
    assert gradient(F.sign, [-2, 0, 3]) == [[0, 0, 0]]
    assert gradient(lambda x: F.clip(x, -1, 1), [-2, -1, 0, 1, 2]) == [[0, 1, 1, 1, 0]]
    assert gradient(F.maximum, [1, 2, 3], [2, 2, 2]) == [[0, 0.5, 1], [1, 0.5, 0]]
    assert gradient(F.minimum, [1, 2, 3], [2, 2, 2]) == [[1, 0.5, 0], [0, 0.5, 1]]


def test_maximum_and_minimum_hand_on_nan():
    x, y = np.float64([np.nan, 1]), np.float64([1, np.nan])
    assert np.isnan(F.maximum(x, y).numpy()).all()
    assert np.isnan(F.minimum(x, y).numpy()).all()


def test_clip_messages():
    with pytest.raises(ArgumentError, match=r"^clip: give low, high or both$"):
        F.clip(np.ones(3))
    with pytest.raises(ArgumentError, match=r"^clip: low \(2\) is above high \(1\)$"):
        F.clip(np.ones(3), 2, 1)


def test_what_where_does_not_choose_has_no_influence():
    x = tn.Tensor(np.float64([0.0, 4.0]), requires_grad=True)
    positive = x > 0
    y = F.where(positive, F.sqrt(F.where(positive, x, 1.0)), 0.0)
    y.sum().backward()
    assert x.grad.tolist() == [0, 0.25]


def test_where_keeps_an_infinite_gradient_to_the_chosen_side():
    x, y = tn.tensor([1.0, 2.0], requires_grad=True), tn.tensor([3.0, 4.0], requires_grad=True)
    F.where([True, False], x, y).backward(np.float32([np.inf, np.inf]))
    assert x.grad.tolist() == [np.inf, 0]
    assert y.grad.tolist() == [0, np.inf]


def test_where_names_shapes_that_do_not_broadcast():
    with pytest.raises(
        ShapeError, match=r"^where: shapes \(2,\) and \(3,\) and \(3,\) do not broadcast: axis −1"
    ):
        F.where([True, False], np.ones(3), np.ones(3))


def test_integers_become_the_default_floating_dtype():
    for function in (F.exp, F.log, F.sqrt, F.sin, F.erf):
        assert function([1, 2]).dtype == np.float32
    assert F.abs([-1, 2]).dtype == np.int64


def test_erf_is_right_to_the_last_digits():
    numbers = np.concatenate([np.linspace(-7, 7, 20_001), [0.0, 0.46875, 4.0, 1e-300, 1e300, -1e300]])
    expected = np.array([math.erf(number) for number in numbers])
    np.testing.assert_allclose(F.erf(numbers).numpy(), expected, rtol=1e-15, atol=0)
    single = F.erf(numbers.clip(-10, 10).astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single.numpy(), expected, rtol=4e-7, atol=1e-37)


def test_erf_of_special_numbers():
    result = F.erf(np.float64([np.inf, -np.inf, np.nan, -0.0])).numpy()
    assert result[:2].tolist() == [1, -1]
    assert np.isnan(result[2])
    assert result[3] == 0
    assert np.signbit(result[3])


def test_comparisons_give_truth_values_without_a_gradient():
    x = tn.tensor([1.0, 2.0], requires_grad=True)
    for result in (x == 1, x != 1, x < 2, x <= 2, x > 1, x >= 1, F.isnan(x), F.logical_not(x)):
        assert result.dtype == np.bool_
        assert not result.requires_grad


def test_comparisons_name_shapes_that_do_not_broadcast():
    with pytest.raises(ShapeError, match=r"^less: shapes \(2,\) and \(3,\) do not broadcast: axis −1"):
        F.less(np.ones(2), np.ones(3))
