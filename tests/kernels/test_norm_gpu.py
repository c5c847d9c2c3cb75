"""The CUDA kernels of batch normalisation against the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import norm

EPSILON = 1e-5

few = settings(deadline=None, derandomize=True, max_examples=12)


@few
@given(
    rows=st.sampled_from([0, 1, 3, 17, 70, 300]),
    columns=st.sampled_from([1, 3, 64, 65, 130]),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
    activation=st.sampled_from([None, "relu", "relu6"]),
)
def test_takes_agree(rows, columns, dtype, activation, compare_gpu):
    random = np.random.default_rng(rows + columns)
    x, gy = random.standard_normal((2, rows, columns)).astype(dtype)
    gamma, beta, mean = random.standard_normal((3, columns)).astype(dtype)
    gamma *= 4  # so that some outputs are above 6
    spread = random.uniform(0.5, 2, columns).astype(dtype)
    if rows != 1:  # whether a single row's variance is 0 is a matter of rounding
        tolerance = 1e-3 if dtype is np.float32 and rows == 3 else None
        compare_gpu(norm.batch_forward, x, gamma, beta, EPSILON, activation, tolerance=tolerance)
    y = compare_gpu(norm.batch_inference, x, gamma, beta, mean, spread, EPSILON, activation)
    output = None if activation is None else y
    compare_gpu(norm.batch_backward, gy, x, gamma, mean, spread, output, activation)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_blocks_of_rows(dtype, compare_gpu):
    x, gy = np.random.default_rng(0).standard_normal((2, 2500, 66)).astype(dtype)
    gamma, beta = np.linspace(0.5, 2, 132).reshape(2, 66).astype(dtype)
    y, mean, _, inverse_std = compare_gpu(norm.batch_forward, x, gamma, beta, EPSILON, "relu")
    compare_gpu(norm.batch_backward, gy, x, gamma, mean, inverse_std, y)


def test_no_columns(compare_gpu):
    x, none = np.zeros((4, 0), np.float32), np.zeros(0, np.float32)
    compare_gpu(norm.batch_forward, x, none, none, EPSILON)
    compare_gpu(norm.batch_inference, x, none, none, none, none, EPSILON)
    compare_gpu(norm.batch_backward, x, x, none, none, none)


def forward(gpu, x, beta, epsilon, activation=None):
    with gpu.pinned():
        x, beta, gamma = map(gpu.put, (x, beta, np.ones_like(beta)))
        return [gpu.get(array) for array in norm.batch_forward(x, gamma, beta, epsilon, activation)]


@pytest.mark.parametrize("rows", [1, 50])
def test_a_constant_column_gives_beta(rows, gpu):
    x = np.tile(np.array([12345.678, -1e6], np.float32), (rows, 1))
    beta = np.array([0.5, 2.0], np.float32)
    y, mean, variance, _ = forward(gpu, x, beta, EPSILON)
    np.testing.assert_array_equal(y, np.broadcast_to(beta, x.shape))
    np.testing.assert_array_equal(mean, x[0])
    np.testing.assert_array_equal(variance, 0)


def test_nan_stays_in_its_column(gpu):
    x = np.random.default_rng(0).standard_normal((40, 3))
    x[7, 1] = np.nan
    y, mean, variance, inverse_std = forward(gpu, x, np.zeros(3), EPSILON, "relu")
    np.testing.assert_array_equal(np.isnan(y), np.tile([False, True, False], (40, 1)))
    np.testing.assert_array_equal(np.isnan([mean, variance, inverse_std]), [[False, True, False]] * 3)


def test_float32_statistics_survive_a_large_mean(gpu):
    x = (1e4 + np.random.default_rng(0).standard_normal((2000, 5))).astype(np.float32)
    exact = x.astype(np.float64)
    y, mean, variance, inverse_std = forward(gpu, x, np.zeros(5, np.float32), 0)
    np.testing.assert_allclose(mean, exact.mean(axis=0), rtol=1e-7)
    np.testing.assert_allclose(variance, exact.var(axis=0), rtol=1e-5)
    np.testing.assert_allclose(inverse_std, 1 / exact.std(axis=0), rtol=1e-5)
    np.testing.assert_allclose(y, (exact - exact.mean(axis=0)) / exact.std(axis=0), rtol=0, atol=1e-3)
