"""Joining arrays and taking them apart: agreement of the takes, sizes past the cache, threads, errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import joining, pinned


def arrays_of(shapes, dtype=np.float32):
    random = np.random.default_rng(0)
    return [random.standard_normal(shape).astype(dtype) for shape in shapes]


@settings(deadline=None, derandomize=True, max_examples=40)
@given(
    rows=st.sampled_from([0, 1, 63, 64, 1000, 3001]),
    columns=st.lists(st.sampled_from([0, 1, 3, 16, 17, 64, 100]), min_size=1, max_size=4),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_takes_agree(rows, columns, dtype, same):
    arrays = arrays_of([(rows, count) for count in columns], dtype)
    for variant in (arrays, [np.repeat(array, 2, axis=-1)[:, ::2] for array in arrays]):
        with pinned("cpu"):
            whole = joining.join(variant, 1)
            parts = joining.split(whole, columns, 1)
        np.testing.assert_array_equal(whole, np.concatenate(arrays, 1))
        assert whole.dtype == dtype
        for part, array in zip(parts, arrays, strict=True):
            np.testing.assert_array_equal(part, array)


@pytest.mark.parametrize("axis", [0, 1, 2, 3])
@pytest.mark.parametrize("take", ["reference", "cpu"])
def test_any_axis(axis, take):
    shapes = [(9, 10, 11, 12) for _ in range(3)]
    sizes = [60, 1, 30]
    shapes = [(*shape[:axis], size, *shape[axis + 1 :]) for shape, size in zip(shapes, sizes, strict=True)]
    arrays = arrays_of(shapes)
    with pinned(take):
        whole = joining.join(arrays, axis)
        parts = joining.split(whole, sizes, axis)
    np.testing.assert_array_equal(whole, np.concatenate(arrays, axis))
    for part, array in zip(parts, arrays, strict=True):
        np.testing.assert_array_equal(part, array)


@pytest.mark.parametrize("columns", [(64, 32, 16), (60, 31, 7)])
def test_results_too_large_for_the_cache(columns):
    rows = 16 * 2**20 // 4 // sum(columns) + 1
    arrays = arrays_of([(rows, count) for count in columns])
    whole = joining.join(arrays, 1)
    np.testing.assert_array_equal(whole, np.concatenate(arrays, 1))
    for part, array in zip(joining.split(whole, columns, 1), arrays, strict=True):
        np.testing.assert_array_equal(part, array)


def test_takes_apart_what_is_not_contiguous():
    whole = arrays_of([(2000, 2, 100)])[0][:, 1]
    parts = joining.split(whole, (40, 60), 1)
    np.testing.assert_array_equal(np.concatenate(parts, 1), whole)


def test_integers_are_joined_as_well():
    whole = joining.join([np.arange(3), np.arange(2)], 0)
    np.testing.assert_array_equal(whole, [0, 1, 2, 0, 1])


def test_errors_name_the_array_and_the_shapes():
    a, b = np.zeros((2, 3)), np.zeros((4, 3))
    with pytest.raises(ValueError, match=r"joining\.join: at least one array is needed"):
        joining.join([], 0)
    with pytest.raises(ValueError, match=r"there is no axis 2 in an array of shape \(2, 3\)"):
        joining.join([a], 2)
    with pytest.raises(
        ValueError, match=r"array 1 has shape \(4, 3\), but array 0 has \(2, 3\); only axis 1"
    ):
        joining.join([a, b], 1)
    with pytest.raises(ValueError, match="array 1 is float32 but array 0 is float64"):
        joining.join([a, b.astype(np.float32)], 0)
    with pytest.raises(ValueError, match=r"sizes \(1, 1\) add up to 2, but axis 1 .*shape \(2, 3\)\) has 3"):
        joining.split(a, (1, 1), 1)
