"""The CUDA kernels of activation functions and of sums over columns against the definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import activation

few = settings(deadline=None, derandomize=True, max_examples=10)
shapes = st.sampled_from([(0,), (), (1,), (7, 3), (2, 0, 3), (4, 8), (5, 4, 6), (1000,), (9, 300)])
dtypes = st.sampled_from([np.float16, np.float32, np.float64])

# name: the parameters, and whether the backward takes the input (it takes the output otherwise)
FUNCTIONS = {
    "relu": ((), False),
    "leaky_relu": ((0.1,), True),
    "elu": ((1.3, 1.05), True),
    "sigmoid": ((), False),
    "silu": ((), True),
    "tanh": ((), False),
    "softplus": ((2.0, 5.0), True),
    "gelu": ((), True),
}


def normal(shape, dtype, count=1):
    random = np.random.default_rng(len(shape))
    return [np.array(3 * random.standard_normal(shape), dtype) for _ in range(count)]


@pytest.mark.parametrize("name", FUNCTIONS)
@few
@given(shape=shapes, dtype=dtypes)
def test_functions_agree_with_the_definition(name, shape, dtype, compare_gpu):
    parameters, takes_input = FUNCTIONS[name]
    x, gy = normal(shape, dtype, 2)
    y = compare_gpu(getattr(activation, name), x, *parameters)
    compare_gpu(getattr(activation, f"{name}_backward"), gy, x if takes_input else y, *parameters)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values_come_out_as_the_formula_says(name, compare_gpu):
    parameters, takes_input = FUNCTIONS[name]
    x = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1e5, -1e5, 80, -80], np.float32)
    gy = np.linspace(1, 2, x.size, dtype=np.float32)
    with np.errstate(all="ignore"):
        y = compare_gpu(getattr(activation, name), x, *parameters)
        compare_gpu(getattr(activation, f"{name}_backward"), gy, x if takes_input else y, *parameters)


@few
@given(shape=shapes, dtype=dtypes)
def test_adding_before_the_rectifier(shape, dtype, compare_gpu):
    compare_gpu(activation.add_relu, *normal(shape, dtype, 2))


def test_a_slope_of_zero_makes_zeros_of_infinities(compare_gpu):
    x, gy = np.array([-1.0, 1.0]), np.array([np.inf, np.inf])
    found = compare_gpu(activation.leaky_relu_backward, gy, x, 0)
    np.testing.assert_array_equal(found, [0, np.inf])


def test_arrays_that_start_anywhere(gpu, same):
    """Memory is read 16 bytes at a time only where all arrays allow it."""
    x = normal((70,), np.float32)[0]
    for start in range(5):
        with gpu.pinned():
            found = gpu.get(activation.sigmoid(gpu.put(x)[start:]))
        same(found, 1 / (1 + np.exp(-x[start:])))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    "shape",
    [(0, 4), (4, 0), (1, 1), (3,), (1000, 1), (301, 6), (70, 64), (40, 3, 65), (5, 200), (3000, 130)],
)
def test_sums_over_columns(shape, dtype, compare_gpu):
    x, gy = normal(shape, dtype, 2)
    compare_gpu(activation.column_sums, x)
    y = np.maximum(x, 0)
    compare_gpu(activation.backward_with_bias, gy, y, "relu")
    compare_gpu(activation.backward_with_bias, gy, None, None)


def test_sums_of_many_rows_keep_the_digits_of_float32(gpu):
    x = np.random.default_rng(0).uniform(0, 1, (200_000, 3)).astype(np.float32)
    with gpu.pinned():
        found = gpu.get(activation.column_sums(gpu.put(x)))
    np.testing.assert_allclose(found, x.sum(axis=0, dtype=np.float64), rtol=2e-7)


def test_sums_of_special_values(compare_gpu):
    x = np.array([[np.inf, np.nan, np.inf], [1, 1, -np.inf]], np.float32)
    with np.errstate(invalid="ignore"):
        compare_gpu(activation.column_sums, x)
