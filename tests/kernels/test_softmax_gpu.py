"""The CUDA kernels of softmax and cross-entropy against the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import softmax

few = settings(deadline=None, derandomize=True, max_examples=12)
shapes = st.tuples(st.integers(0, 20), st.integers(1, 70))
dtypes = st.sampled_from([np.float16, np.float32, np.float64])


@few
@given(shape=shapes, dtype=dtypes, seed=st.integers(0, 1000))
def test_softmax_agrees_with_the_definition(shape, dtype, seed, compare_gpu):
    x, gy = (3 * np.random.default_rng(seed).standard_normal((2, *shape))).astype(dtype)
    for forward, backward in (
        (softmax.softmax, softmax.softmax_backward),
        (softmax.log_softmax, softmax.log_softmax_backward),
    ):
        y = compare_gpu(forward, x)
        compare_gpu(backward, gy, y)


def cross_entropy_case(shape, dtype, weighted, ignore_index, seed):
    random = np.random.default_rng(seed)
    logits = random.standard_normal(shape).astype(dtype)
    targets = random.integers(0, shape[1], shape[0])
    if ignore_index is not None:
        targets[::3] = ignore_index
    weights = random.uniform(0, 2, shape[1]).astype(dtype) if weighted else None
    return random.standard_normal(shape[0]).astype(dtype), logits, targets, weights


@few
@given(
    shape=shapes,
    dtype=dtypes,
    weighted=st.booleans(),
    ignore_index=st.sampled_from([None, -100, 0]),
    smoothing=st.sampled_from([0.0, 0.1]),
    target_dtype=st.sampled_from([np.int64, np.int32, np.int8]),
    seed=st.integers(0, 1000),
)
def test_cross_entropy_agrees_with_the_definition(
    shape, dtype, weighted, ignore_index, smoothing, target_dtype, seed, compare_gpu
):
    gy, logits, targets, weights = cross_entropy_case(shape, dtype, weighted, ignore_index, seed)
    options = (targets.astype(target_dtype), weights, ignore_index, smoothing)
    _, log_normalizer = compare_gpu(softmax.cross_entropy_forward, logits, *options)
    compare_gpu(softmax.cross_entropy_backward, gy, logits, log_normalizer, *options)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_long_rows_belong_to_blocks(dtype, compare_gpu):
    gy, logits, targets, weights = cross_entropy_case((3, 1111), dtype, True, None, 0)
    options = (targets, weights, None, 0.1)
    _, log_normalizer = compare_gpu(softmax.cross_entropy_forward, logits, *options)
    compare_gpu(softmax.cross_entropy_backward, gy, logits, log_normalizer, *options)
    y = compare_gpu(softmax.softmax, logits)
    compare_gpu(softmax.softmax_backward, logits[:, ::-1], y)
    y = compare_gpu(softmax.log_softmax, logits)
    compare_gpu(softmax.log_softmax_backward, logits[:, ::-1], y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_logits_come_out_as_the_formula_says(dtype, compare_gpu):
    x = np.array([[1e30, 0, -1e30], [0, -np.inf, 0], [-np.inf] * 3, [np.nan, 0, 0], [np.inf, 0, 0]], dtype)
    with np.errstate(all="ignore"):
        compare_gpu(softmax.softmax, x)
        compare_gpu(softmax.log_softmax, x)
        targets = np.array([0, 1, 0, 2, 0])
        _, log_normalizer = compare_gpu(softmax.cross_entropy_forward, x, targets, None, None, 0)
        gy = np.ones(5, dtype)
        compare_gpu(softmax.cross_entropy_backward, gy, x, log_normalizer, targets, None, None, 0)


def test_a_wrong_target_has_a_loss_and_a_gradient_of_nan(gpu):
    logits, targets = np.zeros((4, 3), np.float32), np.array([0, -100, 3, -1])
    gy = np.ones(4, np.float32)
    with gpu.pinned():
        losses, log_normalizer = softmax.cross_entropy_forward(
            gpu.put(logits), gpu.put(targets), None, -100, 0
        )
        gradient = softmax.cross_entropy_backward(
            gpu.put(gy), gpu.put(logits), log_normalizer, gpu.put(targets), None, -100, 0
        )
    assert np.isnan(gpu.get(losses)).tolist() == [False, False, True, True]
    assert np.isnan(gpu.get(gradient)).all(axis=1).tolist() == [False, False, True, True]
    np.testing.assert_array_equal(gpu.get(gradient)[1], 0)
