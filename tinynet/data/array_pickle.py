"""Reading pickled arrays, bytes, numbers, lists and dictionaries without running what a pickle says.

A pickle is a program, and unpickling one from a stranger runs the stranger's code. Here only the
instructions that build plain data are allowed, and the few names that NumPy's arrays refer to are
replaced by stand-ins that keep bytes, shape and dtype, and check them before an array is made.
"""

import io
import math
import pickle
import pickletools

import numpy as np

from tinynet.errors import DataError

__all__ = ["load_array_pickle"]

# Protocols 0 to 2, as far as plain data and arrays need them.
OPCODES = frozenset(
    """PROTO STOP MARK POP NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT
    BINSTRING SHORT_BINSTRING BINUNICODE EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS
    EMPTY_DICT SETITEM SETITEMS BINPUT LONG_BINPUT BINGET LONG_BINGET GLOBAL REDUCE BUILD""".split()  # noqa: SIM905
)
ARRAY_DTYPES = frozenset(["b1", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])


class _Constructor:
    """What an allowed name stands for: it can be called, and nothing can be set on it."""

    __slots__ = ("_make",)

    def __init__(self, make):
        self._make = make

    def __call__(self, *arguments):
        return self._make(*arguments)

    def __setstate__(self, state):
        raise pickle.UnpicklingError("a constructor has no state")


class _PickledDType:
    """Stands for `numpy.dtype`: one of a few number types, and its byte order."""

    def __init__(self, code):
        self.code = code.decode("ascii") if isinstance(code, bytes) else code
        if self.code not in ARRAY_DTYPES:
            raise pickle.UnpicklingError(f"dtype {self.code!r} is not allowed")
        self.order = "="

    def __setstate__(self, state):
        order = state[1].decode("ascii") if isinstance(state[1], bytes) else state[1]
        if order not in ("|", "<", ">", "="):
            raise pickle.UnpicklingError(f"byte order {order!r} is not known")
        self.order = order

    def dtype(self):
        return np.dtype(self.code).newbyteorder(self.order)


class _PickledArray:
    """Stands for `numpy.ndarray` while its pickle is read."""

    def __init__(self):
        self.array = None

    def __setstate__(self, state):
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, _PickledDType) or not isinstance(data, bytes):
            raise pickle.UnpicklingError("an array needs a dtype and bytes")
        if not all(isinstance(length, int) and length >= 0 for length in shape):
            raise pickle.UnpicklingError(f"{shape} is not the shape of an array")
        dtype = dtype.dtype()
        expected = math.prod(shape) * dtype.itemsize
        if expected != len(data):
            raise pickle.UnpicklingError(
                f"an array of shape {shape} and dtype {dtype} has {expected:,} bytes, found {len(data):,}"
            )
        self.array = np.frombuffer(data, dtype=dtype).reshape(shape, order="F" if fortran else "C")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return _Constructor(lambda kind, shape, code: _PickledArray())
        if (module, name) == ("numpy", "ndarray"):
            return _Constructor(lambda *arguments: _PickledArray())
        if (module, name) == ("numpy", "dtype"):
            return _Constructor(lambda code, *flags: _PickledDType(code))
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")


def load_array_pickle(data, name):
    """Reads a pickle of plain data and arrays, as Python 2 wrote them (protocol 2).

    Args:
        data: the pickle, bytes.
        name: what error messages call it.

    Returns:
        The object; its byte strings are `bytes`, its arrays read-only. Arrays are found as values of
        the outermost dictionary only.

    Raises:
        DataError: the pickle is damaged, or wants anything but plain data.
    """
    try:
        _check_opcodes(data)
        found = _Unpickler(io.BytesIO(data), encoding="bytes").load()
    except Exception as error:  # a damaged pickle can make the reader raise almost anything
        raise DataError(f"{name}: not a pickle of plain data and arrays: {error}") from error
    if isinstance(found, dict):
        return {
            key: value.array if isinstance(value, _PickledArray) else value for key, value in found.items()
        }
    return found


def _check_opcodes(data):
    for opcode, argument, position in pickletools.genops(data):
        if opcode.name not in OPCODES:
            raise pickle.UnpicklingError(f"instruction {opcode.name} at byte {position} is not allowed")
        # The reader's table grows to the largest number used, which honest pickles count up from 0.
        if opcode.name in ("BINPUT", "LONG_BINPUT") and argument > position:
            raise pickle.UnpicklingError(f"entry {argument} at byte {position} is not possible")
