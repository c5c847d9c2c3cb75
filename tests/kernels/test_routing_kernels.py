"""Squashing and routing: the paper's procedure, PyTorch's gradients, the extremes, agreement of the takes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import pinned, routing

few = settings(deadline=None, derandomize=True, max_examples=40)
dtypes = st.sampled_from([np.float32, np.float64])
TAKES = ("reference", "cpu")


def drawn(shape, dtype, seed=0):
    """Lower capsules, weights and a gradient; shape is (N, I, K, O, D)."""
    samples, lower, lower_size, upper, upper_size = shape
    random = np.random.default_rng(seed)
    u = random.standard_normal((samples, lower, lower_size))
    weight = random.standard_normal((lower, upper, lower_size, upper_size)) / 2
    gy = random.standard_normal((samples, upper, upper_size))
    return u.astype(dtype), weight.astype(dtype), gy.astype(dtype)


def by_the_procedure(u, weight, iterations):
    """Procedure 1 of the paper, with logits that grow by each agreement."""
    votes = np.einsum("nik,iokd->niod", u, weight)
    logits = np.zeros(votes.shape[:3])
    for _ in range(iterations):
        coefficients = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
        s = (coefficients[..., None] * votes).sum(axis=1)
        squared = np.square(s).sum(axis=-1, keepdims=True)
        y = squared / (1 + squared) * s / np.sqrt(squared + 1e-7)
        logits = logits + (votes * y[:, None]).sum(axis=-1)
    return y


@few
@given(shape=st.tuples(st.integers(0, 9), st.integers(1, 40)), dtype=dtypes, seed=st.integers(0, 1000))
def test_takes_agree_on_squashing(shape, dtype, seed, compare_takes):
    x, gy = (np.random.default_rng(seed).standard_normal((2, *shape)) * 2).astype(dtype)
    compare_takes(routing.squash, x)
    compare_takes(routing.squash_backward, gy, x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_takes_agree_on_squashing_many_capsules(dtype, compare_takes, rng):
    x, gy = rng.standard_normal((2, 5000, 8)).astype(dtype)
    compare_takes(routing.squash, x)
    compare_takes(routing.squash_backward, gy, x)


# (N, I, K, O, D): up to two blocks of samples in float64, several tasks, rows that fill no vector.
@few
@given(
    shape=st.tuples(
        st.integers(0, 20), st.integers(0, 20), st.integers(0, 9), st.integers(1, 11), st.integers(0, 18)
    ),
    iterations=st.integers(1, 4),
    dtype=dtypes,
    seed=st.integers(0, 1000),
)
def test_takes_agree_on_routing(shape, iterations, dtype, seed, compare_takes):
    u, weight, gy = drawn(shape, dtype, seed)
    tolerance = 1e-4 if dtype == np.float32 else None  # logits of some tens, of which exponentials are taken
    _, sums = compare_takes(routing.route, u, weight, iterations, tolerance=tolerance)
    for through_coefficients in (True, False):
        compare_takes(routing.route_backward, gy, u, weight, sums, through_coefficients, tolerance=tolerance)


@pytest.mark.parametrize(
    "shape", [(70, 300, 8, 10, 16), (33, 9, 5, 4, 40), (1, 130, 3, 2, 7)], ids=["blocks", "wide", "single"]
)
def test_takes_agree_on_larger_routings(shape, compare_takes):
    u, weight, gy = drawn(shape, np.float64)
    u *= 0.2
    _, sums = compare_takes(routing.route, u, weight, 3)
    for through_coefficients in (True, False):
        compare_takes(routing.route_backward, gy, u, weight, sums, through_coefficients)


@pytest.mark.parametrize("take", TAKES)
@pytest.mark.parametrize("iterations", [1, 2, 3])
def test_routing_follows_the_procedure_of_the_paper(iterations, take):
    u, weight, _ = drawn((3, 12, 4, 5, 6), np.float64)
    with pinned(take):
        y, sums = routing.route(u, weight, iterations)
        same = routing.squash(sums.reshape(-1, 6)).reshape(sums.shape)[-1]
    np.testing.assert_allclose(y, by_the_procedure(u, weight, iterations), rtol=0, atol=1e-12)
    np.testing.assert_allclose(y, same, rtol=0, atol=1e-14)
    assert sums.shape == (iterations, 3, 5, 6)


@pytest.mark.parametrize("take", TAKES)
@pytest.mark.parametrize("through_coefficients", [True, False])
def test_gradients_are_those_of_pytorch(through_coefficients, take):
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    u, weight, gy = drawn((4, 30, 3, 5, 6), np.float64)
    tu, tweight = (torch.from_numpy(array.copy()).requires_grad_() for array in (u, weight))
    votes = torch.einsum("nik,iokd->niod", tu, tweight)
    logits = torch.zeros_like(votes[..., 0])
    for _ in range(3):
        s = (torch.softmax(logits, 2).unsqueeze(-1) * votes).sum(1)
        squared = s.square().sum(-1, keepdim=True)
        y = squared / (1 + squared) * s / torch.sqrt(squared + 1e-7)
        logits = logits + (votes * y.unsqueeze(1)).sum(-1)
        logits = logits if through_coefficients else logits.detach()
    y.backward(torch.from_numpy(gy))
    with pinned(take):
        found, sums = routing.route(u, weight, 3)
        gu, gweight = routing.route_backward(gy, u, weight, sums, through_coefficients)
    np.testing.assert_allclose(found, y.detach().numpy(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(gu, tu.grad.numpy(), rtol=0, atol=1e-11)
    np.testing.assert_allclose(gweight, tweight.grad.numpy(), rtol=0, atol=1e-11)


@pytest.mark.parametrize("take", TAKES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(70, 40, 8, 10, 16), (3, 12, 4, 5, 6), (0, 12, 4, 5, 6)], ids=str)
@pytest.mark.parametrize("iterations", [1, 2, 4])
def test_coefficients_that_were_kept_are_those_computed_anew(iterations, shape, dtype, take):
    u, weight, gy = drawn(shape, dtype)
    u *= dtype(0.2)
    with pinned(take):
        y, sums, kept = routing.route(u, weight, iterations, keeping=True)
        plain = routing.route(u, weight, iterations)
        found = routing.route_backward(gy, u, weight, sums, False, kept)
        expected = routing.route_backward(gy, u, weight, sums, False)
        through = routing.route_backward(gy, u, weight, sums, True, kept)
        through_anew = routing.route_backward(gy, u, weight, sums, True)
    np.testing.assert_array_equal(y, plain[0])
    np.testing.assert_array_equal(sums, plain[1])
    for array, other in zip((*found, *through), (*expected, *through_anew), strict=True):
        scale = np.abs(other).max(initial=1)
        np.testing.assert_allclose(
            array, other, rtol=0, atol=scale * (1e-5 if dtype == np.float32 else 1e-13)
        )


@pytest.mark.parametrize("take", TAKES)
def test_a_length_is_squashed_to_less_than_one_and_zero_stays(take):
    x = np.array([[0.0, 0.0], [3.0, 4.0], [3e-3, 4e-3], [-3e6, 4e6]])
    with pinned(take):
        y = routing.squash(x)
        at_zero = routing.squash_backward(np.ones((1, 2)), np.zeros((1, 2)))
    lengths = np.linalg.norm(y, axis=1)
    np.testing.assert_allclose(lengths[[0, 1, 3]], [0, 25 / 26, 1], rtol=0, atol=1e-7)
    np.testing.assert_allclose(y[1] / lengths[1], [0.6, 0.8], rtol=1e-12)
    assert lengths[2] == pytest.approx(2.5e-5, rel=1e-2)
    assert (at_zero == 0).all()


@pytest.mark.parametrize("take", TAKES)
@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_what_is_not_finite_spoils_its_own_sample_only(special, take):
    u, weight, gy = drawn((20, 10, 3, 4, 5), np.float32)
    spoilt = u.copy()
    spoilt[7, 2, 1] = special
    with pinned(take), np.errstate(invalid="ignore", over="ignore"):
        y, sums = routing.route(spoilt, weight, 3)
        expected, _ = routing.route(u, weight, 3)
        gu, gweight = routing.route_backward(gy, spoilt, weight, sums, True)
    others = np.arange(20) != 7
    assert np.isnan(y[7]).all()
    np.testing.assert_array_equal(y[others], expected[others])
    assert np.isfinite(gu[others]).all()
    assert not np.isfinite(gu[7]).any()
    assert not np.isfinite(gweight[2]).all()


@pytest.mark.parametrize("take", TAKES)
def test_strong_agreement_does_not_overflow(take):
    u, weight, gy = drawn((2, 6, 3, 4, 5), np.float32)
    with pinned(take):
        y, sums = routing.route(1e4 * u, weight, 3)
        gradients = routing.route_backward(gy, 1e4 * u, weight, sums, True)
    assert all(np.isfinite(array).all() for array in (y, *gradients))


X = np.ones((2, 3, 4))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: routing.squash(X), r"squash: x must be a matrix \(M, D\), but has shape \(2, 3, 4\)"),
        (
            lambda: routing.squash_backward(X[0], X[0, :2]),
            r"squash_backward: gy has shape \(3, 4\), but \(2, 4\) is needed",
        ),
        (lambda: routing.route(X, X, 3), r"route: u must be \(N, I, K\) and weight \(I, O, K, D\)"),
        (
            lambda: routing.route(X, np.ones((3, 2, 5, 6)), 3),
            r"route: u \(shape \(2, 3, 4\)\) has 3 capsules of 4 numbers, .* expects 3 of 5",
        ),
        (lambda: routing.route(X, np.ones((3, 0, 4, 6)), 3), "has no upper capsules"),
        (
            lambda: routing.route(X, np.ones((3, 2, 4, 6)), 0),
            "route: iterations must be at least 1, not 0",
        ),
        (
            lambda: routing.route_backward(X, X, np.ones((3, 2, 4, 6)), X[None], True),
            r"route_backward: gy has shape \(2, 3, 4\), but \(2, 2, 6\) is needed",
        ),
        (
            lambda: routing.route_backward(
                np.ones((2, 2, 6)), X, np.ones((3, 2, 4, 6)), np.ones((0, 2, 2, 6)), True
            ),
            r"sums has shape \(0, 2, 2, 6\), but \(1, 2, 2, 6\) is needed",
        ),
    ],
)
def test_errors_name_the_argument(call, text):
    with pytest.raises(ValueError, match=text):
        call()
