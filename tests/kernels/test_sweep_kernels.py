"""Sweeps of windows: the tables against a plain loop, and not a byte beyond the arrays.

What is read lies within NaN, which would show in the results, and what is written within a magic value, which
must be there afterwards.
"""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import conv, pinned, pool
from tinynet_kernels.conv import depthwise, depthwise_weight
from tinynet_kernels.pool import cpu
from tinynet_kernels.sweeps import PIXELS, backward_axis, contiguous, forward_axis, make_sweep

few = settings(deadline=None, derandomize=True, max_examples=60)
MAGIC = 99
GUARD = 300

axes = st.tuples(
    st.integers(1, 5), st.integers(1, 3), st.integers(0, 4), st.integers(1, 3), st.integers(0, 14)
)


def meetings(window, stride, before, dilation, extra):
    """The length of an input, of the output, and all (output, input, tap) that meet."""
    size = max(1, dilation * (window - 1) + 1 + extra - before)
    output = (size + before - dilation * (window - 1) - 1) // stride + 1
    met = {
        (o, o * stride - before + k * dilation, k)
        for o, k in product(range(output), range(window))
        if 0 <= o * stride - before + k * dilation < size
    }
    return size, output, met


def seen(axis):
    """All (target, position, tap) of an axis."""
    return {
        (target, first + i * axis.position_step, tap + i * axis.tap_step)
        for target, (count, tap, first) in enumerate(zip(axis.counts, axis.taps, axis.positions, strict=True))
        for i in range(count)
    }


@few
@given(parameters=axes)
def test_axes_know_what_meets(parameters):
    size, output, met = meetings(*parameters)
    window, stride, before, dilation, _ = parameters
    arguments = (size, window, stride, before, dilation, output)
    assert seen(forward_axis(*arguments)) == met
    assert seen(backward_axis(*arguments)) == {(i, o, k) for o, i, k in met}


@few
@given(parameters=axes, pixels=st.integers(1, PIXELS))
def test_runs_cover_every_target_in_steps_of_the_period(parameters, pixels):
    size, output, _ = meetings(*parameters)
    window, stride, before, dilation, _ = parameters
    for make_axis, targets in ((forward_axis, output), (backward_axis, size)):
        axis = make_axis(size, window, stride, before, dilation, output)
        one = make_axis(1, 1, 1, 0, 1, 1)
        source = contiguous("position", (1, 1, output + size), None, 1, per_image=False)
        target = contiguous("target", (1, 1, targets), None, 1, per_image=False)
        sweep = make_sweep([one, one, axis], (1, 1, window), 1, source, target, pixels=pixels)
        covered = set()
        for count, tap, position, _, first, _, length in sweep.runs:
            assert 1 <= length <= pixels
            for i in range(length):
                at = first + i * axis.period
                assert (axis.counts[at], axis.taps[at]) == (count, tap)
                assert count == 0 or axis.positions[at] == position + i * axis.shift
                covered.add(at)
        assert covered == set(range(targets))


def guarded(array, fill):
    """A copy of `array`, flat, within a buffer full of `fill`, and that buffer."""
    buffer = np.full(array.size + 2 * GUARD, fill, array.dtype)
    buffer[GUARD : GUARD + array.size] = array.reshape(-1)
    return buffer[GUARD : GUARD + array.size], buffer


def checked(buffer, size):
    """The middle of a buffer, once its edges were found to be as they were."""
    np.testing.assert_array_equal(buffer[:GUARD], MAGIC)
    np.testing.assert_array_equal(buffer[GUARD + size :], MAGIC)
    return buffer[GUARD : GUARD + size]


CHANNELS = [1, 3, 15, 16, 17, 32, 50, 63, 64, 65, 100]
GEOMETRY = ((3, 2), (2, 1), ((1, 1), (0, 1)), (1, 2))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", CHANNELS)
def test_pooling_stays_within_its_arrays(channels, dtype, same):
    x = np.random.default_rng(0).standard_normal((2, 7, 11, channels)).astype(dtype)
    with pinned("reference"):
        y, winners = pool.max_forward(x, *GEOMETRY)
        gx = pool.max_backward(y, winners, (7, 11), *GEOMETRY)
    plan = cpu._plan("maximum", forward_axis, x.shape[1:], *GEOMETRY, x.dtype)
    source, _ = guarded(x, np.nan)
    target, buffer = guarded(np.zeros_like(y), MAGIC)
    places, marks = guarded(np.zeros_like(winners), MAGIC)
    source = source.reshape(x.shape)
    cpu._run(cpu._maximum_with_bytes, plan, source, None, target, places, is_small=True)
    np.testing.assert_array_equal(checked(buffer, y.size), y.reshape(-1))
    np.testing.assert_array_equal(checked(marks, y.size), winners.reshape(-1))
    plan = cpu._plan("chosen", backward_axis, x.shape[1:], *GEOMETRY, x.dtype)
    source, _ = guarded(y, np.nan)
    target, buffer = guarded(np.zeros_like(x), MAGIC)
    source = source.reshape(y.shape)
    cpu._run(cpu._sum_chosen_by_bytes, plan, source, places, target, None, is_small=False)
    same(checked(buffer, x.size), gx.reshape(-1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", CHANNELS)
def test_spreading_stays_within_its_windows(channels, dtype, same):
    geometry = ((2, 3), (2, 4), ((0, 0), (0, 0)), (1, 1))
    x = np.random.default_rng(0).standard_normal((2, 7, 12, channels)).astype(dtype)
    with pinned("reference"):
        y, winners = pool.max_forward(x, *geometry)
        gx = pool.max_backward(y, winners, (7, 12), *geometry)
    plan = cpu._plan("spread chosen", forward_axis, x.shape[1:], *geometry, x.dtype)
    values, _ = guarded(y, np.nan)
    marks, _ = guarded(winners, MAGIC)
    target, buffer = guarded(np.full_like(x, MAGIC), MAGIC)
    values, target = values.reshape(y.shape), target.reshape(x.shape)
    cpu._run(cpu._spread_chosen, plan, target, None, values, marks, is_small=False)
    checked(buffer, x.size)
    np.testing.assert_array_equal(target[:, 6:], MAGIC)
    np.testing.assert_array_equal(target[:, :, 3::4], MAGIC)
    same(np.where(target == MAGIC, 0, target), gx)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", CHANNELS[1:])
def test_depthwise_convolution_stays_within_its_arrays(channels, dtype, same):
    kernel, *window = GEOMETRY
    random = np.random.default_rng(0)
    x = random.standard_normal((2, 7, 11, channels)).astype(dtype)
    weight = random.standard_normal((*kernel, 1, channels)).astype(dtype)
    with pinned("reference"):
        y = conv.forward(x, weight, *window, channels)
        gweight = conv.weight_gradient(x, y, kernel, *window, channels)
    sweep, _ = depthwise._sweep(forward_axis, x.shape[1:], kernel, *window, x.dtype)
    source, _ = guarded(x, np.nan)
    weights, _ = guarded(weight, np.nan)
    bias, _ = guarded(np.zeros(channels, dtype), np.nan)
    target, buffer = guarded(np.zeros_like(y), MAGIC)
    depthwise._sum_products(2, source, weights, bias, x.dtype.type(-np.inf), target, *sweep)
    same(checked(buffer, y.size), y.reshape(-1))
    gy, _ = guarded(y, np.nan)
    plan = depthwise_weight._plan(x.shape[1:], kernel, *window, x.dtype)
    target, buffer = guarded(np.zeros_like(weight), MAGIC)
    depthwise_weight._sum_over_outputs(2, source, gy, target, *plan)
    same(checked(buffer, weight.size), gweight.reshape(-1))
