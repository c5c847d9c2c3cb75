"""Bilinear interpolation: by hand, against SciPy, and both takes against each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import pinned, sampling

few = settings(deadline=None, derandomize=True, max_examples=60)

TAKES = ("reference", "cpu")
SCIPY_MODES = {"constant": "grid-constant", "edge": "nearest", "reflect": "mirror"}
X = np.arange(12.0).reshape(3, 4, 1)


def at(x, row, column, **options):
    rows, columns = np.full((1, 1), row, float), np.full((1, 1), column, float)
    return sampling.bilinear(x, rows, columns, **options)[0, 0].tolist()


@few
@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(0, 4)),
    places=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    border=st.sampled_from(sampling.BORDERS),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**32 - 1),
)
def test_takes_agree(shape, places, border, dtype, seed, compare_takes):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape).astype(dtype)
    rows, columns = (rng.uniform(-2 * n, 3 * n, places).astype(dtype) for n in shape[:2])
    fill = rng.standard_normal(shape[2]).astype(dtype)
    # Folding a place into the image rounds, and a steep image makes more of that.
    tolerance = 1e-4 if dtype == np.float32 else 1e-11
    y = compare_takes(sampling.bilinear, x, rows, columns, border, fill, tolerance=tolerance)
    assert y.shape == (*places, shape[2])


@pytest.mark.parametrize("border", sampling.BORDERS)
@pytest.mark.parametrize("take", TAKES)
@pytest.mark.parametrize("shape", [(6, 5), (1, 4), (3, 1), (1, 1)])
def test_as_in_scipy(shape, take, border, rng):
    ndimage = pytest.importorskip("scipy.ndimage", reason="parity with SciPy needs scipy")
    x = rng.standard_normal((*shape, 2))
    rows, columns = rng.uniform(-9, 14, (2, 20, 10))
    expected = [
        ndimage.map_coordinates(x[..., channel], [rows, columns], order=1, mode=SCIPY_MODES[border], cval=0.5)
        for channel in range(2)
    ]
    with pinned(take):
        found = sampling.bilinear(x, rows, columns, border, 0.5)
    np.testing.assert_allclose(found, np.stack(expected, axis=-1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("take", TAKES)
def test_by_hand(take):
    with pinned(take):
        assert at(X, 1, 2) == [6]
        assert at(X, 0.5, 0.25) == [2.25]
        assert at(X, -0.5, 0, fill=10) == [5]
        assert at(X, 2.25, 3, fill=1) == [8.5]
        assert at(X, -7, 0, fill=10) == at(X, 1e30, -1e30, fill=10) == [10]
        assert at(X, -7, 1.5, border="edge") == at(X, -1e30, 1.5, border="edge") == [1.5]
        assert at(X, 1, -1.5, border="reflect") == at(X, 1, 1.5, border="reflect") == [5.5]
        assert at(X, 3, 4, border="reflect") == at(X, 1, 2, border="reflect") == [6]


@pytest.mark.parametrize("take", TAKES)
def test_every_channel_has_its_own_fill(take):
    with pinned(take):
        assert at(np.zeros((2, 2, 3)), 9, 9, fill=(1, 2, 3)) == [1, 2, 3]


@pytest.mark.parametrize("take", TAKES)
@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_nan_and_infinity_stay_where_they_are(take, special):
    x = np.zeros((6, 6, 1))
    x[0, 0] = special
    rows, columns = np.mgrid[-8.0:12, -8.0:12]
    with pinned(take), np.errstate(invalid="ignore"):
        y = sampling.bilinear(x, rows, columns)
    spoilt = ~np.isfinite(y[..., 0])
    assert spoilt[8, 8]
    assert spoilt.sum() <= 4  # the places of which it is a neighbour, those with weight 0 included
    assert at(x, 0, 0) != [0]


def test_results_are_independent_of_how_places_are_laid_out(rng):
    x, places = rng.standard_normal((7, 6, 3), np.float32), rng.uniform(-3, 9, (2, 4, 6)).astype(np.float32)
    whole = sampling.bilinear(x, *places)
    parts = sampling.bilinear(x, *places.reshape(2, 8, 3))
    np.testing.assert_array_equal(parts.reshape(whole.shape), whole)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"x": np.ones((2, 3))}, r"x must be \(H, W, C\) with at least one pixel, not \(2, 3\)"),
        ({"x": np.ones((0, 3, 1))}, r"at least one pixel, not \(0, 3, 1\)"),
        ({"rows": np.ones((2, 3))}, r"must have one shape \(H', W'\), not \(2, 3\) and \(1, 1\)"),
        ({"border": "wrap"}, "border must be one of constant, edge, reflect, not 'wrap'"),
        ({"fill": (1, 2)}, r"fill must be one number or 1, not \(1, 2\)"),
        ({"columns": np.array([[np.nan]])}, "rows and columns must be finite"),
    ],
)
def test_errors_name_the_argument(changes, text):
    arguments = {"x": X, "rows": np.ones((1, 1)), "columns": np.ones((1, 1)), **changes}
    with pytest.raises(ValueError, match=f"^sampling.bilinear: .*{text}"):
        sampling.bilinear(**arguments)


@few
@given(
    shape=st.tuples(st.integers(0, 3), st.integers(1, 12), st.integers(0, 4)),
    new=st.integers(0, 25),
    method=st.sampled_from(sampling.METHODS),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 1000),
)
def test_takes_agree_on_resized_axes(shape, new, method, dtype, seed, compare_takes):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape).astype(dtype)
    y = compare_takes(sampling.resize, x, 1, new, method)
    gx = compare_takes(
        sampling.resize_backward, rng.standard_normal(y.shape).astype(dtype), 1, shape[1], method
    )
    assert gx.shape == shape


@pytest.mark.parametrize("method", sampling.METHODS)
@pytest.mark.parametrize("take", TAKES)
def test_resized_axes_as_in_their_formula(take, method):
    for old, new in [(3, 7), (7, 3), (5, 5), (1, 4), (4, 1), (3, 30), (30, 4)]:
        x = np.random.default_rng(0).standard_normal((2, old))
        j = np.arange(new)
        if method == "corners":
            places = j * (old - 1) / max(new - 1, 1)
        else:
            places = np.floor(j * old / new) if method == "nearest" else (j + 0.5) * old / new - 0.5
        with pinned(take):
            found = sampling.resize(x, 1, new, method)
        expected = [np.interp(places, np.arange(old), row) for row in x]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", sampling.METHODS)
@pytest.mark.parametrize("take", TAKES)
def test_backward_is_the_transpose(take, method, rng):
    for old, new in [(3, 7), (7, 3), (5, 5), (1, 4), (4, 1), (31, 4)]:
        x, gy = rng.standard_normal((2, old, 3)), rng.standard_normal((2, new, 3))
        with pinned(take):
            y, gx = sampling.resize(x, 1, new, method), sampling.resize_backward(gy, 1, old, method)
        np.testing.assert_allclose((y * gy).sum(), (x * gx).sum(), rtol=0, atol=1e-12)


def test_large_axes_are_resized_in_several_tasks(compare_takes, rng):
    x, gy = rng.standard_normal((3, 90, 400)), rng.standard_normal((3, 181, 400))
    compare_takes(sampling.resize, x, 1, 181, "linear")
    compare_takes(sampling.resize_backward, gy, 1, 90, "linear")


@pytest.mark.parametrize("take", TAKES)
def test_an_element_on_the_place_of_another_is_that_one(take):
    x = np.array([1.0, np.inf, 2, 3])
    with pinned(take), np.errstate(invalid="ignore"):
        assert sampling.resize(x, 0, 7, "corners").tolist() == [1, np.inf, np.inf, np.inf, 2, 2.5, 3]
        assert sampling.resize(x, 0, 4, "linear").tolist() == x.tolist()


@pytest.mark.parametrize(
    ("function", "arguments", "text"),
    [
        (sampling.resize, (X, 3, 2), r"there is no axis 3 in an array of shape \(3, 4, 1\)"),
        (sampling.resize, (X, 1, 2, "cubic"), "must be one of nearest, linear, corners, not 'cubic'"),
        (sampling.resize, (X[:0], 0, 2), "an axis of 0 elements can't be made one of 2"),
        (sampling.resize, (X, 0, -1), "an axis of 3 elements can't be made one of -1"),
        (sampling.resize_backward, (X, 0, 0), "an axis of 0 elements can't be made one of 3"),
    ],
)
def test_impossible_sizes_are_refused(function, arguments, text):
    with pytest.raises(ValueError, match=f"^sampling.{function.__name__}: .*{text}"):
        function(*arguments)
