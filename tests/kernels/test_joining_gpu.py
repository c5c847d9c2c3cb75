"""The CUDA kernels of joining and taking apart against the definition."""

from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import joining

few = settings(deadline=None, derandomize=True, max_examples=25)


@few
@given(
    rows=st.sampled_from([0, 1, 2, 33]),
    columns=st.lists(st.sampled_from([0, 1, 3, 8, 16, 40]), min_size=1, max_size=10),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
)
def test_columns_are_joined_and_taken_apart(rows, columns, dtype, compare_gpu):
    whole = np.arange(rows * sum(columns)).reshape(rows, sum(columns)).astype(dtype)
    arrays = np.split(whole, list(accumulate(columns))[:-1], axis=1)
    compare_gpu(lambda *given: joining.join(given, 1), *map(np.ascontiguousarray, arrays))
    compare_gpu(lambda given: tuple(joining.split(given, columns, 1)), whole)


@pytest.mark.parametrize("axis", [0, 1, 2, 3])
def test_any_axis(axis, compare_gpu):
    whole = np.random.default_rng(0).standard_normal((6, 7, 8, 9))
    sizes = [1, 3, whole.shape[axis] - 4]
    compare_gpu(lambda given: tuple(joining.split(given, sizes, axis)), whole)
    compare_gpu(lambda *given: joining.join(given, axis), *np.split(whole, [1, 4], axis))


def test_an_array_may_be_joined_with_itself(gpu):
    x = gpu.put(np.arange(6, dtype=np.float32).reshape(2, 3))
    with gpu.pinned():
        whole = gpu.get(joining.join([x, x], 1))
    np.testing.assert_array_equal(whole, [[0, 1, 2, 0, 1, 2], [3, 4, 5, 3, 4, 5]])


def test_four_arrays_take_one_launch(gpu):
    if not hasattr(gpu, "emulator"):
        pytest.skip("launches are counted by the emulation")
    arrays = [gpu.put(np.ones((3, columns), np.float32)) for columns in (1, 0, 2, 3, 4)]
    before = gpu.emulator.launches
    with gpu.pinned():
        whole = joining.join(arrays, 1)
        assert gpu.emulator.launches == before + 1
        joining.split(whole, (1, 0, 2, 3, 4), 1)
        assert gpu.emulator.launches == before + 2
        joining.join([whole, whole], 0)
        assert gpu.emulator.launches == before + 3


def test_what_lies_in_one_piece_already_is_not_copied(gpu):
    whole = gpu.put(np.ones((6, 5), np.float32))
    with gpu.pinned():
        parts = joining.split(whole, (2, 4), 0)
    assert all(part.base is whole for part in parts)
