"""Batch normalisation: accuracy of the statistics, PyTorch's numbers, and agreement of the takes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import norm, pinned

EPSILON = 1e-5


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    rows=st.sampled_from([0, 1, 2, 15, 16, 17, 40, 3000]),
    columns=st.sampled_from([1, 3, 64, 1500]),
    dtype=st.sampled_from([np.float32, np.float64]),
    activation=st.sampled_from([None, "relu", "relu6"]),
)
def test_takes_agree(rows, columns, dtype, activation, compare_takes):
    random = np.random.default_rng(rows + columns)
    x, gy = random.standard_normal((2, rows, columns)).astype(dtype)
    gamma, beta, mean = random.standard_normal((3, columns)).astype(dtype)
    spread = random.uniform(0.5, 2, columns).astype(dtype)
    if rows != 1 and rows != 2:  # two rows can lie so close together that rounding is all there is
        compare_takes(norm.batch_forward, x, gamma, beta, EPSILON, activation)
    y = compare_takes(norm.batch_inference, x, gamma, beta, mean, spread, EPSILON, activation)
    y = None if activation is None else y
    compare_takes(norm.batch_backward, gy, x, gamma, mean, spread, y, activation)


@pytest.mark.parametrize("columns", [6, 64])
def test_results_too_large_for_the_cache(columns, compare_takes):
    rows = 16 * 2**20 // 4 // columns + 1
    x, gy = np.random.default_rng(0).standard_normal((2, rows, columns), dtype=np.float32)
    gamma, beta = np.linspace(0.5, 2, 2 * columns, dtype=np.float32).reshape(2, columns)
    y, mean, _, inverse_std = compare_takes(norm.batch_forward, x, gamma, beta, EPSILON, "relu")
    with pinned("reference"):
        expected = norm.batch_backward(*(a.astype(np.float64) for a in (gy, x, gamma, mean, inverse_std, y)))
    with pinned("cpu"):
        found = norm.batch_backward(gy, x, gamma, mean, inverse_std, y)
    for f, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(f, e, rtol=0, atol=2e-6 * np.abs(e).max())


@pytest.mark.parametrize("take", ["reference", "cpu"])
def test_a_constant_column_gives_beta(take):
    x = np.full((50, 2), 12345.678, np.float32)
    beta = np.array([0.5, 2.0], np.float32)
    with pinned(take):
        y, mean, variance, _ = norm.batch_forward(x, np.ones_like(beta), beta, EPSILON)
    np.testing.assert_array_equal(y, np.broadcast_to(beta, x.shape))
    np.testing.assert_array_equal(mean, x[0])
    np.testing.assert_array_equal(variance, 0)


@pytest.mark.parametrize("take", ["reference", "cpu"])
def test_nan_stays_in_its_column(take):
    x = np.random.default_rng(0).standard_normal((40, 3))
    x[7, 1] = np.nan
    with pinned(take):
        y, mean, *_ = norm.batch_forward(x, np.ones(3), np.zeros(3), EPSILON, "relu")
    np.testing.assert_array_equal(np.isnan(y), np.isnan(np.broadcast_to(mean, y.shape)))
    np.testing.assert_array_equal(np.isnan(mean), [False, True, False])


@pytest.mark.parametrize("take", ["reference", "cpu"])
def test_relu6_cuts_off_on_both_sides(take):
    x = np.random.default_rng(0).standard_normal((50, 3))
    x[7, 1] = np.nan
    gamma, beta = np.full(3, 8.0), np.ones(3)
    with pinned(take):
        plain, mean, _, inverse_std = norm.batch_forward(x, gamma, beta, EPSILON)
        y, *_ = norm.batch_forward(x, gamma, beta, EPSILON, "relu6")
        gy = np.where((plain > 0) & (plain < 6), 2.0, 0.0)
        found = norm.batch_backward(np.full_like(x, 2), x, gamma, mean, inverse_std, y, "relu6")
        expected = norm.batch_backward(gy, x, gamma, mean, inverse_std)
    np.testing.assert_array_equal(y, np.clip(plain, 0, 6))
    assert 0 < np.mean(y == 6) < np.mean(y >= 0)
    for f, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(f, e, rtol=0, atol=1e-12)


@pytest.mark.parametrize("take", ["reference", "cpu"])
def test_relu_passes_infinity(take):
    x, c = np.ones((4, 1)), np.ones(1)
    with pinned(take):
        y = norm.batch_inference(x * np.inf, c, c, c, c, EPSILON, "relu")
        _, _, gbeta = norm.batch_backward(x, x, c, c, c, y)
    assert np.all(y == np.inf)
    assert gbeta == 4


def test_results_do_not_depend_on_the_number_of_threads():
    numba = pytest.importorskip("numba")
    x, gy = np.random.default_rng(0).standard_normal((2, 50_001, 6), dtype=np.float32)
    c = x[0]

    def everything():
        y, mean, variance, inverse_std = norm.batch_forward(x, c, c, EPSILON, "relu")
        return y, mean, variance, *norm.batch_backward(gy, x, c, mean, inverse_std, y)

    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        alone = everything()
    finally:
        numba.set_num_threads(before)
    for a, b in zip(alone, everything(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("take", ["reference", "cpu"])
def test_one_row_gives_beta(take):
    x = np.array([[3.0, -1e6]], np.float32)
    beta = np.array([0.5, 2.0], np.float32)
    with pinned(take):
        y, mean, variance, _ = norm.batch_forward(x, np.ones_like(beta), beta, EPSILON)
    np.testing.assert_array_equal(y, beta[None])
    np.testing.assert_array_equal(mean, x[0])
    np.testing.assert_array_equal(variance, 0)


@pytest.mark.parametrize("take", ["reference", "cpu"])
def test_no_rows_give_mean_and_variance_zero(take):
    with pinned(take):
        y, mean, variance, inverse_std = norm.batch_forward(np.empty((0, 2)), np.ones(2), np.zeros(2), 0.25)
    assert y.shape == (0, 2)
    np.testing.assert_array_equal([mean, variance, inverse_std], [[0, 0], [0, 0], [2, 2]])


@pytest.mark.parametrize("take", ["reference", "cpu"])
def test_float32_statistics_survive_a_large_mean(take):
    x = (1e4 + np.random.default_rng(0).standard_normal((20_000, 5))).astype(np.float32)
    x[0] = 0  # the row that the first block measures from is far away from all others
    exact = x.astype(np.float64)
    with pinned(take):
        y, mean, variance, inverse_std = norm.batch_forward(x, np.ones(5, "f4"), np.zeros(5, "f4"), 0)
    np.testing.assert_allclose(mean, exact.mean(axis=0), rtol=3e-7)
    np.testing.assert_allclose(variance, exact.var(axis=0), rtol=1e-4)
    np.testing.assert_allclose(inverse_std, 1 / exact.std(axis=0), rtol=1e-4)
    assert y.dtype == np.float32


@pytest.mark.parametrize("take", ["reference", "cpu"])
def test_float32_variance_of_1_around_a_mean_of_10000(take):
    x = (1e4 + np.random.default_rng(0).standard_normal((20_000, 5))).astype(np.float32)
    with pinned(take):
        y, _, variance, _ = norm.batch_forward(x, np.ones(5, "f4"), np.zeros(5, "f4"), 0)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(variance, exact.var(axis=0), rtol=1e-5)
    np.testing.assert_allclose(y, (exact - exact.mean(axis=0)) / exact.std(axis=0), rtol=0, atol=1e-3)


@pytest.mark.parametrize("take", ["reference", "cpu"])
def test_matches_pytorch(take):
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    random = np.random.default_rng(0)
    x, gy = random.standard_normal((2, 50, 4))
    gamma, beta = random.standard_normal((2, 4))
    with pinned(take):
        y, mean, variance, inverse_std = norm.batch_forward(x, gamma, beta, EPSILON)
        gradients = norm.batch_backward(gy, x, gamma, mean, inverse_std)
        inference = norm.batch_inference(x, gamma, beta, mean, variance, EPSILON)
    inputs = [torch.from_numpy(a).requires_grad_() for a in (x, gamma, beta)]
    expected = torch.nn.functional.batch_norm(inputs[0], None, None, *inputs[1:], training=True, eps=EPSILON)
    expected.backward(torch.from_numpy(gy))
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=0, atol=1e-13)
    np.testing.assert_allclose(inference, y, rtol=0, atol=1e-13)
    np.testing.assert_allclose(variance, x.var(axis=0), rtol=1e-13)
    for found, tensor in zip(gradients, inputs, strict=True):
        np.testing.assert_allclose(found, tensor.grad.numpy(), rtol=0, atol=1e-12)


def test_errors_name_the_argument_and_the_shapes():
    x, c = np.zeros((4, 3)), np.zeros(3)
    with pytest.raises(ValueError) as error:
        norm.batch_forward(x, c[:2], c, EPSILON)
    assert str(error.value) == "norm.batch_forward: gamma has shape (2,), but x (shape (4, 3)) has 3 columns"
    with pytest.raises(ValueError, match=r"x must be a matrix \(M, C\), but has shape \(3,\)"):
        norm.batch_inference(c, c, c, c, c, EPSILON)
    with pytest.raises(ValueError, match=r"gy has shape \(3, 3\) but x has \(4, 3\)"):
        norm.batch_backward(x[:3], x, c, c, c)
    with pytest.raises(ValueError, match=r"y has shape \(3, 3\) but x has \(4, 3\)"):
        norm.batch_backward(x, x, c, c, c, x[:3])
    with pytest.raises(
        ValueError, match="batch_forward: activation must be 'relu', 'relu6' or None, not 'tanh'"
    ):
        norm.batch_forward(x, c, c, EPSILON, "tanh")
