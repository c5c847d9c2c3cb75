"""float16 on the CPU: computed in float32 by the compiled kernels, rounded once."""

import numpy as np
import pytest

import tinynet_kernels
from tinynet_kernels import conv, matmul, recurrent, softmax
from tinynet_kernels.dispatch import Family

GEOMETRY = (1, 1), ((0, 0), (0, 0)), (1, 1)


def half(rng, *shape):
    return rng.normal(size=shape).astype(np.float16)


def rounded(result):
    return result.astype(np.float16)


def wide(*arrays):
    return [array.astype(np.float32) for array in arrays]


def test_products_are_those_of_float32_rounded_once(rng):
    a, b, bias = half(rng, 5, 600), half(rng, 600, 7), half(rng, 7)
    found = matmul.product(a, b, bias=bias, activation="relu")
    assert found.dtype == np.float16
    wide_a, wide_b, wide_bias = wide(a, b, bias)
    expected = matmul.product(wide_a, wide_b, bias=wide_bias, activation="relu")
    np.testing.assert_array_equal(found, rounded(expected))


def test_sums_do_not_overflow_in_between():
    # 60,000 + 60,000 − 60,000: float16 ends at 65,504.
    x = np.full((1, 1, 3, 1), 60000, np.float16)
    weight = np.array([1, 1, -1], np.float16).reshape(1, 3, 1, 1)
    y = conv.forward(x, weight, *GEOMETRY, 1)
    assert y.item() == 60000


def test_convolutions_and_their_gradients(rng):
    x, weight = half(rng, 2, 5, 6, 3), half(rng, 3, 2, 3, 4)
    gy = half(rng, 2, 3, 5, 4)
    calls = [
        (conv.forward, (x, weight), (*GEOMETRY, 1)),
        (conv.input_gradient, (gy, weight), ((5, 6), *GEOMETRY, 1)),
        (conv.weight_gradient, (x, gy), ((3, 2), *GEOMETRY, 1)),
    ]
    for function, arrays, options in calls:
        before = [array.copy() for array in arrays]
        found = function(*arrays, *options)
        assert found.dtype == np.float16
        np.testing.assert_array_equal(found, rounded(function(*wide(*arrays), *options)))
        for array, kept in zip(arrays, before, strict=True):
            np.testing.assert_array_equal(array, kept)


def test_results_go_where_they_are_wanted(rng):
    a, b = half(rng, 4, 3), half(rng, 3, 5)
    place = np.empty((4, 5), np.float16)
    assert matmul.product(a, b, out=place) is place
    np.testing.assert_array_equal(place, matmul.product(a, b))
    x, gy = half(rng, 2, 5, 6, 3), half(rng, 2, 3, 5, 4)
    place = np.empty((3, 2, 3, 4), np.float16)
    assert conv.weight_gradient(x, gy, (3, 2), *GEOMETRY, 1, place) is place
    np.testing.assert_array_equal(place, conv.weight_gradient(x, gy, (3, 2), *GEOMETRY, 1))


def test_functions_of_several_results(rng):
    p, weight, h = half(rng, 2, 3, 1, 4), half(rng, 1, 4, 4), half(rng, 1, 2, 4)
    lengths = np.array([3, 2])
    found = recurrent.rnn_forward(p, weight, h, lengths, "tanh")
    expected = recurrent.rnn_forward(*wide(p, weight, h), lengths, "tanh")
    for here, there in zip(found, expected, strict=True):
        np.testing.assert_array_equal(here, rounded(there))


def test_who_asks_for_a_take_gets_that(rng):
    a, b = half(rng, 2, 3), half(rng, 3, 2)
    with tinynet_kernels.pinned("reference"):
        np.testing.assert_array_equal(matmul.product(a, b), np.matmul(a, b))
    with tinynet_kernels.pinned("cpu"), pytest.raises(TypeError, match="not numpy float16"):
        matmul.product(a, b)
    with pytest.raises(ValueError, match="the sum runs over 3 entries in a"):
        matmul.product(a, half(rng, 2, 2))


def test_only_families_that_say_so_widen(rng):
    x = half(rng, 2, 3)
    assert Family("tinynet_kernels.softmax").take(x).__name__ == "tinynet_kernels.softmax.reference"
    assert softmax.softmax(x).dtype == np.float16
    mixed = matmul.product(x, rng.normal(size=(3, 2)).astype(np.float32))  # is left to the reference
    assert mixed.dtype == np.float32
