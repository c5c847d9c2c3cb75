"""The CUDA kernels of boxes against the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import boxes

few = settings(deadline=None, derandomize=True, max_examples=12)
dtypes = st.sampled_from([np.float16, np.float32, np.float64])


def drawn(rng, *shape, dtype=np.float32, whole=False):
    """Boxes in a field of 10 × 10, some without area; with whole coordinates many edges coincide."""
    start = rng.uniform(0, 8, (*shape, 2))
    ends = start + np.maximum(rng.uniform(-1, 5, (*shape, 2)), 0)
    found = np.concatenate([start, ends], axis=-1)
    return (np.round(found) if whole else found).astype(dtype)


@few
@given(
    sets=st.sampled_from([(), (3,), (2, 2), (0,)]),
    counts=st.tuples(st.sampled_from([0, 1, 5, 40]), st.sampled_from([0, 1, 7, 65])),
    whole=st.booleans(),
    dtype=dtypes,
    seed=st.integers(0, 1000),
)
def test_overlaps_agree_with_the_definition(sets, counts, whole, dtype, seed, compare_gpu):
    rng = np.random.default_rng(seed)
    a, b = (drawn(rng, *sets, count, dtype=dtype, whole=whole) for count in counts)
    y = compare_gpu(boxes.intersection_over_union, a, b)
    gy = rng.standard_normal(y.shape).astype(dtype)
    compare_gpu(boxes.intersection_over_union_backward, gy, a, b)


def test_more_rows_than_a_block_of_threads_serves(compare_gpu, rng):
    a, b = drawn(rng, 300, dtype=np.float64), drawn(rng, 3, dtype=np.float64)
    y = compare_gpu(boxes.intersection_over_union, a, b)
    compare_gpu(boxes.intersection_over_union_backward, rng.standard_normal(y.shape), a, b)


@few
@given(
    sets=st.sampled_from([(), (3,), (2, 2), (0,)]),
    count=st.sampled_from([0, 1, 9, 63, 64, 65, 130]),
    groups=st.integers(1, 3),
    threshold=st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]),
    dtype=dtypes,
    seed=st.integers(0, 1000),
)
def test_suppression_agrees_with_the_definition(sets, count, groups, threshold, dtype, seed, compare_gpu):
    rng = np.random.default_rng(seed)
    candidates = drawn(rng, *sets, count, dtype=dtype, whole=True)
    scores = (rng.integers(0, 32, (*sets, count)) / 32).astype(dtype)  # many are equal
    labels = rng.integers(0, groups, (*sets, count)).astype(np.int32) if groups > 1 else None
    compare_gpu(boxes.suppress, candidates, scores, threshold, labels, 0.25)


def test_suppression_over_many_words(compare_gpu, rng):
    small = drawn(rng, 500)
    scores = rng.permutation(500).astype(np.float32)
    _, count = compare_gpu(boxes.suppress, small, scores, 0.2)
    assert 10 < count < 300
    compare_gpu(boxes.suppress, small, scores, 0.2, None, 250.0)


def test_nan_and_degenerate_boxes(compare_gpu):
    special = np.array(
        [[0, 0, 2, 2], [0, np.nan, 2, 2], [0, 0, 2, 2], [1, 1, 1, 1], [2, 2, 0, 0]], np.float32
    )
    scores = np.array([0.5, 0.9, 0.7, np.nan, 0.6], np.float32)
    y = compare_gpu(boxes.intersection_over_union, special, special)
    assert np.isnan(y).sum() == 9
    compare_gpu(boxes.intersection_over_union_backward, np.eye(5, dtype=np.float32), special, special)
    kept, count = compare_gpu(boxes.suppress, special, scores, 0.5)
    assert kept.tolist() == [1, 2, 4, -1, -1]
    assert count == 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("shared", "threshold"), [(3, 0.3), (1, 0.1), (7, 0.7), (6, 0.6)])
def test_an_overlap_of_exactly_the_threshold_is_no_reason(dtype, shared, threshold, compare_gpu):
    pair = np.array([[0, 0, 10, 1], [0, 0, shared, 1]], dtype)
    kept, _ = compare_gpu(boxes.suppress, pair, np.ones(2, dtype), threshold)
    assert kept.tolist() == [0, 1]


def test_suppression_is_three_launches_however_many_boxes_and_sets(gpu, rng):
    if not hasattr(gpu, "emulator"):
        pytest.skip("launches are counted by the emulation")
    candidates, scores = drawn(rng, 3, 70), rng.random((3, 70), np.float32)
    before = gpu.emulator.launches
    with gpu.pinned():
        boxes.suppress(candidates, scores, 0.5)
    assert gpu.emulator.launches - before == 3
