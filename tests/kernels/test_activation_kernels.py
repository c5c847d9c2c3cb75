"""Activation functions and their gradients: agreement of the takes, special values, accuracy of the sums."""

from functools import wraps

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


@pytest.mark.parametrize("size", [10, 200_000], ids=["small", "large"])
def test_arrays_that_are_read_only_or_not_aligned(size):
    gy, y = normal((size,), np.float32, 2)
    unaligned = np.frombuffer(bytearray(b" " + y.tobytes()), np.float32, offset=1)
    assert not unaligned.flags.aligned
    gy.flags.writeable = False
    with pinned("cpu"):
        gx = activation.relu_backward(gy, unaligned)
    np.testing.assert_array_equal(gx, np.where(y > 0, gy, 0))


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


def with_parameters(functions, *parameters):
    """Functions with their last arguments given, and False: backward takes the input, not the output."""

    def bind(function):
        return wraps(function)(lambda *arrays: function(*arrays, *parameters))

    return *map(bind, functions), False


SMOOTH = (
    (activation.sigmoid, activation.sigmoid_backward, True),
    (activation.tanh, activation.tanh_backward, True),
    (activation.silu, activation.silu_backward, False),
    (activation.gelu, activation.gelu_backward, False),
    with_parameters((activation.elu, activation.elu_backward), 1.3, 0.9),
    with_parameters((activation.softplus, activation.softplus_backward), 1.5, 12.0),
    with_parameters((activation.leaky_relu, activation.leaky_relu_backward), 0.3),
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
    limits["tanh"], slopes["tanh"] = [np.nan, 1, 0, 1, -1], [np.nan, 0, 1, 0, 0]
    limits["elu"], slopes["elu"] = [np.nan, np.inf, 0, 9e29, -1.17], [np.nan, 0.9, 1.17, 0.9, 0]
    limits["softplus"] = [np.nan, np.inf, np.log(2) / 1.5, 1e30, 0]
    slopes["softplus"] = [np.nan, 1, 0.5, 1, 0]
    limits["leaky_relu"], slopes["leaky_relu"] = [np.nan, np.inf, 0, 1e30, -3e29], [0.3, 1, 0.3, 1, 0.3]
    with pinned(take), np.errstate(invalid="ignore"):
        y = forward(x)
        slope = backward(np.ones_like(x), y if of_output else x)
    np.testing.assert_allclose(y, limits[forward.__name__])
    np.testing.assert_allclose(slope, slopes[forward.__name__])


@pytest.mark.parametrize(("dtype", "units"), [(np.float32, 3), (np.float64, 4)])
def test_functions_near_zero_and_far_below_keep_their_digits(dtype, units):
    tiny = np.finfo(dtype).tiny
    sizes = np.concatenate([np.geomspace(tiny, 1, 20_001), [np.finfo(dtype).smallest_subnormal, tiny / 8]])
    x = np.concatenate([-sizes, sizes, np.linspace(-12, 12, 20_001)]).astype(dtype)
    with pinned("cpu"):
        found = activation.tanh(x), activation.elu(x, 1.0, 1.0), activation.softplus(x, 1.0, np.inf)
    exact = x.astype(np.longdouble)
    with np.errstate(under="ignore"):
        elu = np.where(exact > 0, exact, np.expm1(np.minimum(exact, 0)))
        expected = np.tanh(exact), elu, np.log1p(np.exp(exact))
        for y, e in zip(found, expected, strict=True):
            assert (np.abs(y - e) / np.spacing(np.abs(e).astype(dtype))).max() < units


@settings(deadline=None, derandomize=True, max_examples=30)
@given(shape=shapes, dtype=dtypes)
def test_add_relu_takes_agree(shape, dtype, compare_takes):
    compare_takes(activation.add_relu, *normal(shape, dtype, 2))


@pytest.mark.parametrize("take", ["reference", "cpu"])
def test_add_relu_of_special_values(take):
    x = np.array([np.nan, np.inf, -np.inf, np.inf, 1, -3], np.float32)
    y = np.array([1, 1, 1, -np.inf, 2, 1], np.float32)
    with pinned(take), np.errstate(invalid="ignore"):
        found = activation.add_relu(x, y)
    np.testing.assert_array_equal(found, np.array([np.nan, np.inf, 0, np.nan, 3, 0], np.float32))


@pytest.mark.parametrize("take", ["reference", "cpu"])
def test_leaky_relu_with_slope_zero_stops_infinite_gradients(take):
    with pinned(take):
        found = activation.leaky_relu_backward(np.full(2, np.inf), np.array([-1.0, 1.0]), 0.0)
    np.testing.assert_array_equal(found, [0, np.inf])


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
    with pytest.raises(ValueError, match=r"add_relu: x has shape \(3, 2\) but y has \(2, 2\)"):
        activation.add_relu(gy, gy[:2])
    with pytest.raises(ValueError, match=r"elu_backward: gy has shape \(3, 2\) but x has \(2, 2\)"):
        activation.elu_backward(gy, gy[:2], 1.0, 1.0)
    with pytest.raises(ValueError, match="at least one axis"):
        activation.backward_with_bias(np.ones(()), None, None)
