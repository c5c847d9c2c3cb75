"""The vectorised exponential and the maximum by integers, against NumPy."""

import numpy as np
import pytest

numba = pytest.importorskip("numba")

from tinynet_kernels.compile import inner  # noqa: E402
from tinynet_kernels.simd.exponential import exponential, exponential_minus_one  # noqa: E402
from tinynet_kernels.simd.ordering import from_ordered_integer, ordered_integer  # noqa: E402
from tinynet_kernels.simd.parts import part  # noqa: E402
from tinynet_kernels.simd.polynomial import make_polynomial  # noqa: E402


@inner(cache=False)
def exponentials(x, y):
    for i in range(x.size):
        y[i] = exponential(x[i])


@inner(cache=False)
def exponentials_minus_one(x, y):
    for i in range(x.size):
        y[i] = exponential_minus_one(x[i])


@inner(cache=False)
def polynomials(x, y):
    for i in range(x.size):
        y[i] = cubic(x[i])


cubic = make_polynomial(2, -3, 0, 0.5)


@inner(cache=False)
def largest(x):
    best = ordered_integer(x[0])
    for i in range(1, x.size):
        best = max(best, ordered_integer(x[i]))
    return from_ordered_integer(x[0], best)


@inner(cache=False)
def fill_part(x, first, last):
    piece = part(x, first, last)
    for i in range(piece.size):
        piece[i] = 1
    return piece.size


@pytest.mark.parametrize(
    ("dtype", "low", "high", "units"), [(np.float32, -87, 88.7, 1.1), (np.float64, -708, 709.7, 2)]
)
def test_error_in_units_in_the_last_place(dtype, low, high, units):
    x = np.concatenate([np.linspace(low, high, 300_001), np.linspace(-1, 1, 100_001)]).astype(dtype)
    y = np.empty_like(x)
    exponentials(x, y)
    exact = np.exp(x.astype(np.longdouble))
    assert (np.abs(y - exact) / np.spacing(exact.astype(dtype))).max() < units


@pytest.mark.parametrize(("dtype", "high"), [(np.float32, 88.7), (np.float64, 709.7)])
def test_minus_one_keeps_its_digits_near_zero(dtype, high):
    sizes = np.geomspace(np.finfo(dtype).tiny, 1, 30_001)
    x = np.concatenate([-sizes, sizes, np.linspace(-50, high, 100_001), [-0.0, -1e30]]).astype(dtype)
    y = np.empty_like(x)
    exponentials_minus_one(x, y)
    exact = np.expm1(x.astype(np.longdouble))
    assert (np.abs(y - exact) / np.spacing(np.abs(exact).astype(dtype))).max() < 4
    exponentials_minus_one(np.array([np.nan, np.inf], dtype), y[:2])
    np.testing.assert_array_equal(y[:2], [np.nan, np.inf])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_polynomial(dtype):
    x = np.array([0, 1, -2, 0.25], dtype)
    y = np.empty_like(x)
    polynomials(x, y)
    np.testing.assert_array_equal(y, 2 * x**3 - 3 * x**2 + np.array(0.5, dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_values(dtype):
    x = np.array([np.nan, np.inf, -np.inf, 0, -0.0, 1e30, -1e30], dtype)
    y = np.empty_like(x)
    exponentials(x, y)
    np.testing.assert_array_equal(y, np.array([np.nan, np.inf, 0, 1, 1, np.inf, 0], dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_below_the_normal_numbers(dtype):
    edge = np.log(np.finfo(dtype).tiny)
    x = np.linspace(edge - 20, edge, 1001).astype(dtype)
    y = np.empty_like(x)
    exponentials(x, y)
    with np.errstate(under="ignore"):
        np.testing.assert_allclose(y, np.exp(x), rtol=0, atol=2 * np.finfo(dtype).smallest_subnormal)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_maximum_by_integers(dtype):
    random = np.random.default_rng(0)
    for values in (random.standard_normal(100), -random.random(37), [-np.inf, -1e30, -0.0], [1.0, np.inf]):
        x = np.array(values, dtype)
        assert largest(x) == x.max()


def test_parts_end_where_the_array_does():
    x = np.zeros(10)
    assert fill_part(x, 2, 5) == 3
    assert fill_part(x[1::2], 3, 99) == 2
    assert fill_part(x, 10, 20) == fill_part(x[:0], 5, 8) == 0
    np.testing.assert_array_equal(x, [0, 0, 1, 1, 1, 0, 0, 1, 0, 1])
