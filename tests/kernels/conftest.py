"""What the tests of all kernel families share."""

from contextlib import contextmanager

import numpy as np
import pytest

import tinynet as tn
import tinynet_kernels
from cuda_emulation import Emulator, find_compiler
from tinynet_kernels import cuda

TOLERANCE = {np.dtype(np.float16): 2e-3, np.dtype(np.float32): 2e-5, np.dtype(np.float64): 1e-12}


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
    if not hasattr(array, "strides") or array.ndim == 0:
        return array
    xp = tinynet_kernels.array_module(array)
    wide = xp.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    view = wide[..., ::2]
    view[...] = array
    return view


class EmulatedGpu:
    """Runs CUDA kernels on NumPy arrays, compiled by g++; see `cuda_emulation`."""

    def __init__(self, folder):
        self.emulator = Emulator(folder)

    @contextmanager
    def pinned(self):
        """Within this context kernels run by their CUDA take, and nothing else."""
        with cuda.installed(self.emulator), tinynet_kernels.pinned("gpu"):
            yield

    def put(self, array):
        """The array on the device."""
        return array.copy()

    def get(self, array):
        """An array of the device as one of NumPy."""
        return array


class RealGpu:
    """Runs CUDA kernels on CuPy arrays."""

    @contextmanager
    def pinned(self):
        with tinynet_kernels.pinned("gpu"):
            yield

    def put(self, array):
        import cupy

        return cupy.asarray(array)

    def get(self, array):
        return array.get()


class GpuComparison:
    """Runs a kernel by its CUDA take and by the reference, which computes float16 with more digits."""

    def __init__(self, gpu):
        self.gpu = gpu

    def __call__(self, function, *arguments, tolerance=None):
        """Asserts that the takes agree and leave their inputs alone; returns the reference's result."""
        dtypes = {a.dtype for a in arguments if isinstance(a, np.ndarray) and a.dtype.kind == "f"}
        is_half = dtypes == {np.dtype(np.float16)}
        with tinynet_kernels.pinned("reference"):
            expected = function(*(_converted(a, np.float16, np.float64) if is_half else a for a in arguments))
        expected = _converted(expected, np.float64, np.float16 if is_half else np.float64)
        for arrange in (lambda argument: argument, strided):
            given = [arrange(self.gpu.put(a)) if isinstance(a, np.ndarray) else a for a in arguments]
            with self.gpu.pinned():
                found = function(*given)
            for before, after in zip(arguments, given, strict=True):
                if isinstance(before, np.ndarray):
                    np.testing.assert_array_equal(self.gpu.get(after), before, err_msg="an input was changed")
            assert_same(_on_host(self.gpu, found), expected, tolerance)
        return expected


def _converted(value, old, new):
    """Arrays, and those in tuples, of the dtype `old` as `new`; NumPy's scalars become arrays."""
    if isinstance(value, tuple):
        return tuple(_converted(one, old, new) for one in value)
    value = np.asarray(value) if isinstance(value, np.generic) else value
    return value.astype(new) if isinstance(value, np.ndarray) and value.dtype == old else value


def _on_host(gpu, value):
    return tuple(_on_host(gpu, one) for one in value) if isinstance(value, tuple) else gpu.get(value)


@pytest.fixture(scope="session", params=["emulated", pytest.param("device", marks=pytest.mark.gpu)])
def gpu(request):
    """What runs the CUDA kernels: the emulation, and the GPU where there is one."""
    if request.param == "device":
        if not tn.cuda_is_available():
            pytest.skip("needs a CUDA device and CuPy")
        return RealGpu()
    if find_compiler() is None:
        pytest.skip("needs Linux and g++ to emulate CUDA kernels")
    return EmulatedGpu(request.config.cache.mkdir("cuda_emulation"))


@pytest.fixture(scope="session")
def compare_gpu(gpu):
    return GpuComparison(gpu)


@pytest.fixture(scope="session")
def compare_takes():
    return Comparison()


@pytest.fixture(scope="session")
def same():
    return assert_same
