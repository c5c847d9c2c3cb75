"""Where arrays live: the array module (NumPy or CuPy), devices, default dtype, random generators.

All engine code is written against ``xp``, the module that ``array_module`` returns for an array, so
that the same lines run on the CPU and on a GPU. CuPy is imported only when a GPU is asked for.
"""

import contextlib
import os
import re
import sys
import threading

import numpy as np

from tinynet.errors import ArgumentError, DeviceError, DTypeError, GraphError
from tinynet_kernels.cuda.capturing import is_capturing

__all__ = [
    "Device",
    "Generator",
    "array_module",
    "as_array",
    "cuda_is_available",
    "default_device",
    "default_dtype",
    "default_generator",
    "device",
    "device_of",
    "is_on_gpu",
    "manual_seed",
    "set_default_device",
    "set_default_dtype",
    "to_device",
    "to_numpy",
    "watched_draws",
]


class _Defaults(threading.local):
    """What the current thread uses where the caller does not say."""

    device = None
    dtype = np.dtype(np.float32)
    before_draw = None  # called with each generator before it draws, see autograd/checkpoint.py


_defaults = _Defaults()


class Device:
    """A place where arrays live: ``cpu``, ``cuda`` (the first GPU) or ``cuda:1``.

    Compares equal to its name, and is a context manager that makes itself the default device, and a GPU the
    one on which CuPy launches kernels: ``with tn.device("cuda"): ...``.

    Raises:
        ArgumentError: the name is none of these forms.
    """

    __slots__ = ("_outer", "index", "kind")

    def __init__(self, name):
        if isinstance(name, Device):
            name = str(name)
        form = re.fullmatch(r"(cpu)|(cuda)(?::([0-9]+))?", str(name))
        if form is None:
            raise ArgumentError(f"device: expected 'cpu', 'cuda' or 'cuda:N', not {name!r}")
        self.kind = form[1] or form[2]
        self.index = int(form[3] or 0)
        self._outer = []

    def __str__(self):
        return "cpu" if self.kind == "cpu" else f"cuda:{self.index}"

    def __repr__(self):
        return f"device('{self}')"

    def __eq__(self, other):
        if isinstance(other, str):
            other = Device(other)
        if not isinstance(other, Device):
            return NotImplemented
        return (self.kind, self.index) == (other.kind, other.index)

    def __hash__(self):
        return hash(str(self))

    def __enter__(self):
        on_gpu = contextlib.nullcontext() if self.kind == "cpu" else _cupy(self).cuda.Device(self.index)
        on_gpu.__enter__()  # from now on CuPy launches kernels there
        self._outer.append((_defaults.device, on_gpu))
        _defaults.device = self
        return self

    def __exit__(self, *exception):
        _defaults.device, on_gpu = self._outer.pop()
        on_gpu.__exit__(*exception)

    @property
    def xp(self):
        """The array module of this device. Raises DeviceError when the device isn't there."""
        return np if self.kind == "cpu" else _cupy(self)

    def check_available(self):
        """Raises DeviceError, saying what to install, when the device isn't there."""
        if self.kind == "cuda":
            _cupy(self)


def device(name):
    """The device of this name; see `Device`."""
    return Device(name)


def _cupy(wanted):
    """CuPy, after checking that the GPU `wanted` exists."""
    try:
        import cupy
    except ImportError as error:
        raise DeviceError(
            f"device '{wanted}' needs CuPy, which is not installed: pip install 'tinynet[gpu]' "
            "(CUDA 13; for CUDA 12 install cupy-cuda12x)"
        ) from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise DeviceError(
            f"device '{wanted}' was asked for, but CuPy finds no usable GPU or driver: {error}"
        ) from error
    if wanted.index >= count:
        raise DeviceError(f"device '{wanted}' was asked for, but this machine has {count} GPU(s)")
    return cupy


def cuda_is_available():
    """Whether CuPy is installed and finds a GPU."""
    try:
        _cupy(Device("cuda"))
    except DeviceError:
        return False
    return True


def default_device():
    """The device on which new tensors are made: set by code, else by TINYNET_DEVICE, else the CPU."""
    if _defaults.device is None:
        return Device(os.environ.get("TINYNET_DEVICE") or "cpu")
    return _defaults.device


def set_default_device(name):
    """Makes new tensors of this thread live on this device; None goes back to TINYNET_DEVICE or the CPU."""
    chosen = None if name is None else Device(name)
    if chosen is not None:
        chosen.check_available()
    _defaults.device = chosen


def default_dtype():
    """The floating dtype of tensors made from Python numbers."""
    return _defaults.dtype


def set_default_dtype(dtype):
    """Sets the floating dtype (float16, float32 or float64) of tensors made from Python numbers."""
    dtype = np.dtype(dtype)
    if dtype.kind != "f":
        raise DTypeError(f"set_default_dtype: expected a floating dtype, not {dtype}")
    _defaults.dtype = dtype


def array_module(array):
    """NumPy, or CuPy for a CuPy array."""
    if type(array).__module__.partition(".")[0] == "cupy":
        return sys.modules["cupy"]
    return np


def device_of(array):
    """The device on which an array lives."""
    if isinstance(array, np.ndarray):
        return Device("cpu")
    return Device(f"cuda:{array.device.id}")


def is_on_gpu(array):
    """Whether an array is CuPy's: whoever reads its elements waits until the GPU has computed them."""
    return array_module(array) is not np


def as_array(data, dtype=None, device=None):
    """An array of `data`: arrays are taken as they are, Python numbers in the default dtype.

    Args:
        data: a NumPy or CuPy array, a number, or a nested sequence of numbers.
        dtype: the dtype to convert to; None keeps an array's own, and turns Python floats into the
            default dtype and Python integers into int64.
        device: the device to move to; None leaves an array where it is and puts other data on the
            default device.
    """
    xp = array_module(data)
    if xp is np:
        is_array = isinstance(data, np.ndarray)
        from_python = not is_array and not isinstance(data, np.generic)
        data = np.asarray(data)  # subclasses (memory maps, matrices) become plain arrays
        if data.dtype.kind not in "fiub":
            raise DTypeError(f"tensor: data of dtype {data.dtype} is not numeric")
        if dtype is None and from_python and data.dtype.kind == "f":
            dtype = _defaults.dtype
        if device is None and not is_array:
            device = default_device()
    if dtype is not None:
        data = data.astype(dtype, copy=False)
    return data if device is None else to_device(data, device)


def to_device(array, device):
    """The array on another device; itself when it is there already."""
    device = Device(device)
    if device_of(array) == device:
        return array
    if device.kind == "cpu":
        return to_numpy(array)
    if is_capturing():
        raise GraphError(
            f"an array of shape {array.shape} can't be copied to {device} while a step is captured: the graph"
            " would read the same memory in each replay; make it before, or pass it as an input"
        )
    cupy = device.xp
    with cupy.cuda.Device(device.index):
        return cupy.asarray(array)


def to_numpy(array):
    """The array in main memory; itself when it is there already."""
    return array if isinstance(array, np.ndarray) else array.get()


@contextlib.contextmanager
def watched_draws(before_draw):
    """Calls ``before_draw(generator)`` in this thread before any `Generator` draws inside the block."""
    outer = _defaults.before_draw

    def watch(generator):
        if outer is not None:
            outer(generator)
        before_draw(generator)

    _defaults.before_draw = watch
    try:
        yield
    finally:
        _defaults.before_draw = outer


class Generator:
    """A source of random numbers for both devices, whose state can be saved and restored.

    Numbers for the CPU come from NumPy's PCG64. Numbers for a GPU come from a CuPy generator that is
    seeded from the CPU one at first use and again after the state was saved or restored, so that a
    run resumed from a saved state draws the same numbers as one that went on.
    """

    def __init__(self, seed=None):
        self._host = np.random.default_rng(seed)
        self._on_device = {}

    def get_state(self):
        """The state as a JSON-able dictionary."""
        self._on_device.clear()
        return self._host.bit_generator.state

    def set_state(self, state):
        """Continues from a state given by `get_state`."""
        self._on_device.clear()
        self._host.bit_generator.state = state

    def uniform(self, shape, low=0.0, high=1.0, dtype=None, device=None):
        """Numbers drawn uniformly from [low, high)."""
        dtype = np.dtype(dtype or _defaults.dtype)
        draw = dtype if dtype in (np.float32, np.float64) else np.dtype(np.float32)
        numbers = self._source(device).random(shape, dtype=draw)
        if (low, high) != (0.0, 1.0):
            numbers *= high - low
            numbers += low
        return numbers.astype(dtype, copy=False)

    def normal(self, shape, mean=0.0, std=1.0, dtype=None, device=None):
        """Numbers drawn from the normal distribution."""
        dtype = np.dtype(dtype or _defaults.dtype)
        draw = dtype if dtype in (np.float32, np.float64) else np.dtype(np.float32)
        numbers = self._source(device).standard_normal(shape, dtype=draw)
        if (mean, std) != (0.0, 1.0):
            numbers *= std
            numbers += mean
        return numbers.astype(dtype, copy=False)

    def integers(self, low, high, shape=None):
        """Integers drawn uniformly from [low, high), on the CPU."""
        return self._source("cpu").integers(low, high, size=shape)

    def permutation(self, length):
        """A random order of the integers below `length`, on the CPU."""
        return self._source("cpu").permutation(length)

    def _source(self, device):
        if _defaults.before_draw is not None:
            _defaults.before_draw(self)
        device = default_device() if device is None else Device(device)
        if device.kind == "cpu":
            return self._host
        if device not in self._on_device:
            cupy = device.xp
            with cupy.cuda.Device(device.index):
                seed = int(self._host.integers(2**63))
                self._on_device[device] = cupy.random.Generator(cupy.random.Philox4x3210(seed))
        return self._on_device[device]


_default_generator = None


def default_generator():
    """The generator used where none is given. Made on first use, seeded by the operating system."""
    global _default_generator
    if _default_generator is None:
        _default_generator = Generator()
    return _default_generator


def manual_seed(seed):
    """Seeds the default generator anew and returns it. NumPy's own random state stays untouched."""
    global _default_generator
    _default_generator = Generator(seed)
    return _default_generator
