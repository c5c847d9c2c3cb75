"""Depthwise convolution: the cpu take against the reference, at and around the sizes of its blocks."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import conv, pinned
from tinynet_kernels.conv import depthwise

few = settings(deadline=None, derandomize=True, max_examples=80)


@st.composite
def convolutions(draw):
    """A depthwise convolution in one to three dimensions with everything that belongs to it, at random."""
    dimensions = draw(st.integers(1, 3))

    def per_axis(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(dimensions))

    kernel, stride, dilation = per_axis(1, 5), per_axis(1, 3), per_axis(1, 2)
    padding = tuple(zip(per_axis(0, 3), per_axis(0, 3), strict=True))
    size = tuple(
        max(1, d * (k - 1) + 1 + extra - sum(sides))
        for k, d, extra, sides in zip(kernel, dilation, per_axis(0, 11), padding, strict=True)
    )
    size = tuple(
        max(least, d * (k - 1) + 1 - sum(sides))
        for least, k, d, sides in zip(size, kernel, dilation, padding, strict=True)
    )
    channels = draw(st.sampled_from([2, 3, 8, 15, 16, 17, 31, 32, 33, 50, 64, 65]))
    multiplier = draw(st.sampled_from([1, 1, 1, 2, 3]))
    batch = draw(st.integers(0, 3))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    output = conv.output_size(size, kernel, stride, padding, dilation)
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    return SimpleNamespace(
        x=random.standard_normal((batch, *size, channels)).astype(dtype),
        weight=random.standard_normal((*kernel, 1, channels * multiplier)).astype(dtype),
        gy=random.standard_normal((batch, *output, channels * multiplier)).astype(dtype),
        bias=random.standard_normal(channels * multiplier).astype(dtype),
        size=size,
        kernel=kernel,
        window=(stride, padding, dilation),
        groups=channels,
    )


@few
@given(c=convolutions())
def test_takes_agree_on_forward_and_both_gradients(c, compare_takes):
    compare_takes(conv.forward, c.x, c.weight, *c.window, c.groups, tolerance=_tolerance(c))
    compare_takes(conv.input_gradient, c.gy, c.weight, c.size, *c.window, c.groups, tolerance=_tolerance(c))
    compare_takes(conv.weight_gradient, c.x, c.gy, c.kernel, *c.window, c.groups, tolerance=_tolerance(c))


@few
@given(c=convolutions(), activation=st.sampled_from([None, "relu"]))
def test_bias_and_activation(c, activation, same):
    with pinned("reference"):
        expected = conv.forward(c.x, c.weight, *c.window, c.groups) + c.bias
    if activation:
        expected = np.maximum(expected, 0)
    found = depthwise.forward(c.x, c.weight, *c.window, c.bias, activation)
    same(found, expected, _tolerance(c))


def _tolerance(c):
    return 1e-5 if c.x.dtype == np.float32 else 1e-12


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [3, 40])
def test_nan_and_infinity_come_out_where_the_formula_says(dtype, channels):
    x = np.ones((1, 6, channels), dtype)
    x[0, 1, 0], x[0, 4, 1] = np.nan, -np.inf
    weight = np.ones((2, 1, channels), dtype)
    y = depthwise.forward(x, weight, (1,), ((0, 0),), (1,), None, "relu")
    np.testing.assert_array_equal(y[0, :, 0], [np.nan, np.nan, 2, 2, 2])
    np.testing.assert_array_equal(y[0, :, 1], [2, 2, 2, 0, 0])
    np.testing.assert_array_equal(y[0, :, 2:], 2)


@pytest.mark.parametrize("images", [1, 40])
def test_the_weight_gradient_does_not_depend_on_the_number_of_threads(images):
    numba = pytest.importorskip("numba")
    before = numba.get_num_threads()
    if before == 1:
        pytest.skip("there is only one thread here")
    random = np.random.default_rng(0)
    x = random.standard_normal((images, 40, 41, 96), dtype=np.float32)
    arguments = (x, x, (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))
    together = depthwise.weight_gradient(*arguments)
    try:
        numba.set_num_threads(1)
        alone = depthwise.weight_gradient(*arguments)
    finally:
        numba.set_num_threads(before)
    np.testing.assert_array_equal(alone, together)


def test_few_outputs_that_all_places_share():
    """The kernel is wider than the line, so that no output is seen by all of its places."""
    x = np.arange(1.0, 5).reshape(1, 2, 2)
    gy = np.ones((1, 2, 2))
    gweight = depthwise.weight_gradient(x, gy, (5,), (1,), ((2, 2),), (1,))
    np.testing.assert_array_equal(gweight[:, 0, 0], [0, 1, 4, 3, 0])
