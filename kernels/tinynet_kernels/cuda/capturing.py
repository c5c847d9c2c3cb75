"""What changes from one replay of a captured step to the next, and how kernels get to know it.

A graph repeats launches with the very arguments that they were captured with. What the host computes anew for
every step (a learning rate, Adam's corrections, the key of a dropout mask) would stay what it was. So it is
computed inside of `repeated`, which a `Recording` calls again before each replay, and kernels read it from
device memory, where `step_numbers` has put it::

    capture   repeated(f) calls f; step_numbers(...) gives an array, which f's launches are captured with
    replay    the recording calls f, launching nothing; the numbers that f asks for go to where they were
              before; then the graph runs

Outside of a capture `repeated` just calls, and `step_numbers` gives the numbers back as they are.
"""

from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from tinynet_kernels.cuda.arrays import empty
from tinynet_kernels.cuda.launching import launch, observed
from tinynet_kernels.cuda.source import Source

__all__ = ["CaptureError", "Recording", "is_capturing", "is_repeating", "repeated", "step_numbers"]

_source = Source(__package__, "step_numbers.cu", dtypes=("float32",))

_WORD = np.dtype(np.uint64)
_MOST_WORDS = 4096
_WORDS_OF_LAUNCH = 8

_recording: ContextVar = ContextVar("recording", default=None)


class CaptureError(RuntimeError):
    """A step does what a graph can't repeat."""


def is_capturing():
    """Whether the launches of this thread are being captured."""
    return _recording.get() is not None


def is_repeating():
    """Whether this is inside of a function given to `repeated`, in a capture or before a replay."""
    recording = _recording.get()
    return recording is not None and recording.is_inside


def repeated(function):
    """``function()``, which is called again before each replay if the step is being captured.

    It must ask for the same step numbers and make the same launches every time, with the same arrays.
    """
    recording = _recording.get()
    return function() if recording is None else recording.repeat(function)


def step_numbers(dtype, numbers):
    """Numbers for a kernel: `numbers` itself, or in a capture an array of the device that will hold them.

    Raises:
        CaptureError: in a capture, but not inside of `repeated`: nobody would renew the numbers.
    """
    recording = _recording.get()
    return numbers if recording is None else recording.place(dtype, numbers)


class Recording:
    """What the host does anew for each replay of one captured step. To be made before the capture begins.

    Attributes:
        is_inside: whether one of the functions is running.
    """

    def __init__(self):
        self.is_inside = False
        self._functions = []
        self._launches = []
        self._slots = _Slots()
        self._is_new = True

    @contextmanager
    def active(self):
        """Within this context `repeated` and `step_numbers` note what they are given."""
        token = _recording.set(self)
        try:
            yield self
        finally:
            _recording.reset(token)

    def repeat(self, function):
        """Calls a function and notes it; one that is called by another of them belongs to that."""
        if self.is_inside:
            return function()
        self._functions.append(function)
        self.is_inside = True
        try:
            with observed(self._note_launch):
                return function()
        finally:
            self.is_inside = False

    def place(self, dtype, numbers):
        """The array for numbers of a function that is running."""
        if not self.is_inside:
            raise CaptureError(
                "a captured step uses numbers of the host that change from step to step (an optimiser's, or "
                "dropout's key), but not by way of tinynet's optimisers and functions, which renew them"
            )
        return self._slots.next(np.dtype(dtype), numbers)

    def renew(self):
        """Calls all functions again, launching nothing, and writes the numbers that they give.

        The first time the numbers are still those from the capture, in which nothing ran.

        Raises:
            CaptureError: what they launch isn't what was captured.
        """
        if not self._is_new:
            self._call_again()
        self._is_new = False
        self._slots.write()

    def _call_again(self):
        self._slots.start_again()
        expected = iter(self._launches)
        with self.active(), observed(lambda *launched: self._compare(next(expected, None), launched)):
            self.is_inside = True
            try:
                for function in self._functions:
                    function()
            finally:
                self.is_inside = False
        if next(expected, None) is not None or not self._slots.are_all_used():
            raise CaptureError("what the host does in a captured step launches less than in the capture")

    def _note_launch(self, function, grid, arguments):
        self._launches.append(_fixed_part(function, grid, arguments))
        return True

    def _compare(self, expected, launched):
        if expected != _fixed_part(*launched):
            raise CaptureError(
                f"kernel {launched[0].name}: its arrays or options have changed since the step was captured; "
                "make a new captured step after loading an optimiser's state or changing what it consists of"
            )
        return False


def _fixed_part(function, grid, arguments):
    """What has to be the same in every replay: everything but the numbers that `step_numbers` replaces."""
    kept = []
    for parameter, argument in zip(function.parameters, arguments, strict=True):
        if argument is None or not parameter.is_array:
            kept.append(argument if parameter.dtype.kind != "f" else None)
        else:
            kept.append(_address(argument))
    return function, grid, tuple(kept)


def _address(array):
    pointer = getattr(array.data, "ptr", None)
    return array.ctypes.data if pointer is None else pointer


class _Slots:
    """Places for numbers, given out in the order in which they are asked for.

    Their memory is taken before the capture: what is taken in a capture may be where something else was
    earlier in the graph, which each replay would write over the numbers.
    """

    def __init__(self):
        self._memory = empty((_MOST_WORDS,), _WORD)
        self._words = []
        self._slots = []
        self._position = 0
        self._may_grow = True

    def start_again(self):
        """The next one asked for is the first again, and there will be no more than there are."""
        self._position = 0
        self._may_grow = False

    def next(self, dtype, numbers):
        """The array of the next place, which the numbers are noted for."""
        values = np.zeros(-(-len(numbers) * dtype.itemsize // _WORD.itemsize) * _WORD.itemsize, np.uint8)
        values[: len(numbers) * dtype.itemsize] = np.array(numbers, dtype).view(np.uint8)
        words = values.view(_WORD).tolist()
        if self._may_grow:
            self._slots.append(self._new(len(words), dtype, len(numbers)))
        start, array = (0, None) if self.are_all_used() else self._slots[self._position]
        if array is None or (array.dtype, array.size) != (dtype, len(numbers)):
            raise CaptureError(
                "what the host does in a captured step needs other numbers than in the capture"
            )
        self._position += 1
        self._words[start : start + len(words)] = words
        return array

    def are_all_used(self):
        """Whether every place has been asked for."""
        return self._position == len(self._slots)

    def _new(self, words, dtype, count):
        start = len(self._words)
        if start + words > _MOST_WORDS:
            raise CaptureError(
                f"a captured step has room for {_MOST_WORDS * _WORD.itemsize} bytes of numbers"
            )
        self._words += [0] * words
        return start, self._memory[start : start + words].view(dtype)[:count]

    def write(self):
        """Launches what brings the numbers to their places."""
        function = _source.function("write_words", "float32")
        for start in range(0, len(self._words), _WORDS_OF_LAUNCH):
            words = self._words[start : start + _WORDS_OF_LAUNCH]
            count = len(words)
            words += [0] * (_WORDS_OF_LAUNCH - count)
            launch(function, 1, _WORDS_OF_LAUNCH, (self._memory, start, count, *words))
