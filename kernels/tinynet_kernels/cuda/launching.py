"""Launching kernels: every argument is checked against the kernel's declaration first, since CUDA doesn't.

A launch returns at once; the kernel runs when all that was launched on the stream before has finished.
Nothing here ever waits for it.
"""

from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

__all__ = ["backend", "installed", "launch", "observed"]

_LIMITS = {np.dtype(np.bool_): (0, 1)} | {
    np.dtype(dtype): (np.iinfo(dtype).min, np.iinfo(dtype).max)
    for dtype in ("int8", "uint8", "int32", "uint32", "int64", "uint64")
}

_backend = None

_observer: ContextVar = ContextVar("launch_observer", default=None)


def backend():
    """What runs the kernels: CuPy, unless another back end is `installed`."""
    global _backend
    if _backend is None:
        from tinynet_kernels.cuda.cupy_backend import CupyBackend

        _backend = CupyBackend()
    return _backend


@contextmanager
def installed(replacement):
    """Within this context kernels run on another back end, for all threads.

    A back end has the methods ``serves(array)``, whether it can pass such an array to a kernel;
    ``empty(shape, dtype)``; and ``launch(function, grid, block, arguments, shared_bytes)`` with arguments
    that have been checked: arrays, None for null pointers, and NumPy scalars.
    """
    global _backend
    before = _backend
    _backend = replacement
    try:
        yield replacement
    finally:
        _backend = before


@contextmanager
def observed(observer):
    """Within this context ``observer(function, grid, arguments)`` is told of each launch of this thread.

    The kernel starts if it returns true.
    """
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


def launch(function, grid, block, arguments, shared_bytes=0):
    """Starts a kernel.

    Args:
        function: of `Source.function`.
        grid, block: the number of blocks, and of threads in each: an integer, or a tuple of up to three.
        arguments: an array, or None for a null pointer, where the kernel declares a pointer; numbers where it
            declares numbers. Arrays are C-contiguous and on the device, of exactly the declared type.
        shared_bytes: the size of the kernel's dynamic shared memory.

    Raises:
        TypeError, ValueError: the arguments don't fit the declaration; the message names the first.
    """
    runs_on = backend()
    if len(arguments) != len(function.parameters):
        raise TypeError(
            f"{_where(function)}: takes {len(function.parameters)} arguments, not {len(arguments)}"
        )
    values = tuple(
        [
            _checked_array(runs_on, function, parameter, argument)
            if parameter.is_array
            else _checked_number(function, parameter, argument)
            for parameter, argument in zip(function.parameters, arguments, strict=True)
        ]
    )
    grid, block = _three(function, grid), _three(function, block)
    observer = _observer.get()
    if observer is None or observer(function, grid, values):
        runs_on.launch(function, grid, block, values, shared_bytes)


def _checked_array(runs_on, function, parameter, array):
    if array is None:
        return None
    if not runs_on.serves(array):
        raise TypeError(
            f"{_where(function)}: {parameter.name} must be an array on the device, not "
            f"{type(array).__name__} of {type(array).__module__}"
        )
    if array.dtype != parameter.dtype or not array.flags.c_contiguous:
        layout = "contiguous" if array.flags.c_contiguous else "not contiguous"
        raise ValueError(
            f"{_where(function)}: {parameter.name} must be a contiguous array of {parameter.dtype}, but has "
            f"dtype {array.dtype} and shape {array.shape} and is {layout}"
        )
    return array


def _checked_number(function, parameter, number):
    if type(number) is parameter.dtype.type:
        return number
    limits = _LIMITS.get(parameter.dtype)
    if limits is not None:
        if int(number) != number:
            raise TypeError(f"{_where(function)}: {parameter.name} must be an integer, not {number!r}")
        if not limits[0] <= number <= limits[1]:
            raise ValueError(
                f"{_where(function)}: {parameter.name} = {number} does not fit into {parameter.dtype}"
            )
    return parameter.dtype.type(number)


def _three(function, counts):
    counts = (counts,) if isinstance(counts, int) else tuple(counts)
    if not 1 <= len(counts) <= 3 or min(counts) < 1:
        raise ValueError(
            f"{_where(function)}: grid and block have one to three sizes of at least 1, not {counts}"
        )
    return counts + (1,) * (3 - len(counts))


def _where(function):
    return f"kernel {function.name} of {function.program.name}"
