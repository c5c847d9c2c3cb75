"""Sums by index: by hand, both takes against each other, errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import indexing, pinned

few = settings(deadline=None, derandomize=True, max_examples=40)


@few
@given(
    size=st.integers(0, 30),
    count=st.integers(1, 9),
    width=st.integers(0, 20),
    dtype=st.sampled_from([np.float32, np.float64]),
    index_dtype=st.sampled_from([np.int64, np.int32, np.uint8]),
    adds=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_takes_agree(size, count, width, dtype, index_dtype, adds, seed, compare_takes):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((size, width)).astype(dtype)
    least = 0 if index_dtype is np.uint8 else -count
    indices = rng.integers(least, count, size).astype(index_dtype)
    start = rng.standard_normal((count, width)).astype(dtype) if adds else None
    total = compare_takes(indexing.add_rows, rows, indices, count, start)
    assert total.shape == (count, width)


@pytest.mark.parametrize("take", ["reference", "cpu"])
def test_by_hand(take):
    rows = np.array([[1.0, 2], [3, 4], [5, np.inf], [-7, np.nan]])
    with pinned(take):
        total = indexing.add_rows(rows, np.array([2, -4, 2, 1]), 4)
        more = indexing.add_rows(rows[:1], np.array([1]), 2, np.array([[0.5, 0.5], [1, 1]]))
    np.testing.assert_array_equal(total, [[3, 4], [-7, np.nan], [6, np.inf], [0, 0]])
    np.testing.assert_array_equal(more, [[0.5, 0.5], [2, 3]])


def test_many_small_numbers_of_16_bits_are_added_in_32():
    total = indexing.add_rows(np.full((4096, 1), 1.0, np.float16), np.zeros(4096, int), 1)
    assert (total.dtype, total.item()) == (np.float16, 4096)


@pytest.mark.parametrize(
    ("error", "changes", "text"),
    [
        (
            ValueError,
            {"rows": np.ones(3)},
            r"rows must be \(M, C\) and indices \(M,\), not \(3,\) and \(2,\)",
        ),
        (ValueError, {"indices": np.zeros(3, int)}, r"not \(2, 3\) and \(3,\)"),
        (ValueError, {"start": np.ones((4, 2))}, r"start has shape \(4, 2\), but count 4 .* need \(4, 3\)"),
        (ValueError, {"count": 0}, "2 rows can't be added to 0 sums"),
        (TypeError, {"indices": np.zeros(2)}, "indices must be integers, not float64"),
        (IndexError, {"indices": np.array([3, 4])}, "index 4 at position 1 is outside 4 rows"),
        (IndexError, {"indices": np.array([-5, 0])}, "index -5 at position 0 is outside 4 rows"),
    ],
)
def test_errors_name_the_argument(error, changes, text):
    arguments = {"rows": np.ones((2, 3)), "indices": np.zeros(2, int), "count": 4, **changes}
    with pytest.raises(error, match=f"^indexing.add_rows: .*{text}"):
        indexing.add_rows(**arguments)


def test_nothing_is_added_to_nothing():
    assert indexing.add_rows(np.ones((0, 3)), np.zeros(0, int), 0).shape == (0, 3)
