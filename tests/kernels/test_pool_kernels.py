"""Pooling: the reference against PyTorch and a loop, the cpu take against the reference."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import pinned, pool


@st.composite
def poolings(draw):
    """A pooling in one to three dimensions with everything that belongs to it, at random."""
    dimensions = draw(st.integers(1, 3))

    def per_axis(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(dimensions))

    window, stride, dilation = per_axis(1, 3), per_axis(1, 3), per_axis(1, 2)
    padding = tuple(zip(per_axis(0, 2), per_axis(0, 2), strict=True))
    size = tuple(
        d * (w - 1) + 1 + extra for w, d, extra in zip(window, dilation, per_axis(0, 4), strict=True)
    )
    shape = (draw(st.integers(0, 3)), *size, draw(st.integers(1, 4)))
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    x = random.standard_normal(shape)
    if draw(st.booleans()):
        x = np.round(x)  # many equal elements
    return SimpleNamespace(
        x=x.astype(draw(st.sampled_from([np.float32, np.float64]))),
        size=size,
        window=window,
        stride=stride,
        padding=padding,
        dilation=dilation,
        random=random,
    )


few = settings(deadline=None, derandomize=True, max_examples=60)


@few
@given(p=poolings())
def test_takes_agree_on_max(p, compare_takes):
    geometry = (p.window, p.stride, p.padding, p.dilation)
    y, indices = compare_takes(pool.max_forward, p.x, *geometry)
    gy = p.random.standard_normal(y.shape).astype(y.dtype)
    compare_takes(pool.max_backward, gy, indices, p.size, *geometry)
    compare_takes(pool.max_gather, p.x, indices, *geometry)


@few
@given(p=poolings(), count_padding=st.booleans())
def test_takes_agree_on_average(p, count_padding, compare_takes):
    geometry = (p.window, p.stride, p.padding, count_padding)
    y = compare_takes(pool.average_forward, p.x, *geometry)
    gy = p.random.standard_normal(y.shape).astype(y.dtype)
    gx = compare_takes(pool.average_backward, gy, p.size, *geometry)
    np.testing.assert_allclose(np.vdot(gx, p.x), np.vdot(gy, y), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 3, 6, 16, 20, 48, 64, 70])
@pytest.mark.parametrize(
    ("size", "stride"), [((8, 12), (2, 3)), ((9, 14), (2, 3)), ((11, 11), (4, 4)), ((2, 9), (2, 3))]
)
def test_takes_agree_where_windows_do_not_overlap(channels, size, stride, dtype, compare_takes):
    geometry = ((2, 3), stride, ((0, 0), (0, 0)))
    random = np.random.default_rng(channels)
    x = np.round(random.standard_normal((3, *size, channels)).astype(dtype), 1)
    y, indices = compare_takes(pool.max_forward, x, *geometry, (1, 1))
    gy = random.standard_normal(y.shape).astype(dtype)
    compare_takes(pool.max_backward, gy, indices, size, *geometry, (1, 1))
    compare_takes(pool.average_forward, x, *geometry, True)
    compare_takes(pool.average_backward, gy, size, *geometry, True)


@pytest.mark.parametrize("channels", [64, 66])
def test_gradients_too_large_for_the_cache(channels, compare_takes):
    size = (4, 128, 130, channels)
    geometry = ((2, 2), (2, 2), ((0, 0), (0, 0)))
    gy = np.random.default_rng(0).standard_normal((4, 64, 65, channels), dtype=np.float32)
    indices = np.random.default_rng(1).integers(0, 4, gy.shape).astype(np.uint8)
    compare_takes(pool.max_backward, gy, indices, size[1:3], *geometry, (1, 1))
    compare_takes(pool.average_backward, gy, size[1:3], *geometry, True)


@few
@given(p=poolings())
def test_max_is_the_first_largest_element_inside(p):
    geometry = (p.window, p.stride, p.padding, p.dilation)
    with pinned("reference"):
        y, indices = pool.max_forward(p.x, *geometry)
    for n, *position, c in np.ndindex(y.shape):
        best, winner = -np.inf, -1
        for k, offset in enumerate(product(*map(range, p.window))):
            at = tuple(
                o * s - before + w * d
                for o, s, (before, _), w, d in zip(
                    position, p.stride, p.padding, offset, p.dilation, strict=True
                )
            )
            is_inside = all(0 <= a < size for a, size in zip(at, p.size, strict=True))
            if is_inside and (winner < 0 or p.x[(n, *at, c)] > best):
                best, winner = p.x[(n, *at, c)], k
        assert y[(n, *position, c)] == best
        assert indices[(n, *position, c)] == winner % 256


@few
@given(p=poolings())
def test_gather_finds_the_maxima_again(p):
    geometry = (p.window, p.stride, p.padding, p.dilation)
    y, indices = pool.max_forward(p.x, *geometry)
    np.testing.assert_array_equal(pool.max_gather(p.x, indices, *geometry), np.where(indices == 255, 0, y))


@pytest.mark.parametrize("take", ["reference", "cpu"])
@pytest.mark.parametrize("count_padding", [True, False])
def test_average_matches_pytorch(take, count_padding):
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    x = np.random.default_rng(0).standard_normal((2, 7, 8, 3))
    with pinned(take):
        y = pool.average_forward(x, (3, 2), (2, 3), ((1, 1), (1, 1)), count_padding)
    expected = torch.nn.functional.avg_pool2d(
        torch.from_numpy(x).movedim(-1, 1), (3, 2), (2, 3), 1, count_include_pad=count_padding
    )
    np.testing.assert_allclose(y, expected.movedim(1, -1).numpy(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("take", ["reference", "cpu"])
def test_max_lets_nan_through_and_padding_never_wins(take):
    x = np.array([-3.0, -np.inf, np.nan, 5.0, np.nan, -np.inf]).reshape(1, 6, 1)
    with pinned(take):
        y, indices = pool.max_forward(x, (2,), (1,), ((1, 1),), (1,))
    np.testing.assert_array_equal(y.ravel(), [-3, -3, np.nan, np.nan, np.nan, np.nan, -np.inf])
    np.testing.assert_array_equal(indices.ravel(), [1, 0, 1, 0, 1, 0, 0])


@pytest.mark.parametrize("take", ["reference", "cpu"])
def test_max_of_a_window_that_sees_nothing(take):
    geometry = ((1,), (1,), ((1, 0),), (1,))
    with pinned(take):
        y, indices = pool.max_forward(np.ones((1, 2, 1)), *geometry)
        gx = pool.max_backward(np.ones((1, 3, 1)), indices, (2,), *geometry)
        gathered = pool.max_gather(np.ones((1, 2, 1)), indices, *geometry)
    np.testing.assert_array_equal(y.ravel(), [-np.inf, 1, 1])
    np.testing.assert_array_equal(indices.ravel(), [255, 0, 0])
    np.testing.assert_array_equal(gx.ravel(), [1, 1])
    np.testing.assert_array_equal(gathered.ravel(), [0, 1, 1])


def test_max_of_integers_uses_the_reference():
    y, _ = pool.max_forward(np.array([[[-5], [-7], [3]]]), (2,), (1,), ((1, 0),), (1,))
    np.testing.assert_array_equal(y.ravel(), [-5, -5, 3])


def test_errors_name_the_argument_and_the_shapes():
    geometry = ((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1))
    x = np.zeros((1, 4, 4, 3))
    with pytest.raises(ValueError, match=r"max_forward: x has shape \(4, 4, 3\), but a window of \(2, 2\)"):
        pool.max_forward(x[0], *geometry)
    with pytest.raises(ValueError, match=r"max_gather: indices must be integers of shape \(1, 2, 2, 3\)"):
        pool.max_gather(x, np.zeros((1, 4, 4, 3), np.uint8), *geometry)
    with pytest.raises(ValueError, match=r"average_backward: gy has spatial size \(4, 4\)"):
        pool.average_backward(x, (4, 4), *geometry[:3], True)
