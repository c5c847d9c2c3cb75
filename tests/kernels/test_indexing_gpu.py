"""The CUDA kernels that sum by index: against the definition, to the last bit where its order says so."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import indexing, pinned
from tinynet_kernels.indexing import gpu as take

few = settings(deadline=None, derandomize=True, max_examples=12)


@few
@given(
    size=st.integers(0, 20),
    count=st.integers(1, 9),
    width=st.integers(0, 5),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
    adds=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_sums_agree_with_the_definition(size, count, width, dtype, adds, seed, compare_gpu):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((size, width)).astype(dtype)
    indices = rng.integers(-count, count, size)
    start = rng.standard_normal((count, width)).astype(dtype) if adds else None
    compare_gpu(indexing.add_rows, rows, indices, count, start)


@pytest.mark.parametrize("size", [255, 256, 257, 512, 700, 1025])
@pytest.mark.parametrize("count", [1, 40, 3000])
def test_the_order_of_the_additions_is_that_of_the_rows(size, count, gpu, rng):
    rows = rng.standard_normal((size, 2)).astype(np.float32) * 10.0 ** rng.integers(-4, 5, (size, 1))
    rows, indices = rows.astype(np.float32), rng.integers(-count, count, size)
    with pinned("cpu"):
        expected = indexing.add_rows(rows, indices, count)
    with gpu.pinned():
        for _ in range(2):
            found = gpu.get(indexing.add_rows(gpu.put(rows), gpu.put(indices), count))
            np.testing.assert_array_equal(found, expected)


def test_indices_outside_begin_again_at_the_other_end(gpu):
    with gpu.pinned():
        total = indexing.add_rows(gpu.put(np.ones((4, 1))), gpu.put(np.array([3, 7, -4, -1])), 3)
    assert gpu.get(total)[:, 0].tolist() == [1, 1, 2]


def test_indices_of_fewer_bits(gpu):
    rows = np.ones((3, 2), np.float32)
    for dtype in (np.int32, np.uint8):
        with gpu.pinned():
            total = indexing.add_rows(gpu.put(rows), gpu.put(np.array([4, 0, 4], dtype)), 5)
        assert gpu.get(total)[:, 0].tolist() == [1, 0, 0, 0, 2]


def test_nan_and_infinity_stay_in_their_sums(compare_gpu):
    rows = np.array([[np.inf, 1], [-np.inf, 2], [np.nan, 3], [1, 4]])
    with np.errstate(invalid="ignore"):
        compare_gpu(indexing.add_rows, rows, np.array([0, 0, 1, 2]), 3)


def test_more_than_the_keys_hold_is_refused():
    assert take._position_bits(2**33, 2**30) == 33
    with pytest.raises(ValueError, match=r"^indexing.add_rows: 8589934592 rows and 2147483648 sums are too"):
        take._position_bits(2**33, 2**31)
