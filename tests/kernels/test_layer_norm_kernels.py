"""Layer normalisation: accuracy of the statistics, PyTorch's numbers, and agreement of the takes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import norm, pinned

EPSILON = 1e-5
TAKES = pytest.mark.parametrize("take", ["reference", "cpu"])


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    rows=st.sampled_from([0, 1, 2, 16, 33, 300]),
    columns=st.sampled_from([0, 1, 3, 16, 65, 700]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_takes_agree(rows, columns, dtype, compare_takes):
    random = np.random.default_rng(rows + columns)
    x, gy = random.standard_normal((2, rows, columns)).astype(dtype)
    gamma, beta = random.standard_normal((2, columns)).astype(dtype)
    compare_takes(norm.layer_forward, x, gamma, beta, EPSILON)
    compare_takes(norm.layer_forward, x, None, None, EPSILON)
    mean = random.standard_normal(rows).astype(dtype)
    scale = random.uniform(0.5, 2, rows).astype(dtype)
    compare_takes(norm.layer_backward, gy, x, gamma, mean, scale)
    compare_takes(lambda *arrays: norm.layer_backward(*arrays)[0], gy, x, None, mean, scale)


def test_results_too_large_for_the_cache(compare_takes):
    rows = 16 * 2**20 // 4 // 70 + 1
    x, gy = np.random.default_rng(0).standard_normal((2, rows, 70), dtype=np.float32)
    gamma, beta = np.linspace(0.5, 2, 140, dtype=np.float32).reshape(2, 70)
    _, mean, inverse_std = compare_takes(norm.layer_forward, x, gamma, beta, EPSILON)
    with pinned("reference"):
        expected = norm.layer_backward(*(a.astype(np.float64) for a in (gy, x, gamma, mean, inverse_std)))
    with pinned("cpu"):
        found = norm.layer_backward(gy, x, gamma, mean, inverse_std)
    for f, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(f, e, rtol=0, atol=1e-6 * np.abs(e).max())


@TAKES
@pytest.mark.parametrize("columns", [1, 3, 50, 64])
def test_a_constant_row_gives_beta(take, columns):
    x = np.repeat(np.array([[12345.678], [-1e6], [0.1]], np.float32), columns, axis=1)
    beta = np.linspace(-1, 1, columns, dtype=np.float32)
    with pinned(take):
        y, mean, inverse_std = norm.layer_forward(x, np.ones_like(beta), beta, EPSILON)
    np.testing.assert_array_equal(y, np.tile(beta, (3, 1)))
    np.testing.assert_array_equal(mean, x[:, 0])
    np.testing.assert_allclose(inverse_std, EPSILON**-0.5, rtol=1e-6)


@TAKES
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_stay_in_their_row(take, special):
    x = np.random.default_rng(0).standard_normal((5, 40))
    x[1, 7] = special
    with pinned(take), np.errstate(invalid="ignore"):
        y, mean, inverse_std = norm.layer_forward(x, np.ones(40), np.zeros(40), EPSILON)
        gx, _, _ = norm.layer_backward(np.ones_like(x), x, np.ones(40), mean, inverse_std)
    expected = np.arange(5) == 1
    np.testing.assert_array_equal(np.isnan(y).all(axis=1), expected)
    np.testing.assert_array_equal(np.isnan(y).any(axis=1), expected)
    np.testing.assert_array_equal(np.isnan(gx).all(axis=1), expected)
    np.testing.assert_array_equal(np.isnan(gx).any(axis=1), expected)


@TAKES
@pytest.mark.parametrize("mean_of_x", [0, 100, 1e4])
def test_float32_statistics_survive_a_large_mean(take, mean_of_x):
    x = (mean_of_x + np.random.default_rng(0).standard_normal((4, 30_000))).astype(np.float32)
    x[:, 0] = 0
    exact = x.astype(np.float64)
    with pinned(take):
        y, mean, inverse_std = norm.layer_forward(x, None, None, 0)
    np.testing.assert_allclose(mean, exact.mean(axis=1), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(inverse_std, 1 / exact.std(axis=1), rtol=1e-5)
    expected = (exact - exact.mean(axis=1, keepdims=True)) / exact.std(axis=1, keepdims=True)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-6 * np.abs(expected).max() + 1e-7 * mean_of_x)


def test_float32_sums_over_many_rows_are_accurate():
    x, gy = np.random.default_rng(0).random((2, 100_000, 3), np.float32)
    mean, scale, gamma = np.zeros(len(x), np.float32), np.ones(len(x), np.float32), np.ones(3, np.float32)
    with pinned("cpu"):
        _, ggamma, gbeta = norm.layer_backward(gy, x, gamma, mean, scale)
    np.testing.assert_allclose(gbeta, gy.sum(axis=0, dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(ggamma, (x.astype(np.float64) * gy).sum(axis=0), rtol=1e-6)


def test_results_do_not_depend_on_the_number_of_threads():
    numba = pytest.importorskip("numba")
    x, gy = np.random.default_rng(0).standard_normal((2, 3001, 70), dtype=np.float32)
    gamma = x[0]

    def everything():
        y, mean, inverse_std = norm.layer_forward(x, gamma, gamma, EPSILON)
        return y, mean, inverse_std, *norm.layer_backward(gy, x, gamma, mean, inverse_std)

    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        alone = everything()
    finally:
        numba.set_num_threads(before)
    for a, b in zip(alone, everything(), strict=True):
        np.testing.assert_array_equal(a, b)


@TAKES
def test_nothing_to_normalise(take):
    with pinned(take):
        y, mean, inverse_std = norm.layer_forward(np.empty((2, 0)), np.ones(0), np.zeros(0), 0.25)
        empty = norm.layer_backward(y, y, np.ones(0), mean, inverse_std)
        _, ggamma, gbeta = norm.layer_backward(
            np.empty((0, 2)), np.empty((0, 2)), np.ones(2), np.empty(0), np.empty(0)
        )
    assert y.shape == (2, 0)
    np.testing.assert_array_equal([mean, inverse_std], [[0, 0], [2, 2]])
    assert [array.shape for array in empty] == [(2, 0), (0,), (0,)]
    np.testing.assert_array_equal([ggamma, gbeta], np.zeros((2, 2)))


@TAKES
def test_matches_pytorch(take):
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    random = np.random.default_rng(0)
    x, gy = random.standard_normal((2, 50, 37))
    gamma, beta = random.standard_normal((2, 37))
    with pinned(take):
        y, mean, inverse_std = norm.layer_forward(x, gamma, beta, EPSILON)
        gradients = norm.layer_backward(gy, x, gamma, mean, inverse_std)
    inputs = [torch.from_numpy(a).requires_grad_() for a in (x, gamma, beta)]
    expected = torch.nn.functional.layer_norm(inputs[0], (37,), *inputs[1:], eps=EPSILON)
    expected.backward(torch.from_numpy(gy))
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=0, atol=1e-13)
    for found, tensor in zip(gradients, inputs, strict=True):
        np.testing.assert_allclose(found, tensor.grad.numpy(), rtol=0, atol=1e-12)


def test_errors_name_the_argument_and_the_shapes():
    x, c, rows = np.zeros((4, 3)), np.zeros(3), np.zeros(4)
    with pytest.raises(ValueError) as error:
        norm.layer_forward(x, c[:2], c, EPSILON)
    assert str(error.value) == "norm.layer_forward: gamma has shape (2,), but x (shape (4, 3)) has 3 columns"
    with pytest.raises(ValueError, match="layer_forward: give both gamma and beta, or neither"):
        norm.layer_forward(x, c, None, EPSILON)
    with pytest.raises(ValueError, match=r"x must be a matrix \(M, C\), but has shape \(3,\)"):
        norm.layer_forward(c, c, c, EPSILON)
    with pytest.raises(ValueError, match=r"gy has shape \(3, 3\) but x has \(4, 3\)"):
        norm.layer_backward(x[:3], x, c, rows, rows)
    with pytest.raises(ValueError, match=r"mean has shape \(3,\), but x \(shape \(4, 3\)\) has 4 rows"):
        norm.layer_backward(x, x, c, c, rows)
