"""What all tests share."""

import signal

import numpy as np
import pytest

import tinynet as tn

# A shell that starts the suite in the background has it, and every program that it starts, ignore Ctrl-C.
# The tests of Ctrl-C need the ordinary behaviour.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Whatever asks for a GPU is marked ``gpu``: `make test-gpu` runs just that."""
    for item in items:
        if "cuda" in getattr(item, "fixturenames", ()):
            item.add_marker("gpu")


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
