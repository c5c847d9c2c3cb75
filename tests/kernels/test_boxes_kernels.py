"""Boxes: by hand, against a plain loop, against PyTorch's gradients, and both takes against each other."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import boxes, pinned

few = settings(deadline=None, derandomize=True, max_examples=60)

TAKES = pytest.mark.parametrize("take", ["reference", "cpu"])
DTYPES = [np.float32, np.float64]


def drawn(rng, *shape, dtype=np.float64, whole=False):
    """Boxes in a field of 10 × 10, some without area; with whole coordinates many edges coincide."""
    start = rng.uniform(0, 8, (*shape, 2))
    ends = start + np.maximum(rng.uniform(-1, 5, (*shape, 2)), 0)
    found = np.concatenate([start, ends], axis=-1)
    return (np.round(found) if whole else found).astype(dtype)


def overlap(a, b):
    """The definition for two boxes of plain numbers."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    areas = [max(x1 - x0, 0) * max(y1 - y0, 0) for x0, y0, x1, y1 in (a, b)]
    return shared / (sum(areas) - shared) if sum(areas) > 0 else 0.0


def kept_by_loop(boxes, scores, threshold, groups, least_score):
    """Greedy suppression as it is told: take the best that is left, strike out what it overlaps."""
    left = [i for i in range(len(boxes)) if scores[i] >= least_score]
    kept = []
    while left:
        best = max(left, key=lambda i: (scores[i], -i))
        kept.append(best)
        left = [
            i
            for i in left
            if i != best and not (groups[i] == groups[best] and overlap(boxes[best], boxes[i]) > threshold)
        ]
    return kept


def indices(result):
    """The indices that are kept, of one set of boxes, after a look at how they are filled up."""
    kept, count = result
    assert kept.dtype == count.dtype == np.int64
    assert (kept[int(count) :] == -1).all()
    return kept[: int(count)].tolist()


@TAKES
def test_overlaps_by_hand(take):
    a = np.array([[0.0, 0, 2, 2]])
    b = np.array([[0.0, 0, 2, 2], [1, 1, 3, 3], [0, 0, 1, 1], [2, 0, 4, 2], [5, 5, 6, 6], [-1, 0, 1, 4]])
    with pinned(take):
        found = boxes.intersection_over_union(a, b)
    np.testing.assert_allclose(found, [[1, 1 / 7, 1 / 4, 0, 0, 1 / 5]], rtol=1e-15)


@few
@given(
    sets=st.sampled_from([(), (1,), (3,), (2, 2), (0,)]),
    counts=st.tuples(st.integers(0, 5), st.sampled_from([0, 1, 5, 17, 40])),
    whole=st.booleans(),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 2**32 - 1),
)
def test_takes_agree(sets, counts, whole, dtype, seed, compare_takes):
    rng = np.random.default_rng(seed)
    a, b = (drawn(rng, *sets, count, dtype=dtype, whole=whole) for count in counts)
    y = compare_takes(boxes.intersection_over_union, a, b)
    assert y.shape == (*sets, *counts)
    gy = rng.standard_normal(y.shape).astype(dtype)
    with np.errstate(over="ignore"):
        compare_takes(boxes.intersection_over_union_backward, gy, a, b)


@few
@given(
    sets=st.sampled_from([(), (1,), (3,), (2, 2), (0,)]),
    count=st.sampled_from([0, 1, 2, 9, 40, 200]),
    groups=st.integers(1, 3),
    threshold=st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 2**32 - 1),
)
def test_suppression_takes_agree(sets, count, groups, threshold, dtype, seed, compare_takes):
    rng = np.random.default_rng(seed)
    candidates = drawn(rng, *sets, count, dtype=dtype, whole=True)
    scores = (rng.integers(0, 8, (*sets, count)) / 8).astype(dtype)  # many are equal
    labels = rng.integers(0, groups, (*sets, count)) if groups > 1 else None
    kept, _ = compare_takes(boxes.suppress, candidates, scores, threshold, labels, 0.25)
    assert kept.shape == scores.shape


@pytest.mark.parametrize(
    ("take", "dtype"), [("reference", np.float16), *itertools.product(("reference", "cpu"), DTYPES)]
)
@pytest.mark.parametrize("threshold", [0.0, 0.2, 1 / 3, 0.5, 0.9])
def test_against_plain_loops(take, dtype, threshold, rng):
    a, b = drawn(rng, 9, dtype=dtype, whole=True), drawn(rng, 60, dtype=dtype, whole=True)
    scores, groups = (rng.integers(0, 32, 60) / 32).astype(dtype), rng.integers(0, 3, 60)
    with pinned(take):
        overlaps = boxes.intersection_over_union(a, b)
        found = indices(boxes.suppress(b, scores, threshold, groups, 0.25))
    a, b = a.tolist(), b.tolist()
    assert found == kept_by_loop(b, scores.tolist(), threshold, groups, 0.25)
    expected = [[overlap(one, other) for other in b] for one in a]
    np.testing.assert_allclose(overlaps, expected, rtol=0, atol=np.finfo(dtype).eps)
    assert overlaps.dtype == dtype


@TAKES
@pytest.mark.parametrize("whole", [False, True])
def test_gradients_match_pytorch(take, whole, rng):
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    arrays = drawn(rng, 2, 7, whole=whole), drawn(rng, 2, 9, whole=whole)
    gy = rng.standard_normal((2, 7, 9))
    with pinned(take):
        found = boxes.intersection_over_union_backward(gy, *arrays)
    twins = [torch.tensor(array, requires_grad=True) for array in arrays]
    a, b = twins[0][:, :, None], twins[1][:, None]

    def area(low, high):
        return torch.relu(high - low).prod(dim=-1)

    shared = area(torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:]))
    union = area(a[..., :2], a[..., 2:]) + area(b[..., :2], b[..., 2:]) - shared
    y = torch.where(union == 0, 0, shared / torch.where(union == 0, 1, union))
    expected = torch.autograd.grad(y, twins, torch.tensor(gy))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=1e-12)


@TAKES
def test_boxes_without_area_overlap_nothing(take):
    line, point, inverted = [0.0, 0, 3, 0], [1.0, 1, 1, 1], [2.0, 2, 0, 0]
    flat = np.array([line, point, inverted])
    whole = np.array([[0.0, 0, 3, 3]])
    with pinned(take):
        assert not boxes.intersection_over_union(flat, np.concatenate([flat, whole])).any()
        ga, gb = boxes.intersection_over_union_backward(np.ones((3, 3)), flat, flat)
        kept = indices(boxes.suppress(np.repeat(flat, 2, axis=0), np.ones(6), 0.0))
    assert not ga.any()
    assert not gb.any()
    assert kept == [0, 1, 2, 3, 4, 5]


@TAKES
@pytest.mark.parametrize("corner", range(4))
def test_nan_stays_with_its_box(take, corner):
    a = np.tile([0.0, 0, 2, 2], (3, 1))
    a[1, corner] = np.nan
    with pinned(take):
        found = boxes.intersection_over_union(a, a)
        ga, gb = boxes.intersection_over_union_backward(np.eye(3), a, a)
        kept = indices(boxes.suppress(a, np.array([0.5, 0.9, 0.7]), 0.5))
    is_nan = np.array([False, True, False])
    np.testing.assert_array_equal(np.isnan(found), is_nan[:, None] | is_nan)
    assert np.isnan([ga, gb]).all()  # also of a box that overlaps one with NaN by a weight of 0
    assert kept == [1, 2]


@TAKES
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shared", "threshold"), [(3, 0.3), (1, 0.1), (7, 0.7), (5, 0.5), (6, 0.6)])
def test_an_overlap_of_exactly_the_threshold_is_no_reason(take, dtype, shared, threshold):
    """Two boxes of which one lies in the other, with a tenth of its area for each of `shared`."""
    pair = np.array([[0, 0, 10, 1], [0, 0, shared, 1]], dtype)
    with pinned(take):
        assert indices(boxes.suppress(pair, np.ones(2, dtype), threshold)) == [0, 1]
        assert indices(boxes.suppress(pair, np.ones(2, dtype), threshold - 1e-5)) == [0]


@TAKES
def test_a_box_that_is_silenced_silences_nobody(take):
    chain = np.array([[0.0, 0, 10, 1], [4, 0, 14, 1], [8, 0, 18, 1]])
    with pinned(take):
        assert indices(boxes.suppress(chain, np.array([0.9, 0.8, 0.7]), 0.4)) == [0, 2]
        assert indices(boxes.suppress(chain, np.array([0.8, 0.9, 0.7]), 0.4)) == [1]
        assert indices(boxes.suppress(chain, np.array([0.9, 0.8, 0.7]), 0.4, np.array([1, 2, 2]))) == [0, 1]


@TAKES
def test_scores_decide_who_takes_part(take):
    apart = np.array([[0.0, 0, 1, 1], [2, 0, 3, 1], [4, 0, 5, 1], [6, 0, 7, 1], [8, 0, 9, 1]])
    scores = np.array([0.6, np.nan, 0.59, np.inf, -np.inf])
    with pinned(take):
        assert indices(boxes.suppress(apart, scores, 0.5)) == [3, 0, 2, 4]
        assert indices(boxes.suppress(apart, scores, 0.5, None, 0.6)) == [3, 0]
        assert indices(boxes.suppress(apart, scores, 0.5, None, np.inf)) == [3]


def test_results_do_not_depend_on_the_number_of_threads(rng):
    numba = pytest.importorskip("numba")
    a, b = drawn(rng, 3, 200, dtype=np.float32), drawn(rng, 3, 300, dtype=np.float32)
    gy, scores = rng.standard_normal((3, 200, 300), dtype=np.float32), rng.random((3, 300), np.float32)

    def everything():
        return (
            boxes.intersection_over_union(a, b),
            *boxes.intersection_over_union_backward(gy, a, b),
            *boxes.suppress(b, scores, 0.3),
        )

    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        alone = everything()
    finally:
        numba.set_num_threads(before)
    for one, other in zip(alone, everything(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_errors_name_the_argument_and_the_shapes():
    a, scores = np.zeros((2, 3, 4)), np.zeros((2, 3))
    with pytest.raises(ValueError) as error:
        boxes.intersection_over_union(a, a[0])
    assert str(error.value) == (
        "boxes.intersection_over_union: a (shape (2, 3, 4)) and b (shape (3, 4)) must have the same axes "
        "before their last two"
    )
    with pytest.raises(ValueError, match=r"union: b must be boxes \(..., N, 4\), but has shape \(2, 3, 3\)"):
        boxes.intersection_over_union(a, a[..., :3])
    with pytest.raises(ValueError, match=r"gy has shape \(2, 3\), but a \(shape \(2, 3, 4\)\) and b .* need"):
        boxes.intersection_over_union_backward(scores, a, a)
    with pytest.raises(ValueError, match=r"suppress: scores have shape \(3,\), but boxes .* need \(2, 3\)"):
        boxes.suppress(a, scores[0], 0.5)
    with pytest.raises(ValueError, match=r"groups have shape \(2,\), but boxes \(shape \(2, 3, 4\)\)"):
        boxes.suppress(a, scores, 0.5, np.zeros(2, int))
    with pytest.raises(TypeError, match="groups must be integers, not float64"):
        boxes.suppress(a, scores, 0.5, scores)
    with pytest.raises(ValueError, match=r"threshold must be from 0 to 1, not 1\.5"):
        boxes.suppress(a, scores, 1.5)
    with pytest.raises(TypeError, match="boxes must be floating-point, not int64"):
        boxes.suppress(a.astype(int), scores, 0.5)
