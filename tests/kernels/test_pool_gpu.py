"""The CUDA kernels of pooling against the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_pool_kernels import poolings

from tinynet_kernels import pool

few = settings(deadline=None, derandomize=True, max_examples=15)

DTYPES = [np.float16, np.float32, np.float64]


@few
@given(p=poolings(), dtype=st.sampled_from(DTYPES), index_dtype=st.sampled_from([None, np.int64, np.int32]))
def test_takes_agree_on_max(p, dtype, index_dtype, compare_gpu):
    x = p.x.astype(dtype)
    geometry = (p.window, p.stride, p.padding, p.dilation)
    y, indices = compare_gpu(pool.max_forward, x, *geometry)
    gy = p.random.standard_normal(y.shape).astype(dtype)
    if index_dtype is not None:
        indices = np.where(indices == 255, -1, indices.astype(index_dtype))
    compare_gpu(pool.max_backward, gy, indices, p.size, *geometry)
    compare_gpu(pool.max_gather, x, indices, *geometry)


@few
@given(p=poolings(), dtype=st.sampled_from(DTYPES), count_padding=st.booleans())
def test_takes_agree_on_average(p, dtype, count_padding, compare_gpu):
    x = p.x.astype(dtype)
    geometry = (p.window, p.stride, p.padding, count_padding)
    y = compare_gpu(pool.average_forward, x, *geometry)
    gy = p.random.standard_normal(y.shape).astype(dtype)
    compare_gpu(pool.average_backward, gy, p.size, *geometry)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_more_elements_than_a_block_has_threads(dtype, compare_gpu):
    geometry = ((3, 3), (2, 2), ((1, 1), (0, 1)))
    random = np.random.default_rng(0)
    x = np.round(random.standard_normal((2, 9, 12, 20)).astype(dtype), 1)
    y, indices = compare_gpu(pool.max_forward, x, *geometry, (1, 1))
    gy = random.standard_normal(y.shape).astype(dtype)
    compare_gpu(pool.max_backward, gy, indices, (9, 12), *geometry, (1, 1))
    compare_gpu(pool.average_forward, x, *geometry, False)
    compare_gpu(pool.average_backward, gy, (9, 12), *geometry, False)


def test_windows_of_many_elements_have_wide_indices(compare_gpu):
    x = np.random.default_rng(0).standard_normal((2, 21, 17, 2)).astype(np.float32)
    geometry = ((16, 16), (2, 1), ((1, 0), (0, 0)), (1, 1))
    y, indices = compare_gpu(pool.max_forward, x, *geometry)
    assert indices.dtype == np.int32
    compare_gpu(pool.max_backward, y, indices, (21, 17), *geometry)
    compare_gpu(pool.max_gather, x, indices, *geometry)


@pytest.mark.parametrize("shape", [(0, 4, 3), (2, 4, 0)])
def test_empty_arrays(shape, compare_gpu):
    x = np.zeros(shape, np.float32)
    geometry = ((2,), (2,), ((0, 0),))
    y, indices = compare_gpu(pool.max_forward, x, *geometry, (1,))
    compare_gpu(pool.max_backward, y, indices, (4,), *geometry, (1,))
    compare_gpu(
        pool.average_backward, compare_gpu(pool.average_forward, x, *geometry, True), (4,), *geometry, True
    )


def test_nan_and_infinity_come_out_as_the_formula_says(compare_gpu):
    x = np.array([1, np.nan, 3, np.nan, -np.inf, -np.inf, np.inf, 0, -np.inf], np.float32).reshape(1, 9, 1)
    for window, stride in ((2, 1), (3, 3), (2, 2)):
        geometry = ((window,), (stride,), ((1, 1),))
        y, indices = compare_gpu(pool.max_forward, x, *geometry, (1,))
        compare_gpu(pool.max_backward, y, indices, (9,), *geometry, (1,))
        with np.errstate(invalid="ignore"):
            compare_gpu(pool.average_forward, x, *geometry, False)
            compare_gpu(pool.average_backward, y, (9,), *geometry, False)
