"""CTC: every alignment counted one by one, the extremes of its numbers, and agreement of the takes."""

from itertools import groupby, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import ctc, pinned

few = settings(deadline=None, derandomize=True, max_examples=60)

TAKES = pytest.mark.parametrize("take", ["reference", "cpu"])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def log_softmax(x):
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def labels_of(alignment, blank):
    return tuple(label for label, _ in groupby(alignment) if label != blank)


def by_enumeration(p, blank):
    """The probability of every label sequence, and its derivative by ln p (T, C)."""
    T, C = p.shape
    whole, derivatives = {}, {}
    for alignment in product(range(C), repeat=T):
        probability = np.prod(p[range(T), alignment])
        labels = labels_of(alignment, blank)
        whole[labels] = whole.get(labels, 0) + probability
        derivatives.setdefault(labels, np.zeros((T, C)))[range(T), alignment] += probability
    return whole, derivatives


@TAKES
@pytest.mark.parametrize("blank", [0, 1, 2])
@pytest.mark.parametrize("T", range(7))
def test_every_small_case_equals_the_sum_over_all_alignments(take, T, blank):
    log_p = log_softmax(np.random.default_rng(T).normal(size=(T, 3)))
    whole, derivatives = by_enumeration(np.exp(log_p), blank)
    classes = [c for c in range(3) if c != blank]
    sequences = [labels for length in range(4) for labels in product(classes, repeat=length)]
    targets = np.array([[*labels, *[-1] * (3 - len(labels))] for labels in sequences])
    N = len(sequences)
    lengths = np.full(N, T), np.array([len(labels) for labels in sequences])
    x = np.broadcast_to(log_p, (N, T, 3))
    with pinned(take):
        losses, gradient = ctc.losses_and_gradient(x, targets, *lengths, blank, False, np.ones(N))
    expected = -np.log([whole.get(labels, 1e-300) for labels in sequences])
    possible = np.array([labels in whole for labels in sequences])
    np.testing.assert_allclose(losses[possible], expected[possible], rtol=1e-13, atol=1e-14)
    np.testing.assert_array_equal(losses[~possible], np.inf)
    np.testing.assert_array_equal(gradient[~possible], 0)
    for labels, found in zip(sequences, gradient, strict=True):
        if labels in whole:
            np.testing.assert_allclose(found, -derivatives[labels] / whole[labels], rtol=1e-12, atol=1e-14)


@few
@given(
    shape=st.tuples(st.integers(0, 5), st.integers(0, 12), st.integers(2, 20)),
    most=st.integers(0, 40),
    dtype=st.sampled_from([np.float32, np.float64]),
    integer=st.sampled_from([np.int64, np.int32, np.int8]),
    is_logits=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_takes_agree(shape, most, dtype, integer, is_logits, seed, compare_takes):
    random = np.random.default_rng(seed)
    N, T, C = shape
    T = T + most // 2
    x = random.normal(scale=3, size=(N, T, C))
    x = (x if is_logits else log_softmax(x)).astype(dtype)
    blank = int(random.integers(C))
    targets = random.integers(0, C - 1, (N, most))
    targets = (targets + (targets >= blank)).astype(integer)
    lengths = random.integers(0, T + 1, N), random.integers(0, most + 1, N)
    options = (targets, *lengths, blank, is_logits)
    losses = compare_takes(ctc.losses, x, *options)
    again, _ = compare_takes(ctc.losses_and_gradient, x, *options, random.normal(size=N).astype(dtype))
    np.testing.assert_array_equal(again, losses)


@few
@given(is_logits=st.booleans(), scale=st.sampled_from([1, 30, 1000, 30_000]), seed=st.integers(0, 1000))
def test_peaked_scores_lose_no_alignment(is_logits, scale, seed):
    """However improbable the labels are, where float64 logarithms find a loss there is one."""
    random = np.random.default_rng(seed)
    x = random.normal(scale=scale, size=(4, 30, 7))
    x = (x if is_logits else log_softmax(x)).astype(np.float32)
    targets = random.integers(1, 7, (4, 12))
    options = (targets, np.array([30, 24, 30, 12]), np.array([12, 12, 1, 12]), 0, is_logits)
    with pinned("reference"):
        expected = ctc.losses_and_gradient(x, *options, np.ones(4, np.float32))
    with pinned("cpu"):
        found = ctc.losses_and_gradient(x, *options, np.ones(4, np.float32))
    np.testing.assert_array_equal(np.isfinite(found[0]), np.isfinite(expected[0]))
    finite = np.isfinite(expected[0])
    np.testing.assert_allclose(found[0][finite], expected[0][finite], rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(found[1], expected[1], rtol=0, atol=2e-5)


@TAKES
@pytest.mark.parametrize("certain", [0, 1])
def test_a_network_that_is_sure_of_the_wrong_class(take, certain):
    """Probabilities of e^−200 at every step: the product is far below float64, its logarithm is not."""
    logits = np.zeros((1, 50, 4), np.float32)
    logits[:, :, certain] = 200
    with pinned(take):
        losses, gradient = ctc.losses_and_gradient(
            logits, np.full((1, 25), 2), np.array([50]), np.array([25]), 0, True, np.ones(1, np.float32)
        )
    # 25 times label 2, of which neighbours need a blank between them: one step may be anything allowed.
    steps = 25 if certain == 0 else 50
    assert abs(losses[0] - steps * 200) < 10
    np.testing.assert_allclose(gradient.sum(axis=2), 0, atol=1e-5)
    np.testing.assert_allclose(
        gradient[..., certain] + gradient[..., 2] + gradient[..., 0] * (certain != 0), 0, atol=1e-5
    )


@TAKES
def test_two_thousand_steps_in_float32(take):
    random = np.random.default_rng(0)
    x = random.normal(scale=2, size=(2, 2000, 30))
    targets = random.integers(1, 30, (2, 200))
    options = (targets, np.array([2000, 1999]), np.array([200, 150]), 0, True)
    with pinned("reference"):
        exact = ctc.losses_and_gradient(x.astype(np.float32).astype(np.float64), *options, np.ones(2))
    with pinned(take):
        found = ctc.losses_and_gradient(x.astype(np.float32), *options, np.ones(2, np.float32))
    np.testing.assert_allclose(found[0], exact[0], rtol=1e-6)
    np.testing.assert_allclose(found[1], exact[1], rtol=0, atol=1e-5)


@TAKES
@DTYPES
def test_impossible_labels_have_infinite_loss_and_no_gradient(take, dtype):
    x = np.random.default_rng(0).normal(size=(5, 4, 3)).astype(dtype)
    x[4, :, 2] = -np.inf
    targets = np.array([[1, 1, 1], [1, 2, 1], [2, 1, 0], [1, 1, 2], [2, 0, 0]])
    lengths = np.array([4, 2, 0, 4, 4]), np.array([3, 3, 1, 3, 1])
    with pinned(take):
        losses, gradient = ctc.losses_and_gradient(x, targets, *lengths, 0, True, np.ones(5, dtype))
    np.testing.assert_array_equal(np.isinf(losses), [True, True, True, False, True])
    assert losses[4] == np.inf
    np.testing.assert_array_equal(gradient[[0, 1, 2, 4]], 0)
    assert np.isfinite(gradient[3]).all()


@TAKES
@DTYPES
def test_no_steps_and_no_labels_are_certain(take, dtype):
    x = np.ones((2, 3, 2), dtype)
    targets = np.zeros((2, 0), int)
    with pinned(take):
        losses, gradient = ctc.losses_and_gradient(
            x, targets, np.array([0, 3]), np.array([0, 0]), 1, True, np.ones(2, dtype)
        )
    np.testing.assert_allclose(losses, [0, 3 * np.log(2)], rtol=1e-6)
    np.testing.assert_array_equal(gradient[0], 0)
    np.testing.assert_allclose(gradient[1], [[0.5, -0.5]] * 3, rtol=1e-6)


@TAKES
@DTYPES
@pytest.mark.parametrize("is_logits", [False, True])
def test_nan_comes_out_where_it_matters(take, dtype, is_logits):
    x = np.zeros((3, 5, 4), dtype)
    x[0, 2, 0] = x[1, 4, 1] = np.nan  # the second behind what counts
    targets = np.array([[1, 2]] * 3)
    lengths = np.array([5, 4, 5]), np.array([2, 2, 2])
    with pinned(take):
        losses, gradient = ctc.losses_and_gradient(x, targets, *lengths, 0, is_logits, np.ones(3, dtype))
    np.testing.assert_array_equal(np.isnan(losses), [True, False, False])
    assert np.isnan(gradient[0]).all()
    assert np.isfinite(gradient[1:]).all()
    np.testing.assert_array_equal(gradient[1, 4], 0)


@TAKES
@DTYPES
def test_the_lowest_number_counts_as_impossible(take, dtype):
    log_p = np.full((1, 3, 3), np.finfo(dtype).min)
    log_p[0, :, 1] = 0
    arguments = np.array([3]), np.array([1]), 0, False
    with pinned(take):
        assert ctc.losses(log_p, np.array([[1]]), *arguments) == 0
        assert ctc.losses(log_p, np.array([[2]]), *arguments) == np.inf


def test_steps_that_do_not_count_are_not_looked_at(same):
    random = np.random.default_rng(0)
    x = random.normal(size=(2, 9, 5))
    options = (random.integers(1, 5, (2, 3)), np.array([6, 4]), np.array([2, 3]), 0, True, np.ones(2))
    expected = ctc.losses_and_gradient(x, *options)
    x[0, 6:] = x[1, 4:] = np.inf
    same(ctc.losses_and_gradient(x, *options), expected)


@few
@given(seed=st.integers(0, 1000), is_logits=st.booleans())
def test_pytorch_gives_the_same(seed, is_logits):
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    random = np.random.default_rng(seed)
    N, T, C, S = 5, int(random.integers(1, 20)), int(random.integers(2, 9)), int(random.integers(1, 8))
    logits = random.normal(size=(N, T, C))
    targets = random.integers(1, C, (N, S))
    lengths = random.integers(1, T + 1, N), random.integers(0, S + 1, N)
    x = logits if is_logits else log_softmax(logits)
    losses, gradient = ctc.losses_and_gradient(x, targets, *lengths, 0, is_logits, np.ones(N))
    twin = torch.tensor(x, requires_grad=True)
    log_p = torch.log_softmax(twin, 2).transpose(0, 1)
    expected = torch.nn.functional.ctc_loss(
        log_p, *map(torch.tensor, (targets, *lengths)), reduction="none", zero_infinity=True
    )
    expected.sum().backward()
    finite = np.isfinite(losses)
    np.testing.assert_allclose(np.where(finite, losses, 0), expected.detach().numpy(), rtol=1e-11, atol=1e-11)
    if is_logits:
        np.testing.assert_allclose(gradient, twin.grad.numpy(), rtol=0, atol=1e-11)


def test_errors_name_the_argument_and_the_values():
    x, targets = np.zeros((2, 5, 4)), np.array([[1, 2, 3], [3, 2, 1]])
    steps, labels = np.array([5, 5]), np.array([3, 2])

    def call(x=x, targets=targets, input_lengths=steps, target_lengths=labels, blank=0):
        return ctc.losses(x, targets, input_lengths, target_lengths, blank, True)

    with pytest.raises(ValueError, match=r"x must be \(N, T, C\) with C at least 1, but has shape \(2, 5\)"):
        call(x=x[..., 0])
    with pytest.raises(
        ValueError, match=r"targets have shape \(1, 3\), but x \(shape \(2, 5, 4\)\) needs \(2, S\)"
    ):
        call(targets=targets[:1])
    with pytest.raises(ValueError, match="blank is 4, but the 4 classes are 0 … 3"):
        call(blank=4)
    with pytest.raises(ValueError, match=r"input_lengths\[1\] is 6, which is not in 0 … 5"):
        call(input_lengths=np.array([5, 6]))
    with pytest.raises(ValueError, match=r"target_lengths\[0\] is -1, which is not in 0 … 3"):
        call(target_lengths=np.array([-1, 1]))
    with pytest.raises(ValueError, match=r"target_lengths have shape \(1,\)"):
        call(target_lengths=labels[:1])
    with pytest.raises(TypeError, match="targets must be integers, not float64"):
        call(targets=targets * 1.0)
    with pytest.raises(TypeError, match="input_lengths must be integers, not float64"):
        call(input_lengths=steps * 1.0)
    with pytest.raises(ValueError, match="label 1 of row 0 is 2, which is the blank"):
        call(blank=2)
    with pytest.raises(ValueError, match="label 0 of row 1 is 7, which is not one of the 4 classes 0 … 3"):
        call(targets=np.array([[1, 2, 3], [7, 2, 1]]))
    with pytest.raises(ValueError, match=r"weights have shape \(3,\)"):
        ctc.losses_and_gradient(x, targets, steps, labels, 0, True, np.ones(3))
