"""The CUDA kernel of bilinear interpolation against the definition."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import sampling
from tinynet_kernels.sampling import gpu as take

few = settings(deadline=None, derandomize=True, max_examples=12)
# Folding a place into the image rounds, and a steep image makes more of that.
TOLERANCE = {np.float16: 4e-3, np.float32: 1e-4, np.float64: 1e-11}


@few
@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(0, 4)),
    places=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    border=st.sampled_from(sampling.BORDERS),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
    seed=st.integers(0, 1000),
)
def test_bilinear_agrees_with_the_definition(shape, places, border, dtype, seed, compare_gpu):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape).astype(dtype)
    rows, columns = (rng.uniform(-2 * n, 3 * n, places).astype(dtype) for n in shape[:2])
    fill = rng.standard_normal(shape[2]).astype(dtype)
    compare_gpu(sampling.bilinear, x, rows, columns, border, fill, tolerance=TOLERANCE[dtype])


@pytest.mark.parametrize("border", sampling.BORDERS)
def test_many_places_and_far_ones(border, compare_gpu, rng):
    x = rng.standard_normal((6, 5, 3))
    rows, columns = rng.uniform(-9, 14, (2, 20, 10))
    rows[0, :4] = -1e30, 1e30, -0.0, 5
    if border == "reflect":
        rows[0, :2] = -20, 20  # a place so far that its digits are lost could be anywhere
    compare_gpu(sampling.bilinear, x, rows, columns, border, 0.5)


@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_nan_and_infinity_stay_where_they_are(special, compare_gpu):
    x = np.zeros((6, 6, 1))
    x[0, 0] = special
    rows, columns = np.mgrid[-3.0:8, -3.0:8]
    with np.errstate(invalid="ignore"):
        compare_gpu(sampling.bilinear, x, rows, columns)


@pytest.mark.parametrize("border", sampling.BORDERS)
def test_the_value_at_nan_is_nan(border, gpu):
    """The take itself; on NumPy arrays the function in front of it refuses such places."""
    x, places, fill = np.ones((3, 4, 1)), np.array([[np.nan, 1.0]]), np.zeros(1)
    with gpu.pinned():
        for rows, columns in ((places, places[:, ::-1]), (np.ones_like(places), places)):
            y = take.bilinear(gpu.put(x), gpu.put(rows), gpu.put(columns), border, gpu.put(fill))
            expected = np.where(np.isnan(rows + columns), np.nan, 1)
            np.testing.assert_array_equal(gpu.get(y)[..., 0], expected)


AXES = [(4, 9), (9, 4), (5, 5), (1, 6), (6, 1), (7, 2), (3, 8), (2, 20), (12, 5), (5, 0)]


@pytest.mark.parametrize("method", sampling.METHODS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("inner", [1, 3])
def test_resized_axes_agree_with_the_definition(inner, dtype, method, compare_gpu, rng):
    for old, new in AXES:
        x = rng.standard_normal((2, old, inner)).astype(dtype)
        gy = rng.standard_normal((2, new, inner)).astype(dtype)
        compare_gpu(sampling.resize, x, 1, new, method)
        compare_gpu(sampling.resize_backward, gy, 1, old, method)


@pytest.mark.parametrize("method", sampling.METHODS)
def test_large_places_are_computed_with_more_bits(method, gpu, rng, monkeypatch):
    x, gy = rng.standard_normal((2, 3, 7)), rng.standard_normal((2, 3, 11))
    names = []
    find = take._resizing.function
    monkeypatch.setattr(
        take,
        "_resizing",
        SimpleNamespace(function=lambda *a, **variant: names.append(variant) or find(*a, WHOLE="Index")),
    )
    with gpu.pinned():
        found = (
            sampling.resize(gpu.put(x), 2, 11, method),
            sampling.resize_backward(gpu.put(gy), 2, 7, method),
        )
    assert names == [{"WHOLE": "int"}] * 2
    for y, expected in zip(
        found, (sampling.resize(x, 2, 11, method), sampling.resize_backward(gy, 2, 7, method)), strict=True
    ):
        np.testing.assert_allclose(gpu.get(y), expected, rtol=0, atol=1e-12)
