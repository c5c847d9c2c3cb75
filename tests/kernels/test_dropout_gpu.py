"""The CUDA kernels of dropout: the same random numbers as everywhere else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import dropout


@settings(deadline=None, derandomize=True, max_examples=20)
@given(
    shape=st.lists(st.integers(0, 9), min_size=0, max_size=3).map(tuple),
    p=st.sampled_from([0.0, 1e-12, 0.25, 0.5, 0.9, 1.0]),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
    seed=st.integers(0, 2**32 - 1),
)
def test_it_agrees_with_the_definition(shape, p, dtype, seed, compare_gpu):
    x = np.array(np.random.default_rng(seed).standard_normal(shape), dtype)
    key = (seed, seed ^ 0x5A5A5A5A)
    _, mask = compare_gpu(dropout.forward, x, key, p)
    compare_gpu(dropout.backward, x, mask, p)
    np.testing.assert_array_equal(compare_gpu(dropout.keep_mask, x, shape, key, p), mask)


@pytest.mark.parametrize("size", [1023, 1024, 1025, 5000])
def test_it_agrees_on_several_blocks(size, compare_gpu):
    x = np.random.default_rng(0).standard_normal(size, dtype=np.float32)
    y, mask = compare_gpu(dropout.forward, x, (1, 2), 0.3)
    compare_gpu(dropout.backward, x, mask, 0.3)
    np.testing.assert_array_equal(y != 0, mask)


def test_it_is_a_product(gpu):
    x = np.full(64, np.nan, np.float32)
    x[::2] = np.inf
    with gpu.pinned():
        y, mask = map(gpu.get, dropout.forward(gpu.put(x), (8, 9), 0.5))
    assert np.isnan(y[1::2]).all()
    assert np.isnan(y[::2][~mask[::2]]).all()
    assert (y[::2][mask[::2]] == np.inf).all()
