"""The modules ``cupy`` and ``cupyx``, made of those functions of NumPy that CuPy has as well."""

import math
import sys
import types
from contextlib import contextmanager

import numpy as np

from cupy_stand_in import recording, streams
from cupy_stand_in.arrays import _calculated, ndarray, on_device
from cupy_stand_in.synchronisations import note

__all__ = ["installed", "stand_in"]

# Their results have sizes that depend on values, or they check values: CuPy looks, and so waits.
_WAITING = {
    *("argwhere", "average", "bincount", "compress", "extract", "flatnonzero", "histogram", "isin"),
    *("nonzero", "percentile", "quantile", "trim_zeros", "unique"),
}


class _Function:
    """A function or ufunc of NumPy over device arrays."""

    def __init__(self, function, name):
        self._function = function
        self.__name__ = name

    def __call__(self, *arguments, **keywords):
        if self.__name__ in _WAITING or (self.__name__ == "where" and len(arguments) == 1):
            note(self.__name__)
        return _calculated(self._function, arguments, keywords)

    def at(self, *arguments):
        """In place, for ufuncs."""
        _calculated(self._function.at, arguments, {})


class _Module(types.ModuleType):
    """NumPy's names, with functions over device arrays in place of its own."""

    def __getattr__(self, name):
        found = getattr(np, name)
        if isinstance(found, type) or not callable(found):
            return found
        function = _Function(found, name)
        setattr(self, name, function)
        return function


def _array(data, dtype=None, copy=True, **_):
    """A device array from anything. What comes from main memory is copied without waiting."""
    if isinstance(data, ndarray):
        streams.current().run()
        return data.astype(dtype or data.dtype, copy=copy)
    if isinstance(data, (list, tuple)) and any(isinstance(part, ndarray) for part in data):
        return stand_in.stack(data) if dtype is None else stand_in.stack(data).astype(dtype)
    recording.refuse_upload("array")
    return ndarray(np.array(data, dtype))


def _as_array(data, dtype=None, **_):
    if isinstance(data, ndarray) and dtype in (None, data.dtype):
        return data
    return _array(data, dtype)


def _as_contiguous_array(data, dtype=None):
    if isinstance(data, ndarray):
        streams.current().run()
        is_one = data.flags.c_contiguous and dtype in (None, data.dtype)
        return data if is_one else data.astype(dtype or data.dtype, order="C")
    return _array(data, dtype)


def _empty(shape, dtype=np.float64, **_):
    """Full of a pattern that whoever reads it will notice: NaN as floating-point numbers."""
    array = np.empty(shape, dtype)
    array.reshape(-1).view(np.uint8).fill(0xFF)
    return ndarray(array)


def _empty_like(array, dtype=None, **_):
    return _empty(array.shape, dtype or array.dtype)


def _from_dlpack(source):
    return on_device(source.__dlpack__()._host[...])


def _as_numpy(data, **_):
    return data.get() if isinstance(data, ndarray) else np.asarray(data)


class _Generator:
    """Random numbers; others than CuPy's, and as good for tests."""

    def __init__(self, seed):
        recording.refuse("random numbers")
        self._generator = np.random.default_rng(seed)

    def random(self, size=None, dtype=np.float64):
        recording.refuse("random numbers")
        return on_device(self._generator.random(size, dtype))

    def standard_normal(self, size=None, dtype=np.float64):
        recording.refuse("random numbers")
        return on_device(self._generator.standard_normal(size, dtype))

    def integers(self, low, high=None, size=None, dtype=np.int64, endpoint=False):
        recording.refuse("random numbers")
        return on_device(self._generator.integers(low, high, size, dtype, endpoint))


class _MemoryPool:
    """The statistics of CuPy's memory pool, made up."""

    def malloc(self, size):
        """Never called: the arrays are NumPy's."""

    def used_bytes(self):
        return 3 * 2**20

    def total_bytes(self):
        return 5 * 2**20

    def free_all_blocks(self):
        """Nothing to do."""


def _cuda():
    cuda = types.ModuleType("cupy.cuda")
    cuda.runtime = types.ModuleType("cupy.cuda.runtime")
    cuda.runtime.getDeviceCount = lambda: 1
    cuda.runtime.CUDARuntimeError = streams.CUDARuntimeError
    cuda.Device, cuda.Stream, cuda.Event = streams.Device, streams.Stream, streams.Event
    cuda.get_current_stream = streams.current
    cuda.MemoryPool, cuda.using_allocator = _MemoryPool, streams.using_allocator
    cuda.alloc_pinned_memory = streams.PinnedMemory
    return cuda


def _cupy():
    module = _Module("cupy")
    module.ndarray = ndarray
    module.array, module.asarray, module.ascontiguousarray = _array, _as_array, _as_contiguous_array
    module.asnumpy = _as_numpy
    module.from_dlpack = _from_dlpack
    module.empty, module.empty_like = _empty, _empty_like
    module.cuda = _cuda()
    module.random = types.SimpleNamespace(Generator=_Generator, Philox4x3210=lambda seed: seed)
    module.get_default_memory_pool = _MemoryPool
    module.linalg = _Linalg("cupy.linalg")
    return module


class _Linalg(types.ModuleType):
    """Decompositions look whether they succeeded; norms and products don't."""

    def __getattr__(self, name):
        found = getattr(np.linalg, name)
        if isinstance(found, type):
            return found

        def function(*arguments, **keywords):
            if name not in ("norm", "det", "matrix_transpose"):
                note(f"linalg.{name}")
            return _calculated(found, arguments, keywords)

        return function


def _special():
    special = types.ModuleType("cupyx.scipy.special")
    error_function = np.vectorize(math.erf, otypes=[np.float64])
    special.erf = lambda x: _calculated(lambda a: error_function(a).astype(a.dtype), (x,), {})
    return special


stand_in = _cupy()


@contextmanager
def installed():
    """Within this context ``import cupy`` gives the stand-in, which is yielded."""
    replacements = {
        "cupy": stand_in,
        "cupy.cuda": stand_in.cuda,
        "cupyx": types.ModuleType("cupyx"),
        "cupyx.scipy": types.ModuleType("cupyx.scipy"),
        "cupyx.scipy.special": _special(),
    }
    before = {name: sys.modules.get(name) for name in replacements}
    sys.modules.update(replacements)
    try:
        yield stand_in
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
