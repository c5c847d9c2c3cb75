"""The CUDA kernels of recurrent layers against the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_recurrent_kernels import KINDS, Problem

from tinynet_kernels import recurrent

few = settings(deadline=None, derandomize=True, max_examples=5)


@KINDS
@few
@given(
    shape=st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(1, 2), st.integers(0, 9)),
    with_lengths=st.booleans(),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
    seed=st.integers(0, 1000),
)
def test_layers_agree_with_the_definition(kind, shape, with_lengths, dtype, seed, compare_gpu):
    lengths = np.random.default_rng(seed).integers(0, shape[1] + 1, shape[0]) if with_lengths else None
    compare(Problem(kind, shape, dtype, lengths, seed), compare_gpu)


@KINDS
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_both_directions_of_sequences_of_any_length(kind, dtype, compare_gpu):
    compare(Problem(kind, (4, 3, 2, 17), dtype, np.array([2, 0, 3, 1])), compare_gpu)


def compare(problem, compare_gpu):
    # The gates and states that are kept have few digits as float16, and the gradients are made from them.
    tolerance = 1e-2 if problem.p.dtype == np.float16 else None

    def call(function, *arguments):
        return compare_gpu(function, *arguments, tolerance=tolerance)

    problem.backward(problem.forward(call), call)


def on_device(gpu):
    """Calls a function with arrays on the device; its results are there as well."""

    def call(function, *arguments):
        arguments = [gpu.put(a) if isinstance(a, np.ndarray) else a for a in arguments]
        with gpu.pinned():
            return tuple(None if a is None else gpu.get(a) for a in function(*arguments))

    return call


@KINDS
def test_padding_has_no_influence(kind, gpu):
    problem, call = Problem(kind, (2, 4, 2, 3), lengths=np.array([2, 3])), on_device(gpu)
    before = problem.forward(call)
    gradients = problem.backward(before, call)
    for array in (problem.p, problem.gy):
        array[0, 2:] = array[1, 3:] = np.nan
    after = problem.forward(call)
    gradients_after = problem.backward(after, call)
    for a, b in zip((*before, *gradients), (*after, *gradients_after), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not before[0][0, 2:].any()


@KINDS
def test_nan_spoils_only_its_sequence_and_what_comes_later(kind, gpu):
    problem = Problem(kind, (3, 4, 2, 5))
    problem.p[1, 2] = np.nan
    y = problem.forward(on_device(gpu))[0]
    assert np.isfinite(y[[0, 2]]).all()
    assert np.isfinite(y[1, :2, 0]).all()
    assert np.isfinite(y[1, 3:, 1]).all()
    assert np.isnan(y[1, 2:, 0]).all()
    assert np.isnan(y[1, :3, 1]).all()


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_without_a_backward_pass_nothing_is_kept(kind, gpu):
    problem, call = Problem(kind, (2, 3, 1, 4)), on_device(gpu)
    kept = problem.forward(call)
    results = problem.forward(lambda function, *arguments: call(function, *arguments, False))
    assert results[-1] is None
    for found, expected in zip(results, kept, strict=True):
        assert found is None or np.array_equal(found, expected)


def test_saturated_gates(gpu):
    """With gates wide open or shut, however far, the cell adds up candidates exactly."""
    p = np.zeros((1, 3, 1, 8), np.float32)
    p[..., :4], p[..., 4:6], p[..., 6:] = np.inf, 1e30, -1e30
    weight, state = np.zeros((1, 2, 8), np.float32), np.ones((1, 1, 2), np.float32)
    y, h, c, _, _ = on_device(gpu)(recurrent.lstm_forward, p, weight, state, state)
    np.testing.assert_array_equal(y, 0)
    np.testing.assert_array_equal(h, 0)
    np.testing.assert_array_equal(c, 4)
