"""Activation functions and their gradients: agreement of the takes, special values, accuracy of the sums."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import activation, pinned

shapes = st.sampled_from(
    [(0,), (1,), (7, 3), (2, 0, 3), (300, 1), (5, 4, 6), (9, 700), (70_000, 3), (150, 2048)]
)
dtypes = st.sampled_from([np.float32, np.float64])


def normal(shape, dtype, count=1):
    random = np.random.default_rng(len(shape))
    return [random.standard_normal(shape).astype(dtype) for _ in range(count)]


@settings(deadline=None, derandomize=True, max_examples=40)
@given(shape=shapes, dtype=dtypes)
def test_relu_takes_agree(shape, dtype, compare_takes):
    x, gy = normal(shape, dtype, 2)
    y = compare_takes(activation.relu, x)
    compare_takes(activation.relu_backward, gy, y)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(shape=shapes, dtype=dtypes, name=st.sampled_from([None, "relu"]))
def test_backward_with_bias_takes_agree(shape, dtype, name, compare_takes):
    x, gy = normal(shape, dtype, 2)
    g, gbias = compare_takes(activation.backward_with_bias, gy, np.maximum(x, 0) if name else None, name)
    assert g.shape == shape
    assert gbias.shape == shape[-1:]


@pytest.mark.parametrize("take", ["reference", "cpu"])
def test_relu_of_special_values(take):
    x = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-45, -1e-45], np.float32)
    gy = np.full_like(x, np.inf)
    with pinned(take):
        y = activation.relu(x)
        np.testing.assert_array_equal(y, np.array([np.nan, np.inf, 0, 0, 0, 1e-45, 0], np.float32))
        expected = np.array([0, np.inf, 0, 0, 0, np.inf, 0], np.float32)
        np.testing.assert_array_equal(activation.relu_backward(gy, y), expected)
        g, gbias = activation.backward_with_bias(gy[:, None], y[:, None], "relu")
    np.testing.assert_array_equal(g[:, 0], expected)
    np.testing.assert_array_equal(gbias, np.inf)


@pytest.mark.parametrize("columns", [1, 3, 64])
def test_bias_gradient_of_a_million_rows_keeps_the_digits_of_float32(columns):
    gy = np.random.default_rng(0).uniform(0, 1, (1_000_000, columns)).astype(np.float32)
    with pinned("cpu"):
        _, gbias = activation.backward_with_bias(gy, None, None)
        g, masked = activation.backward_with_bias(gy, gy - np.float32(0.5), "relu")
    np.testing.assert_allclose(gbias, gy.sum(axis=0, dtype=np.float64), rtol=3e-7)
    np.testing.assert_allclose(masked, g.sum(axis=0, dtype=np.float64), rtol=3e-7)


def test_results_too_large_for_the_cache(compare_takes):
    x, gy = np.random.default_rng(0).standard_normal((2, 16 * 2**20 // 4 // 6 + 1, 6), dtype=np.float32)
    y = compare_takes(activation.relu, x)
    compare_takes(activation.relu_backward, gy, y)
    g, _ = activation.backward_with_bias(gy, y, "relu")
    np.testing.assert_array_equal(g, np.where(y > 0, gy, 0))


def test_column_sums_do_not_depend_on_the_number_of_threads():
    numba = pytest.importorskip("numba")
    gy, y = np.random.default_rng(0).standard_normal((2, 50_001, 6), dtype=np.float32)
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        alone = activation.column_sums(gy), activation.backward_with_bias(gy, y, "relu")[1]
    finally:
        numba.set_num_threads(before)
    together = activation.column_sums(gy), activation.backward_with_bias(gy, y, "relu")[1]
    np.testing.assert_array_equal(alone, together)


SMOOTH = (
    (activation.sigmoid, activation.sigmoid_backward, True),
    (activation.silu, activation.silu_backward, False),
    (activation.gelu, activation.gelu_backward, False),
)
smooth = pytest.mark.parametrize(
    ("forward", "backward", "of_output"), SMOOTH, ids=lambda value: getattr(value, "__name__", "")
)


@smooth
@pytest.mark.parametrize("shape", [(0,), (3, 5), (40_001,)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_smooth_takes_agree(forward, backward, of_output, shape, dtype, compare_takes):
    x, gy = normal(shape, dtype, 2)
    y = compare_takes(forward, 3 * x)
    compare_takes(backward, gy, y if of_output else 3 * x)


@smooth
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 4e-7), (np.float64, 1e-15)])
def test_smooth_functions_are_exact_to_the_last_digits(forward, backward, of_output, dtype, tolerance):
    x = np.concatenate([np.linspace(-12, 12, 10_001), np.linspace(-0.7, 0.7, 1001)]).astype(dtype)
    one = np.ones_like(x)
    with pinned("cpu"):
        found = forward(x)
        slope = backward(one, found if of_output else x)
    with pinned("reference"):
        expected = forward(x.astype(np.float64))
        expected_slope = backward(one.astype(np.float64), expected if of_output else x.astype(np.float64))
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(slope, expected_slope, rtol=tolerance, atol=tolerance)


@smooth
@pytest.mark.parametrize("take", ["reference", "cpu"])
def test_smooth_functions_of_special_values(take, forward, backward, of_output):
    x = np.array([np.nan, np.inf, 0.0, 1e30, -1e30], np.float32)
    limits = {"sigmoid": [np.nan, 1, 0.5, 1, 0], "silu": [np.nan, np.inf, 0, 1e30, 0]}
    slopes = {"sigmoid": [np.nan, 0, 0.25, 0, 0], "silu": [np.nan, np.nan, 0.5, 1, 0]}
    limits["gelu"], slopes["gelu"] = limits["silu"], [np.nan, 1, 0.5, 1, 0]
    with pinned(take), np.errstate(invalid="ignore"):
        y = forward(x)
        slope = backward(np.ones_like(x), y if of_output else x)
    np.testing.assert_allclose(y, limits[forward.__name__])
    np.testing.assert_allclose(slope, slopes[forward.__name__])


def test_without_activation_the_gradient_is_not_copied():
    gy = np.ones((3, 2), np.float32)
    assert activation.backward_with_bias(gy, None, None)[0] is gy


def test_errors_name_the_argument():
    gy = np.ones((3, 2))
    with pytest.raises(ValueError) as error:
        activation.backward_with_bias(gy, gy, "tanh")
    assert str(error.value) == "activation.backward_with_bias: activation must be 'relu' or None, not 'tanh'"
    with pytest.raises(ValueError, match=r"backward_with_bias: gy has shape \(3, 2\) but y has None"):
        activation.backward_with_bias(gy, None, "relu")
    with pytest.raises(ValueError, match=r"relu_backward: gy has shape \(3, 2\) but y has \(2, 2\)"):
        activation.relu_backward(gy, gy[:2])
    with pytest.raises(ValueError, match="at least one axis"):
        activation.backward_with_bias(np.ones(()), None, None)
