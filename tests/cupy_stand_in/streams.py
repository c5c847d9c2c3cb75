"""Streams, events and pinned memory. What is put on a stream runs as late as it is allowed to.

That is: when the program waits for it, or when another stream that has to wait for it goes on. Ordinary
calculations run on the current stream, and at once.
"""

from contextlib import contextmanager

import numpy as np

from cupy_stand_in.synchronisations import note

__all__ = ["CUDARuntimeError", "Device", "Event", "PinnedMemory", "Stream", "calls", "current"]

# What was done, in this order, as (what, stream or event); for tests to look at.
calls: list = []

# Those in use besides that of the default memory pool, the innermost last.
allocators: list = []


class CUDARuntimeError(RuntimeError):
    """As CuPy's."""


class Stream:
    """A queue of what is to be done.

    ``Stream.null`` is the one on which ordinary calculations run.
    """

    null: "Stream"

    def __init__(self, null=False, non_blocking=False, ptds=False, priority=None):
        self.non_blocking = non_blocking
        self._queue = []

    def append(self, work):
        """Puts a function at the end of the queue."""
        calls.append(("copy", self))
        self._queue.append(work)

    def record(self, event=None):
        """Notes that `event` takes place when all that was put here so far is done."""
        event = Event() if event is None else event
        calls.append(("record", self, event))
        event.pending = self, len(self._queue)
        event.is_recorded = True
        self._queue.append(event.take_place)
        return event

    def wait_event(self, event):
        """Makes what comes after wait for an event."""
        calls.append(("wait", self, event))
        self._queue.append(event.run)

    def begin_capture(self, mode=None):
        """Starts a capture, see `recording`."""
        from cupy_stand_in import recording

        recording.begin(self)

    def end_capture(self):
        """Ends the capture and returns the graph."""
        from cupy_stand_in import recording

        return recording.end(self)

    def synchronize(self):
        note("Stream.synchronize")
        self.run()

    def run(self):
        """Does all that was put here."""
        queue, self._queue = self._queue, []
        for work in queue:
            work()

    def __enter__(self):
        _current.append(self)
        return self

    def __exit__(self, *_):
        _current.pop()


class Event:
    """A moment in a stream."""

    def __init__(self, block=False, disable_timing=False, interprocess=False):
        self.pending = None
        self.is_recorded = False

    @property
    def done(self):
        return self.pending is None

    def record(self, stream=None):
        (stream or current()).record(self)

    def take_place(self):
        """Called by the stream when it gets there."""
        self.pending = None

    def run(self):
        """Lets the stream that it is in get there."""
        if self.pending is not None:
            self.pending[0].run()

    def synchronize(self):
        calls.append(("synchronize", self))
        if not self.done:
            note("Event.synchronize")
            self.run()


class PinnedMemory(bytearray):
    """What ``alloc_pinned_memory`` returns: a buffer, which may be larger than asked for."""

    def __init__(self, size):
        super().__init__(max(size, 512))
        np.frombuffer(self, np.uint8).fill(0xEE)


class Device:
    """A GPU; there is one."""

    compute_capability = "90"

    def __init__(self, device=0):
        self.id = getattr(device, "id", device)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def __eq__(self, other):
        return self.id == other.id

    __hash__ = None

    def synchronize(self):
        note("Device.synchronize")


@contextmanager
def using_allocator(allocator=None):
    """Notes where arrays come from; they all come from NumPy."""
    allocators.append(allocator)
    try:
        yield
    finally:
        allocators.pop()


Stream.null = Stream()
_current = [Stream.null]


def current(*_):
    """The current stream."""
    return _current[-1]
