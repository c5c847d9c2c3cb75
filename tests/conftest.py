"""What all tests share."""

import numpy as np
import pytest

import tinynet as tn


@pytest.fixture
def rng():
    """A generator that is the same in every run of a test."""
    return np.random.default_rng(20240229)


@pytest.fixture
def cuda():
    """The first GPU; the test is skipped on a machine without one."""
    if not tn.cuda_is_available():
        pytest.skip("needs a CUDA device and CuPy")
    return tn.device("cuda")


@pytest.fixture(autouse=True)
def untouched_defaults():
    """Puts the default device and dtype back after a test that sets them."""
    dtype = tn.default_dtype()
    yield
    tn.set_default_device(None)
    tn.set_default_dtype(dtype)
