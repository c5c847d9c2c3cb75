"""The CUDA kernels of layer normalisation against the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import norm

EPSILON = 1e-5

few = settings(deadline=None, derandomize=True, max_examples=12)


def input_gradient(*arguments):
    """The first gradient, where there is no other."""
    gx, ggamma, gbeta = norm.layer_backward(*arguments)
    assert ggamma is gbeta is None
    return gx


@few
@given(
    rows=st.sampled_from([0, 1, 3, 17, 70]),
    columns=st.sampled_from([0, 1, 31, 64, 65, 130, 300]),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
)
def test_takes_agree(rows, columns, dtype, compare_gpu):
    random = np.random.default_rng(rows + columns)
    x, gy = random.standard_normal((2, rows, columns)).astype(dtype)
    gamma, beta = random.standard_normal((2, columns)).astype(dtype)
    compare_gpu(norm.layer_forward, x, gamma, beta, EPSILON)
    compare_gpu(norm.layer_forward, x, None, None, EPSILON)
    mean = random.standard_normal(rows).astype(dtype)
    scale = random.uniform(0.5, 2, rows).astype(dtype)
    compare_gpu(norm.layer_backward, gy, x, gamma, mean, scale)
    compare_gpu(input_gradient, gy, x, None, mean, scale)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_long_rows_belong_to_blocks(dtype, compare_gpu):
    x, gy = np.random.default_rng(0).standard_normal((2, 9, 1111)).astype(dtype)
    gamma, beta = np.linspace(-1, 2, 2222).reshape(2, 1111).astype(dtype)
    _, mean, scale = compare_gpu(norm.layer_forward, x, gamma, beta, EPSILON)
    compare_gpu(norm.layer_backward, gy, x, gamma, mean, scale)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_too_long_for_sums_in_shared_memory(dtype, compare_gpu):
    x, gy = np.random.default_rng(0).standard_normal((2, 10, 6200)).astype(dtype)
    gamma, beta = np.linspace(-1, 2, 12_400).reshape(2, 6200).astype(dtype)
    _, mean, scale = compare_gpu(norm.layer_forward, x, gamma, beta, EPSILON)
    compare_gpu(norm.layer_backward, gy, x, gamma, mean, scale)


def test_more_rows_than_are_added_up_as_they_are(compare_gpu, monkeypatch):
    monkeypatch.setattr("tinynet_kernels.norm.gpu_layer._BLOCKS", 2)  # 75 rows in each
    x, gy = np.random.default_rng(0).standard_normal((2, 150, 40)).astype(np.float32)
    gamma, mean, scale = x[0], x[:, 0].copy(), np.abs(x[:, 1])
    compare_gpu(norm.layer_backward, gy, x, gamma, mean, scale)


def forward(gpu, x, beta, epsilon):
    with gpu.pinned():
        x, beta, gamma = map(gpu.put, (x, beta, np.ones_like(beta)))
        return [gpu.get(array) for array in norm.layer_forward(x, gamma, beta, epsilon)]


@pytest.mark.parametrize("columns", [1, 3, 50, 64])
def test_a_constant_row_gives_beta(columns, gpu):
    x = np.repeat(np.array([[12345.678], [-1e6], [0.1]], np.float32), columns, axis=1)
    beta = np.linspace(-1, 1, columns, dtype=np.float32)
    y, mean, inverse_std = forward(gpu, x, beta, EPSILON)
    np.testing.assert_array_equal(y, np.tile(beta, (3, 1)))
    np.testing.assert_array_equal(mean, x[:, 0])
    np.testing.assert_allclose(inverse_std, EPSILON**-0.5, rtol=1e-6)


@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_nan_and_infinity_stay_in_their_row(special, gpu):
    x = np.random.default_rng(0).standard_normal((5, 40))
    x[1, 7] = special
    y, _, inverse_std = forward(gpu, x, np.zeros(40), EPSILON)
    np.testing.assert_array_equal(np.isnan(y).all(axis=1), np.arange(5) == 1)
    np.testing.assert_array_equal(np.isnan(y).any(axis=1), np.arange(5) == 1)
    np.testing.assert_array_equal(np.isnan(inverse_std), np.arange(5) == 1)


def test_float32_statistics_survive_a_large_mean(gpu):
    x = (1e4 + np.random.default_rng(0).standard_normal((3, 3000))).astype(np.float32)
    x[:, 0] = 0
    exact = x.astype(np.float64)
    y, mean, inverse_std = forward(gpu, x, np.zeros(3000, np.float32), 0)
    np.testing.assert_allclose(mean, exact.mean(axis=1), rtol=1e-7)
    np.testing.assert_allclose(inverse_std, 1 / exact.std(axis=1), rtol=1e-5)
    expected = (exact - exact.mean(axis=1, keepdims=True)) / exact.std(axis=1, keepdims=True)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-3)


def test_one_launch_forward_and_two_backward(gpu):
    if not hasattr(gpu, "emulator"):
        pytest.skip("launches are counted by the emulation")
    x, gamma, row = (np.ones(shape, np.float32) for shape in ((40, 50), 50, 40))
    launches = [gpu.emulator.launches]
    with gpu.pinned():
        norm.layer_forward(x, gamma, gamma, EPSILON)
        launches.append(gpu.emulator.launches)
        norm.layer_backward(x, x, gamma, row, row)
        launches.append(gpu.emulator.launches)
    assert np.diff(launches).tolist() == [1, 2]
