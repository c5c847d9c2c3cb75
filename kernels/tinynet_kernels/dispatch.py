"""Which array module an array belongs to, and which take of a kernel family serves it."""

import importlib
import sys
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

__all__ = ["TAKES", "Family", "array_module", "is_strict", "pinned"]

TAKES = ("reference", "cpu", "strict", "fast")

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
    * ``"fast"``: as without pinning, the compiled kernels where they serve, by their fastest methods.
    * ``"strict"``: the same without the methods that round more than a plain sum of products does. There is
      one, Winograd's F(4, 3), see `tinynet_kernels.conv.plan`.

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
    """

    __slots__ = ("_modules", "_package")

    def __init__(self, package):
        self._package = package
        self._modules = {}

    def take(self, *arrays):
        """The module that serves `arrays`, which are all the floating-point arguments of one call."""
        name = _pinned_take.get()
        if name == "cpu" and not _is_served_by_cpu(arrays):
            found = ", ".join(f"{type(array).__module__} {array.dtype}" for array in arrays)
            raise TypeError(
                f"{self._package}: the cpu take serves NumPy arrays that are all float32 or all float64, "
                f"not {found}"
            )
        if name != "reference":
            name = "cpu" if _is_served_by_cpu(arrays) else "reference"
        return self._modules.get(name) or self._load(name)

    def _load(self, name):
        module = importlib.import_module(f"{self._package}.{name}")
        self._modules[name] = module
        return module


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
