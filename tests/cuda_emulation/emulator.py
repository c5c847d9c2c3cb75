"""The back end that runs kernels with the emulation, and what it demands of them."""

import ctypes
import itertools

import numpy as np

from cuda_emulation.compilation import Library
from cuda_emulation.guarded import GuardedArray

__all__ = ["EmulationError", "Emulator"]

# Every launch runs once for each: the order in which threads and blocks take turns (see Order in the header),
# and the byte that fills what nobody has written. The results have to be the same.
_RUNS = (("ascending", 0xFF), ("descending", 0x7B), ("shuffled", 0x55))

_POISON = 0xFF  # NaN in every floating-point type
_ALIGNMENT = 16  # of dynamic shared memory
_MOST_THREADS = 1024
_MOST_SHARED_BYTES = 227 * 1024  # of a block; 163 KiB on sm_80


class EmulationError(RuntimeError):
    """A kernel did something that is wrong, or may be on a GPU."""


class _Report(ctypes.Structure):
    """As in the header."""

    _fields_ = (
        ("failed", ctypes.c_int32),
        ("block", ctypes.c_uint32 * 3),
        ("thread", ctypes.c_uint32 * 3),
        ("address", ctypes.c_uint64),
        ("code_address", ctypes.c_uint64),
        ("message", ctypes.c_char * 512),
    )


class Emulator:
    """A back end for `tinynet_kernels.cuda.installed` that serves NumPy arrays.

    Every launch runs three times, with its threads and blocks in different orders, on copies of the arrays
    that are surrounded by guarded memory.

    Args:
        folder: where compiled libraries are kept.

    Attributes:
        launches: how many there have been, for tests of what is done in one.
    """

    def __init__(self, folder):
        self._folder = folder
        self._libraries = {}
        self.launches = 0

    def serves(self, array):
        return isinstance(array, np.ndarray)

    def empty(self, shape, dtype):
        array = np.empty(shape, dtype)
        array.reshape(-1).view(np.uint8).fill(_POISON)
        return array

    def launch(self, function, grid, block, arguments, shared_bytes):
        """Runs a kernel to its end.

        Raises:
            EmulationError: it accesses memory that isn't its own, its results depend on the order of its
                threads or blocks or on memory that nobody has written, or its barriers are not met by all.
        """
        where = f"kernel {function.name} of {function.program.name}"
        if np.prod(block) > _MOST_THREADS or shared_bytes > _MOST_SHARED_BYTES:
            raise EmulationError(
                f"{where}: {block} threads and {shared_bytes} bytes are too many for a block"
            )
        library = self._library(function.program)
        self.launches += 1
        _check_no_overlap(where, function, arguments)
        results = []
        for order, (name, pattern) in enumerate(_RUNS):
            guarded = _guard(function, arguments, pattern)
            report = _run(library, function, grid, block, arguments, guarded, shared_bytes, order, pattern)
            if report.failed:
                raise EmulationError(f"{where}: {_describe(report, library, function, arguments, guarded)}")
            for key, array in guarded.items():
                if not array.zone_is_whole():
                    names = _names_of(function, arguments, key)
                    raise EmulationError(f"{where}: writes before the start of {names} ({name} threads)")
            results.append(guarded)
        for parameter, argument in zip(function.parameters, arguments, strict=True):
            if parameter.is_written and argument is not None:
                _compare(where, parameter, argument, [run[_key(argument)].content for run in results])
                _write_back(argument, results[0][_key(argument)].content)

    def _library(self, program):
        if program not in self._libraries:
            self._libraries[program] = Library(program, self._folder)
        return self._libraries[program]


def _guard(function, arguments, pattern):
    """A guarded copy for every array, by its `_key`."""
    written = {
        _key(array)
        for parameter, array in zip(function.parameters, arguments, strict=True)
        if parameter.is_written and array is not None
    }
    return {
        _key(array): GuardedArray(_bytes_of(array), pattern, _key(array) in written)
        for parameter, array in zip(function.parameters, arguments, strict=True)
        if parameter.is_array and array is not None
    }


def _run(library, function, grid, block, arguments, guarded, shared_bytes, order, pattern):
    numbers, report = [], _Report()
    for parameter, argument in zip(function.parameters, arguments, strict=True):
        if parameter.is_array:
            address = 0 if argument is None else guarded[_key(argument)].address
            numbers.append(np.array(address, np.uint64))
        else:
            numbers.append(np.array(argument, parameter.dtype))
    # It ends where forbidden memory begins, as the arrays do.
    shared_bytes = -(-shared_bytes // _ALIGNMENT) * _ALIGNMENT
    shared = GuardedArray(np.zeros(shared_bytes, np.uint8), pattern, True)
    three = ctypes.c_uint32 * 3
    library.entry(function.name)(
        (ctypes.c_void_p * len(numbers))(*[number.ctypes.data for number in numbers]),
        three(*grid),
        three(*block),
        ctypes.c_void_p(shared.address),
        ctypes.c_size_t(shared_bytes),
        order,
        pattern,
        ctypes.byref(report),
    )
    if not report.failed and not shared.zone_is_whole():
        report.failed, report.message = 1, b"writes before the start of its dynamic shared memory"
    return report


def _describe(report, library, function, arguments, guarded):
    line = library.line_of(report.code_address)
    message = report.message.decode()
    if report.address:
        for key, array in guarded.items():
            if array.address <= report.address < array.end + 4096:
                names = _names_of(function, arguments, key)
                offset = report.address - array.address
                way = "writes to" if offset < array.content.size else "reads or writes behind the end of"
                message = f"{way} {names}, {offset} bytes from its start, of {array.content.size}"
    place = f" at {line}" if line else ""
    return f"block {tuple(report.block)}, thread {tuple(report.thread)}: {message}{place}"


def _names_of(function, arguments, key):
    names = [
        parameter.name
        for parameter, argument in zip(function.parameters, arguments, strict=True)
        if parameter.is_array and argument is not None and _key(argument) == key
    ]
    return " and ".join(names)


def _compare(where, parameter, argument, contents):
    for (name, _), content in zip(_RUNS[1:], contents[1:], strict=True):
        differs = (content != contents[0]).reshape(-1, argument.itemsize).any(axis=1)
        if differs.any():
            first = int(differs.argmax())
            values = [array.view(argument.dtype)[first] for array in (contents[0], content)]
            raise EmulationError(
                f"{where}: {parameter.name} depends on the order in which threads run, or on memory that was "
                f"not written before it was read: element {first} is {values[0]} with {_RUNS[0][0]} and "
                f"{values[1]} with {name} threads"
            )


def _write_back(argument, content):
    _bytes_of(argument)[:] = content


def _key(array):
    """Tells apart what lies at different places; arguments may be the same array."""
    return array.ctypes.data, array.nbytes


def _bytes_of(array):
    return array.reshape(-1).view(np.uint8)


def _check_no_overlap(where, function, arguments):
    spans = sorted(
        {
            (array.ctypes.data, array.ctypes.data + array.nbytes)
            for parameter, array in zip(function.parameters, arguments, strict=True)
            if parameter.is_array and array is not None and array.nbytes
        }
    )
    for (_, end), (start, _) in itertools.pairwise(spans):
        if start < end:
            raise EmulationError(f"{where}: two arrays overlap, which the emulation can't copy")
