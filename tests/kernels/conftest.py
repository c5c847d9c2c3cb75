"""What the tests of all kernel families share."""

import numpy as np
import pytest

import tinynet_kernels

TOLERANCE = {np.dtype(np.float32): 2e-5, np.dtype(np.float64): 1e-12}


class Comparison:
    """Runs a kernel in both takes and compares, on contiguous and on strided copies of its inputs."""

    def __call__(self, function, *arguments, tolerance=None):
        """Asserts that the takes agree and leave their inputs alone; returns the reference's result."""
        kept = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
        with tinynet_kernels.pinned("reference"):
            expected = function(*arguments)
        with tinynet_kernels.pinned("cpu"):
            found = function(*arguments)
            found_strided = function(*map(strided, arguments))
        for before, after in zip(kept, arguments, strict=True):
            if isinstance(before, np.ndarray):
                np.testing.assert_array_equal(after, before, err_msg="an input was changed")
        assert_same(found, expected, tolerance)
        assert_same(found_strided, expected, tolerance)
        return expected


def assert_same(found, expected, tolerance=None):
    """Same structure, shapes and dtypes, and values within a tolerance relative to the largest one."""
    if isinstance(expected, tuple):
        assert len(found) == len(expected)
        for f, e in zip(found, expected, strict=True):
            assert_same(f, e, tolerance)
        return
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    if expected.dtype.kind != "f":
        np.testing.assert_array_equal(found, expected)
        return
    finite = np.abs(expected[np.isfinite(expected)])
    scale = max(1.0, float(finite.max(initial=0)))
    tolerance = (tolerance or TOLERANCE[expected.dtype]) * scale
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


def strided(array):
    """A copy of `array` that is contiguous in no direction; anything but an array is returned as it is."""
    if not isinstance(array, np.ndarray) or array.ndim == 0:
        return array
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    view = wide[..., ::2]
    view[...] = array
    return view


@pytest.fixture(scope="session")
def compare_takes():
    return Comparison()


@pytest.fixture(scope="session")
def same():
    return assert_same
