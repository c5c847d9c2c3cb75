"""Which array module an array belongs to, and which take of a kernel family serves it."""

import importlib
import sys
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from tinynet_kernels.widening import Widened

__all__ = ["FLOATS", "TAKES", "Family", "array_module", "is_strict", "pinned"]

TAKES = ("reference", "cpu", "gpu", "strict", "fast")

FLOATS = ("float16", "float32", "float64")

_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)

_pinned_take = ContextVar("pinned_take", default=None)


def array_module(array):
    """The module, ``numpy`` or ``cupy``, whose functions serve `array`. Never imports CuPy itself.

    Raises:
        TypeError: `array` is neither a NumPy nor a CuPy array.
    """
    if isinstance(array, np.ndarray | np.generic):
        return np
    cupy = sys.modules.get("cupy")
    if cupy is not None and isinstance(array, cupy.ndarray):
        return cupy
    raise TypeError(f"array_module: expected a NumPy or CuPy array, got {type(array).__name__}")


@contextmanager
def pinned(take):
    """Within this context every kernel family works as `take` says.

    * ``"reference"``: the definition in NumPy or CuPy.
    * ``"cpu"``: the compiled kernels, which refuse, with a TypeError, the arrays that they do not serve,
      instead of leaving them to the reference.
    * ``"gpu"``: likewise, for the CUDA kernels.
    * ``"fast"``: as without pinning, the compiled kernels where they serve, by their fastest methods.
    * ``"strict"``: the same without the methods that round more than a plain sum of products does: Winograd's
      convolution except F(2, 3), see `tinynet_kernels.conv.plan`.

    Holds for the current thread (or asynchronous task) only.

    Raises:
        ValueError: there is no take of this name.
    """
    if take not in TAKES:
        raise ValueError(f"pinned: there is no take {take!r}; choose one of {', '.join(TAKES)}")
    token = _pinned_take.set(take)
    try:
        yield
    finally:
        _pinned_take.reset(token)


def is_strict():
    """Whether ``pinned("strict")`` holds."""
    return _pinned_take.get() == "strict"


class Family:
    """The takes of one kernel family, imported when they are first used.

    Args:
        package: the name of the family's package, which holds one module per take.
        gpu: the names of the dtypes that the ``gpu`` take serves, if there is one.
        widens: whether the ``cpu`` take, unless pinned, also serves float16, in float32 (see widening.py).
    """

    __slots__ = ("_gpu_dtypes", "_modules", "_package", "_widens")

    def __init__(self, package, gpu=(), widens=False):
        self._package = package
        self._modules = {}
        self._gpu_dtypes = tuple(map(np.dtype, gpu))
        self._widens = widens

    def take(self, *arrays):
        """The module that serves `arrays`, which are all the floating-point arguments of one call."""
        name = _pinned_take.get()
        if name != "reference":
            is_for_cpu = name != "gpu" and _is_served_by_cpu(arrays)
            name = "cpu" if is_for_cpu else self._serving(name, arrays)
        return self._modules.get(name) or self._load(name)

    def _serving(self, pinned_name, arrays):
        """The take for arrays that the cpu take doesn't serve, or not if another is pinned."""
        if pinned_name != "cpu" and self._is_served_by_gpu(arrays, pinned_name == "gpu"):
            return "gpu"
        if pinned_name not in ("cpu", "gpu"):
            return "widened" if self._widens and _are_narrow(arrays) else "reference"
        found = ", ".join(f"{type(array).__module__} {array.dtype}" for array in arrays)
        if pinned_name == "cpu":
            serves = "NumPy arrays that are all float32 or all float64"
        elif self._gpu_dtypes:
            serves = f"CuPy arrays of one dtype among ({', '.join(map(str, self._gpu_dtypes))})"
        else:
            serves = "nothing, since this family has no CUDA kernels"
        raise TypeError(f"{self._package}: the {pinned_name} take serves {serves}, not {found}")

    def _is_served_by_gpu(self, arrays, is_pinned):
        dtype = arrays[0].dtype
        if dtype not in self._gpu_dtypes or any(array.dtype != dtype for array in arrays):
            return False
        # Tests run the CUDA kernels on NumPy arrays. Whoever doesn't ask for it gets the CPU's for these.
        if not is_pinned and any(isinstance(array, np.ndarray) for array in arrays):
            return False
        serves = _cuda_backend().serves
        return all(map(serves, arrays))

    def _load(self, name):
        if name == "widened":
            module = Widened(self._load("cpu"))
        else:
            module = importlib.import_module(f"{self._package}.{name}")
        self._modules[name] = module
        return module


def _cuda_backend():
    from tinynet_kernels.cuda.launching import backend  # on first use: who has no GPU needs none of it

    return backend()


def _are_narrow(arrays):
    return all(isinstance(array, np.ndarray) and array.dtype == np.float16 for array in arrays)


def _is_served_by_cpu(arrays):
    dtype = arrays[0].dtype
    # NumPy has one object for each of the common dtypes; one that is made otherwise is as good, but rare.
    if dtype is not _FLOAT32 and dtype is not _FLOAT64 and dtype not in (_FLOAT32, _FLOAT64):
        return False
    for array in arrays:
        if array.dtype is not dtype and array.dtype != dtype:
            return False
        if type(array) is not np.ndarray and not isinstance(array, np.ndarray):
            return False
    return True
