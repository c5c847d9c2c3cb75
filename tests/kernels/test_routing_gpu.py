"""The CUDA kernels of capsules against the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_routing_kernels import drawn

from tinynet_kernels import routing

few = settings(deadline=None, derandomize=True, max_examples=8)
FLOATS = [np.float16, np.float32, np.float64]
# The logits are some tens, of which exponentials are taken.
TOLERANCE = {np.float16: 5e-3, np.float32: 1e-4, np.float64: 1e-11}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(0, 3), (9, 1), (3, 33), (20, 8)])
def test_squashing_agrees_with_the_definition(shape, dtype, compare_gpu, rng):
    x, gy = (2 * rng.standard_normal((2, *shape))).astype(dtype)
    x[:1] = 0
    compare_gpu(routing.squash, x)
    compare_gpu(routing.squash_backward, gy, x)


def compare(shape, dtype, iterations, compare_gpu, seed=0):
    u, weight, gy = drawn(shape, dtype, seed)
    tolerance = TOLERANCE[dtype]
    _, sums = compare_gpu(routing.route, u, weight, iterations, tolerance=tolerance)
    for through_coefficients in (True, False):
        arguments = gy, u, weight, sums, through_coefficients
        compare_gpu(routing.route_backward, *arguments, tolerance=tolerance)


# (N, I, K, O, D)
@few
@given(
    shape=st.tuples(
        st.integers(0, 5), st.integers(0, 9), st.integers(0, 9), st.integers(1, 5), st.integers(0, 18)
    ),
    iterations=st.integers(1, 4),
    seed=st.integers(0, 1000),
)
def test_routing_agrees_with_the_definition(shape, iterations, seed, compare_gpu):
    compare(shape, np.float64, iterations, compare_gpu, seed)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("iterations", [1, 3])
def test_routing_agrees_in_other_dtypes(iterations, dtype, compare_gpu):
    compare((3, 6, 8, 4, 16), dtype, iterations, compare_gpu)


@pytest.mark.parametrize(
    "shape",
    [(34, 5, 2, 2, 3), (2, 3, 17, 3, 32), (2, 9, 3, 16, 5), (2, 3, 2, 17, 3), (2, 3, 2, 3, 33)],
    ids=["samples of two blocks", "many numbers", "most upper capsules", "too many", "too long"],
)
def test_shapes_at_the_limits_of_the_kernels(shape, compare_gpu):
    compare(shape, np.float64, 2, compare_gpu)


@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_what_is_not_finite_spoils_its_own_sample_only(special, gpu):
    u, weight, gy = drawn((4, 5, 3, 4, 5), np.float32)
    u[2, 2, 1] = special
    with gpu.pinned():
        y, sums = routing.route(gpu.put(u), gpu.put(weight), 3)
        gu, gweight = routing.route_backward(gpu.put(gy), gpu.put(u), gpu.put(weight), sums, True)
    spoilt = np.arange(4) == 2
    assert np.isnan(gpu.get(y)).all(axis=(1, 2)).tolist() == spoilt.tolist()
    assert np.isfinite(gpu.get(gu)).all(axis=(1, 2)).tolist() == (~spoilt).tolist()
    assert not np.isfinite(gpu.get(gweight)[2]).all()


def test_strong_agreement_does_not_overflow(compare_gpu):
    u, weight, gy = drawn((2, 6, 3, 4, 5), np.float64)
    _, sums = compare_gpu(routing.route, 1e4 * u, weight, 3)
    compare_gpu(routing.route_backward, gy, 1e4 * u, weight, sums, True)
