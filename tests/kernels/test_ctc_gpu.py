"""The CUDA kernel of CTC against the definition, at the extremes of its numbers, and with wrong labels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_ctc_kernels import log_softmax

from tinynet_kernels import ctc, pinned

few = settings(deadline=None, derandomize=True, max_examples=12)


def losses_and_gradient(gpu, x, *labels_and_options):
    with gpu.pinned():
        *labels, blank, is_logits = labels_and_options
        given = [gpu.put(array) for array in (x, *labels)]
        weights = gpu.put(np.ones(x.shape[0], x.dtype))
        found = ctc.losses_and_gradient(*given, blank, is_logits, weights)
        losses = ctc.losses(*given, blank, is_logits)
    np.testing.assert_array_equal(gpu.get(found[0]), gpu.get(losses))
    return tuple(map(gpu.get, found))


@few
@given(
    shape=st.tuples(st.integers(0, 3), st.integers(0, 12), st.integers(2, 40)),
    most=st.sampled_from([0, 1, 3, 10]),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
    integer=st.sampled_from([np.int64, np.int32, np.int8]),
    is_logits=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_takes_agree(shape, most, dtype, integer, is_logits, seed, compare_gpu):
    random = np.random.default_rng(seed)
    N, T, C = shape
    T = T + most // 2
    x = random.normal(scale=2, size=(N, T, C))
    x = (x if is_logits else log_softmax(x)).astype(dtype)
    blank = int(random.integers(C))
    targets = random.integers(0, C - 1, (N, most))
    targets = (targets + (targets >= blank)).astype(integer)
    lengths = random.integers(0, T + 1, N), random.integers(0, most + 1, N)
    options = (targets, *lengths, blank, is_logits)
    compare_gpu(ctc.losses, x, *options)
    compare_gpu(ctc.losses_and_gradient, x, *options, random.normal(size=N).astype(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("labels", [150, 800])
def test_more_states_than_a_team_has_threads_or_shared_memory_has_room(labels, dtype, compare_gpu):
    random = np.random.default_rng(0)
    x = random.normal(size=(1, 8, 5)).astype(dtype)
    targets = random.integers(1, 5, (1, labels))
    options = (targets, np.array([8]), np.array([3]), 0, True, np.ones(1, dtype))
    compare_gpu(ctc.losses_and_gradient, x, *options)
    options = (targets, np.array([8]), np.array([labels]), 0, True, np.ones(1, dtype))
    losses, _ = compare_gpu(ctc.losses_and_gradient, x, *options)
    assert losses[0] == np.inf


def test_all_states_of_a_long_sequence(compare_gpu):
    random = np.random.default_rng(0)
    x, targets = random.normal(size=(1, 300, 9)), random.integers(1, 9, (1, 260))
    options = (targets, np.array([299]), np.array([260]), 0, True, np.ones(1))
    losses, _ = compare_gpu(ctc.losses_and_gradient, x, *options)
    assert np.isfinite(losses).all()


@pytest.mark.parametrize("scale", [2, 30])
def test_many_steps_in_float32(scale, gpu):
    random = np.random.default_rng(0)
    x = random.normal(scale=scale, size=(1, 300, 12)).astype(np.float32)
    options = (random.integers(1, 12, (1, 40)), np.array([300]), np.array([40]), 0, True)
    with pinned("reference"):
        exact = ctc.losses_and_gradient(x.astype(np.float64), *options, np.ones(1))
    losses, gradient = losses_and_gradient(gpu, x, *options)
    np.testing.assert_allclose(losses, exact[0], rtol=1e-6)
    np.testing.assert_allclose(gradient, exact[1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_impossible_labels_have_infinite_loss_and_no_gradient(dtype, gpu):
    x = np.random.default_rng(0).normal(size=(5, 4, 3)).astype(dtype)
    x[4, :, 2] = -np.inf
    targets = np.array([[1, 1, 1], [1, 2, 1], [2, 1, 0], [1, 1, 2], [2, 0, 0]])
    lengths = np.array([4, 2, 0, 4, 4]), np.array([3, 3, 1, 3, 1])
    losses, gradient = losses_and_gradient(gpu, x, targets, *lengths, 0, True)
    np.testing.assert_array_equal(losses == np.inf, [True, True, True, False, True])
    np.testing.assert_array_equal(gradient[[0, 1, 2, 4]], 0)
    assert np.isfinite(gradient[3]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_lowest_number_counts_as_impossible(dtype, gpu):
    log_p = np.full((1, 3, 3), np.finfo(dtype).min)
    log_p[0, :, 1] = 0
    for label, loss in ((1, 0), (2, np.inf)):
        found, _ = losses_and_gradient(
            gpu, log_p, np.array([[label]]), np.array([3]), np.array([1]), 0, False
        )
        assert found == loss


@pytest.mark.parametrize("is_logits", [False, True])
def test_nan_comes_out_where_it_matters(is_logits, gpu):
    x = np.zeros((3, 5, 4), np.float32)
    x[0, 2, 0] = x[1, 4, 1] = np.nan  # the second behind what counts
    lengths = np.array([5, 4, 5]), np.array([2, 2, 2])
    losses, gradient = losses_and_gradient(gpu, x, np.array([[1, 2]] * 3), *lengths, 0, is_logits)
    np.testing.assert_array_equal(np.isnan(losses), [True, False, False])
    assert np.isnan(gradient[0]).all()
    assert np.isfinite(gradient[1:]).all()
    np.testing.assert_array_equal(gradient[1, 4], 0)


def test_wrong_lengths_and_labels_have_a_loss_and_a_gradient_of_nan(gpu):
    x, targets = np.zeros((7, 3, 4), np.float32), np.array([[1, 2]] * 7)
    input_lengths, target_lengths = np.full(7, 3), np.full(7, 2)
    targets[1, 1], targets[2, 0], targets[3, 1] = 4, -1, 0
    input_lengths[4], target_lengths[5], target_lengths[6] = 4, 3, -1
    losses, gradient = losses_and_gradient(gpu, x, targets, input_lengths, target_lengths, 0, True)
    np.testing.assert_array_equal(np.isnan(losses), [False] + 6 * [True])
    assert np.isfinite(gradient[0]).all()
    assert np.isnan(gradient[1:]).all()


def test_loss_and_gradient_take_one_launch(gpu):
    if not hasattr(gpu, "emulator"):
        pytest.skip("only the emulation counts launches")
    before = gpu.emulator.launches
    with gpu.pinned():
        ctc.losses_and_gradient(
            np.zeros((2, 3, 4)), np.array([[1], [2]]), np.array([3, 3]), np.array([1, 1]), 0, True, np.ones(2)
        )
    assert gpu.emulator.launches == before + 1
