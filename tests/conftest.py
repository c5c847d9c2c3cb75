"""What all tests share."""

import signal

import numpy as np
import pytest

import cupy_stand_in
import tinynet as tn
import tinynet_kernels.cuda
from cuda_emulation import Emulator, find_compiler
from gpu_waits import watched_waits

# A shell that starts the suite in the background has it, and every program that it starts, ignore Ctrl-C.
# The tests of Ctrl-C need the ordinary behaviour.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def rng():
    """A generator that is the same in every run of a test."""
    return np.random.default_rng(20240229)


@pytest.fixture
def cuda_stand_in(request):
    """Puts the stand-in for CuPy in its place, with the emulation for kernels; gives the `Emulator`."""
    if find_compiler() is None:
        pytest.skip("needs Linux and g++ to emulate CUDA kernels")
    emulator = Emulator(request.config.cache.mkdir("cuda_emulation"))
    with cupy_stand_in.installed(), tinynet_kernels.cuda.installed(cupy_stand_in.EmulationBackend(emulator)):
        yield emulator


@pytest.fixture(params=["stand-in", pytest.param("device", marks=pytest.mark.gpu)])
def cuda(request):
    """The device ``cuda``: the stand-in everywhere, and the first GPU where there is one.

    `make test-gpu` runs what is marked ``gpu``, which is the latter.
    """
    if request.param == "stand-in":
        request.getfixturevalue("cuda_stand_in")
    elif not tn.cuda_is_available():
        pytest.skip("needs a CUDA device and CuPy")
    return tn.device("cuda")


@pytest.fixture
def watched(cuda):
    """A context manager that yields a list of the places where the program waits for the GPU."""
    is_real = cuda.xp is not cupy_stand_in.stand_in
    return watched_waits if is_real else cupy_stand_in.watched_synchronisations


@pytest.fixture(autouse=True)
def untouched_defaults():
    """Puts the default device and dtype back after a test that sets them."""
    dtype = tn.default_dtype()
    yield
    tn.set_default_device(None)
    tn.set_default_dtype(dtype)
