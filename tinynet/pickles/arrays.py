"""What pickles of NumPy's arrays, dtypes and numbers refer to: stand-ins that check before they build."""

import math
from typing import Any

import numpy as np

from tinynet.pickles.machine import PickledObject, PickleError

__all__ = ["NUMPY_NAMES", "PickledArray"]

DTYPES = frozenset(["b1", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"])


class PickledDType(PickledObject):
    """Stands for `numpy.dtype`: one of a few number types, and its byte order."""

    def __init__(self, code, *flags):
        self.code = _text(code)
        if self.code not in DTYPES:
            raise PickleError(f"dtype {self.code!r} is not allowed")
        self.order = "="

    def receive_state(self, state):
        """`state` holds the byte order, after the version of its own format."""
        order = _text(state[1])
        if order not in ("|", "<", ">", "="):
            raise PickleError(f"byte order {order!r} is not known")
        self.order = order

    def dtype(self):
        """The dtype of NumPy."""
        return np.dtype(self.code).newbyteorder(self.order)


class PickledArray(PickledObject):
    """Stands for `numpy.ndarray` while its pickle is read; `array` is None before its content comes."""

    def __init__(self):
        self.array = None

    def receive_state(self, state):
        """`state` is (version, shape, dtype, whether in Fortran's order, bytes)."""
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, PickledDType) or not isinstance(data, bytes):
            raise PickleError("an array needs a dtype and bytes")
        if not all(isinstance(length, int) and length >= 0 for length in shape):
            raise PickleError("an array has a shape that is none")
        dtype = dtype.dtype()
        expected = math.prod(shape) * dtype.itemsize
        if expected != len(data):
            raise PickleError(
                f"an array of shape {shape} and dtype {dtype} has {expected:,} bytes, found {len(data):,}"
            )
        self.array = np.frombuffer(data, dtype=dtype).reshape(shape, order="F" if fortran else "C")


def _text(code):
    text = code.decode("ascii") if isinstance(code, bytes) else code
    if not isinstance(text, str):
        raise PickleError("a dtype is described by something other than text")
    return text


def _number(dtype, data):
    """One number, as Python's own."""
    dtype = dtype.dtype()
    if not isinstance(data, bytes) or len(data) != dtype.itemsize:
        raise PickleError(f"a number of dtype {dtype} has {dtype.itemsize} bytes")
    return np.frombuffer(data, dtype=dtype)[0].item()


def _encoded(text, encoding):
    """Python 3 writes bytes in this way into protocol 2, which has no bytes."""
    if encoding != "latin1":
        raise PickleError("bytes can only come from Latin-1 text")
    return text.encode("latin-1")


NUMPY_NAMES: dict[str, Any] = {
    "numpy.ndarray": None,
    "numpy.dtype": PickledDType,
    "_codecs.encode": _encoded,
}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    NUMPY_NAMES[f"{_module}._reconstruct"] = lambda kind, shape, code: PickledArray()
    NUMPY_NAMES[f"{_module}.scalar"] = _number
