"""What all elementwise functions share: their arrays are cut into blocks, and every block is a task.

Such a task is a loop over the elements that `block` gives it; see `tinynet_kernels.tasks`. It is compiled
once per element type for large arrays, whose addresses are its arguments, and once for small ones: these are
one block, for which no other thread is woken, and a tuple of the arrays takes the place of the addresses,
since finding an address takes Python longer than the work itself.
"""

import numpy as np
from numba import types
from numba.extending import overload

from tinynet_kernels.compile import inner
from tinynet_kernels.memory import empty
from tinynet_kernels.simd.parts import part
from tinynet_kernels.simd.views import view
from tinynet_kernels.tasks import run

__all__ = ["block", "calculate", "parameter", "result_block"]

_BLOCK = 8192  # elements; 32 KiB of float32
_RESULT, _OPERANDS, _PARAMETERS = 0, 1, -1  # places among the arrays
_SIZE, _ADDRESSES = 0, 1  # places among the numbers that stand for large arrays
_ZEROS = {np.dtype(number): number(0) for number in (np.float32, np.float64)}


def calculate(task, *arrays, alone, parameters=()):
    """The result of a task for arrays of one shape and dtype.

    Args:
        task: a function for `tasks.run`.
        arrays: what it reads with `block`.
        alone: with fewer elements than this, waking another thread takes longer than it helps.
        parameters: numbers which it reads with `parameter`.
    """
    first = arrays[0]
    dtype = first.dtype
    result = empty(first.shape, dtype)
    size = result.size
    if size:
        if parameters:
            arrays = *arrays, np.array(parameters, dtype)
        if size < alone:
            task(_ZEROS[dtype], (result.reshape(-1), *map(_line, arrays)), 0)
        else:
            arrays = result, *map(np.ascontiguousarray, arrays)
            run(task, dtype, -(-size // _BLOCK), (size, *[array.ctypes.data for array in arrays]))
    return result


def _line(array):
    """The elements with one axis; a copy if they can't be written to, which Numba takes for another type."""
    return array.reshape(-1) if array.flags.carray else array.flatten()


@inner(cache=False)
def block(zero, arguments, index, number):
    """A block of the array with this number, counted from 0."""
    return _block(zero, arguments, index, _OPERANDS + number)


@inner(cache=False)
def result_block(zero, arguments, index):
    """Where to write a block of the result."""
    return _block(zero, arguments, index, _RESULT)


def _block(zero, arguments, index, place):
    """A block of one of the arrays."""


@overload(_block)
def _make_block(zero, arguments, index, place):
    if isinstance(arguments, types.BaseTuple):
        return lambda zero, arguments, index, place: arguments[place]

    def at_address(zero, arguments, index, place):
        whole = view(zero, arguments[_ADDRESSES + place], arguments[_SIZE])
        return part(whole, index * _BLOCK, (index + 1) * _BLOCK)

    return at_address


def parameter(zero, arguments, number):
    """In a task: the parameter with this number, counted from 0."""


@overload(parameter)
def _make_parameter(zero, arguments, number):
    if isinstance(arguments, types.BaseTuple):
        return lambda zero, arguments, number: arguments[_PARAMETERS][number]
    return lambda zero, arguments, number: view(zero, arguments[_PARAMETERS], number + 1)[number]
