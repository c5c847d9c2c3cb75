"""Softmax and cross-entropy: PyTorch's numbers, the extremes, and agreement of the takes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import pinned, softmax

few = settings(deadline=None, derandomize=True, max_examples=60)
shapes = st.tuples(st.integers(0, 9), st.integers(1, 40))
dtypes = st.sampled_from([np.float32, np.float64])


@few
@given(shape=shapes, dtype=dtypes, seed=st.integers(0, 1000))
def test_takes_agree_on_softmax(shape, dtype, seed, compare_takes):
    x, gy = (3 * np.random.default_rng(seed).standard_normal((2, *shape))).astype(dtype)
    for forward, backward in (
        (softmax.softmax, softmax.softmax_backward),
        (softmax.log_softmax, softmax.log_softmax_backward),
    ):
        y = compare_takes(forward, x)
        compare_takes(backward, gy, y)


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
def test_cross_entropy_agrees_between_takes_and_with_pytorch(
    shape, dtype, weighted, ignore_index, smoothing, target_dtype, seed, compare_takes
):
    random = np.random.default_rng(seed)
    logits = random.standard_normal(shape).astype(dtype)
    targets = random.integers(0, shape[1], shape[0]).astype(target_dtype)
    if ignore_index is not None:
        targets[::3] = ignore_index
    weights = random.uniform(0, 2, shape[1]).astype(dtype) if weighted else None
    gy = random.standard_normal(shape[0]).astype(dtype)
    options = (targets, weights, ignore_index, smoothing)
    losses, log_normalizer = compare_takes(softmax.cross_entropy_forward, logits, *options)
    gradient = compare_takes(softmax.cross_entropy_backward, gy, logits, log_normalizer, *options)

    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    tensor = torch.from_numpy(logits.astype(np.float64)).requires_grad_()
    expected = torch.nn.functional.cross_entropy(
        tensor,
        torch.from_numpy(targets.astype(np.int64)),
        weight=torch.from_numpy(weights.astype(np.float64)) if weighted else None,
        ignore_index=-100 if ignore_index is None else ignore_index,
        label_smoothing=smoothing,
        reduction="none",
    )
    expected.backward(torch.from_numpy(gy.astype(np.float64)))
    tolerance = 1e-5 if dtype is np.float32 else 1e-13
    np.testing.assert_allclose(losses, expected.detach().numpy(), rtol=0, atol=tolerance)
    np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_takes_agree_on_many_rows(dtype, compare_takes):
    random = np.random.default_rng(0)
    logits, gy = (3 * random.standard_normal((2, 700, 130))).astype(dtype)
    targets = random.integers(0, 130, 700)
    y = compare_takes(softmax.softmax, logits)
    compare_takes(softmax.softmax_backward, gy, y)
    y = compare_takes(softmax.log_softmax, logits)
    compare_takes(softmax.log_softmax_backward, gy, y)
    options = (targets, None, int(targets[0]), 0.0)
    _, log_normalizer = compare_takes(softmax.cross_entropy_forward, logits, *options)
    compare_takes(softmax.cross_entropy_backward, gy[:, 0], logits, log_normalizer, *options)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 5e-6), (np.float64, 2e-14)])
def test_probabilities_of_a_wide_range_of_logits(dtype, tolerance):
    """Relative to each probability; the difference to the maximum, up to 85, is rounded to float32."""
    x = np.linspace(-80, 5, 1001).astype(dtype)[None]
    exact = np.exp(x.astype(np.longdouble) - x.max())
    with pinned("cpu"):
        found = softmax.softmax(x)
    np.testing.assert_allclose(found, (exact / exact.sum()).astype(np.float64), rtol=tolerance)


@few
@given(seed=st.integers(0, 1000))
def test_softmax_matches_scipy(seed):
    special = pytest.importorskip("scipy.special", reason="this comparison needs scipy")
    x = np.random.default_rng(seed).standard_normal((5, 7))
    for take in ("reference", "cpu"):
        with pinned(take):
            np.testing.assert_allclose(softmax.softmax(x), special.softmax(x, axis=1), rtol=1e-13)
            np.testing.assert_allclose(softmax.log_softmax(x), special.log_softmax(x, axis=1), rtol=1e-13)


@pytest.mark.parametrize("take", ["reference", "cpu"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_logits(take, dtype):
    x = np.array([[1e30, 0, -1e30], [0, -np.inf, 0], [-np.inf] * 3, [np.nan, 0, 0]], dtype)
    half = np.log(0.5)
    with pinned(take):
        np.testing.assert_allclose(softmax.softmax(x)[:2], [[1, 0, 0], [0.5, 0, 0.5]])
        assert np.isnan(softmax.softmax(x)[2:]).all()
        np.testing.assert_allclose(
            softmax.log_softmax(x)[:2], [[0, -1e30, -2e30], [half, -np.inf, half]], rtol=1e-6
        )
        losses, log_normalizer = softmax.cross_entropy_forward(x, np.array([0, 1, 0, 2]), None, None, 0)
        np.testing.assert_array_equal(losses, [0, np.inf, np.nan, np.nan])
        gradient = softmax.cross_entropy_backward(
            np.ones(4, dtype), x, log_normalizer, np.array([0, 1, 0, 2]), None, None, 0
        )
    np.testing.assert_allclose(gradient[:2], [[0, 0, 0], [0.5, -1, 0.5]], atol=1e-6)


@pytest.mark.parametrize("take", ["reference", "cpu"])
def test_ignored_rows_count_nothing_whatever_they_hold(take):
    x = np.array([[np.nan, np.inf], [1.0, 1.0]])
    targets = np.array([-1, 1])
    with pinned(take):
        losses, log_normalizer = softmax.cross_entropy_forward(x, targets, None, -1, 0.1)
        gradient = softmax.cross_entropy_backward(np.ones(2), x, log_normalizer, targets, None, -1, 0.1)
    np.testing.assert_allclose(losses, [0, np.log(2)])
    np.testing.assert_array_equal(gradient[0], 0)


def test_wrong_targets_name_the_first_row():
    logits = np.zeros((4, 3))
    with pytest.raises(ValueError) as error:
        softmax.cross_entropy_forward(logits, np.array([0, -100, 3, 9]), None, -100, 0)
    assert str(error.value) == (
        "softmax.cross_entropy: the target of row 2 is 3, which is not one of the 3 classes 0 … 2 and not "
        "the ignored index -100"
    )
    with pytest.raises(ValueError, match="the target of row 1 is -100"):
        softmax.cross_entropy_forward(logits, np.array([0, -100, 3, 9]), None, None, 0)
    with pytest.raises(TypeError, match="targets must be integers, not float64"):
        softmax.cross_entropy_forward(logits, np.zeros(4), None, None, 0)


def test_errors_name_the_argument_and_the_shapes():
    logits, targets = np.zeros((4, 3)), np.zeros(4, int)
    with pytest.raises(
        ValueError, match=r"targets have shape \(3,\), but logits \(shape \(4, 3\)\) need \(4,\)"
    ):
        softmax.cross_entropy_forward(logits, targets[:3], None, None, 0)
    with pytest.raises(ValueError, match=r"class_weights have shape \(4,\), but .* have 3 classes"):
        softmax.cross_entropy_forward(logits, targets, np.ones(4), None, 0)
    with pytest.raises(ValueError, match=r"log_normalizer has shape \(4, 3\)"):
        softmax.cross_entropy_backward(np.ones(4), logits, logits, targets, None, None, 0)
    with pytest.raises(ValueError, match=r"with C at least 1, but has shape \(4, 0\)"):
        softmax.softmax(logits[:, :0])
    with pytest.raises(ValueError, match=r"gy has shape \(2, 3\) but y has \(4, 3\)"):
        softmax.log_softmax_backward(logits[:2], logits)
