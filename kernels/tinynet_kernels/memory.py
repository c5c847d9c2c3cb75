"""Memory for large arrays that is used again: `empty` and `zeros` instead of ``np.empty`` and ``np.zeros``.

The operating system hands out memory one page at a time, when the page is first touched, and clears it
first. For arrays of some megabytes NumPy's allocator gives everything back as soon as the array dies, so
that a training step, which makes and drops the same arrays over and over, pays for the same pages in
every step: adding two arrays of 25 MB takes twice as long as it needs to.

Here a dead array's memory goes to a pool, from which the next array of about that size takes it::

    array   the NumPy array that was asked for; views of it refer to it
      │ base
    lease   lives exactly as long as the array and all of its views; its end gives the block back
      │
    block   a piece of memory, as large as its size class; it is either leased or idle

Sizes are rounded up to one of eight classes between two powers of two, which wastes at most an eighth.
Where a class has no idle block, a larger one serves, up to four times the size: more memory in all would
have to be kept if every class had its own. An idle block that nobody wanted while `_PATIENCE` others were
handed out is freed: a large model that is gone doesn't occupy memory for ever.
"""

import ctypes
import math
import os
import threading
from collections import deque
from operator import attrgetter
from typing import NamedTuple

import numpy as np

__all__ = [
    "SMALLEST",
    "Statistics",
    "calculate",
    "empty",
    "is_lease",
    "release",
    "reset_peak",
    "statistics",
    "zeros",
]

SMALLEST = 64 * 1024  # bytes; below, malloc keeps the memory by itself and is faster

_ALIGNMENT = 4096  # a page: no vector crosses a cache line
_CLASS_BITS = 3  # size classes between two powers of two, as a power of two
_LARGEST_RATIO = 4  # of the block that serves to the size asked for
_PATIENCE = 2048  # requests


class Statistics(NamedTuple):
    """What the pool holds, in bytes, rounded up to size classes; arrays below `SMALLEST` don't count.

    Attributes:
        in_use: in arrays that are alive.
        idle: kept for arrays to come, and what is left over where a larger block serves.
        peak_in_use: the most that was in use at once since `reset_peak`.
        fresh: how often memory had to be taken from the operating system since the start. In the steady
            state of a training loop it stays the same from step to step.
    """

    in_use: int
    idle: int
    peak_in_use: int
    fresh: int


def empty(shape, dtype=np.float32):
    """A new C-contiguous array whose elements are undefined, as ``np.empty(shape, dtype)``.

    From 64 KiB on it starts at the beginning of a page, and its memory comes from the pool. It is then an
    array as any other, except that its ``base`` is not None and that it can't be resized in place.

    Raises:
        ValueError, TypeError: the shape is none, as in NumPy.
    """
    dtype = np.dtype(dtype)
    shape = shape if type(shape) is tuple else tuple(np.atleast_1d(shape).tolist())
    size = int(math.prod(shape)) * dtype.itemsize
    if size < SMALLEST or dtype.hasobject:
        return np.empty(shape, dtype)
    return np.ndarray(shape, dtype, _pool.lease(size))


def zeros(shape, dtype=np.float32):
    """A new C-contiguous array of zeros, as ``np.zeros(shape, dtype)``, with memory as of `empty`."""
    array = empty(shape, dtype)
    array.fill(0)
    return array


def calculate(ufunc, *arrays):
    """``ufunc(*arrays)``, for a NumPy ufunc whose result has the dtype of its floating-point inputs.

    A large result takes its memory from the pool if all inputs are C-contiguous NumPy arrays of one dtype.
    Everything else (CuPy arrays, too) is left to the ufunc.
    """
    first = arrays[0]
    if first.nbytes < SMALLEST or type(first) is not np.ndarray or first.dtype.kind != "f":
        return ufunc(*arrays)
    shape = first.shape
    for array in arrays:
        # NumPy would keep the order that the axes have in memory; the pool's arrays are C-contiguous.
        if type(array) is not np.ndarray or array.dtype != first.dtype or not array.flags.c_contiguous:
            return ufunc(*arrays)
        if array.shape != shape:
            shape = np.broadcast_shapes(shape, array.shape)
    return ufunc(*arrays, out=empty(shape, first.dtype))


def is_lease(base):
    """Whether an array's ``base`` says that its memory is its own, and came from the pool."""
    return type(base) in _pool.lease_types


def statistics():
    """How much memory the arrays of `empty` and `zeros` take, as `Statistics`."""
    return _pool.statistics()


def reset_peak():
    """Lets ``peak_in_use`` start again from what is in use now."""
    _pool.reset_peak()


def release():
    """Frees all idle blocks. Arrays that are alive are not touched."""
    _pool.release()


_size_of = attrgetter("size")


class _SizeClass:
    """The idle blocks of one size, and the type of their leases: a ctypes array of that size."""

    __slots__ = ("idle", "lease_type", "size")

    def __init__(self, size, give_back):
        self.size = size
        self.idle = []
        self.lease_type = _lease_type(size, give_back)


class _Block:
    """A piece of memory."""

    __slots__ = ("address", "handed_out", "memory", "serves", "size_class")

    def __init__(self, size_class):
        self.memory = np.empty(size_class.size + _ALIGNMENT, np.uint8)
        self.address = self.memory.ctypes.data + -self.memory.ctypes.data % _ALIGNMENT
        self.size_class = size_class
        # The number of the request that it served last, and how much of the block that one needed.
        self.handed_out = self.serves = 0


class _Pool:
    """The blocks, by size class. Safe to use from several threads, and in a forked child."""

    def __init__(self):
        self.classes = {}
        self.lease_types = set()
        # A lease may end anywhere, also in the middle of the methods below. It only puts its block here,
        # which is one atomic step; the next request takes account of it.
        self.returned = deque()
        self.in_use = self.peak_in_use = self.held = self.fresh = self.requests = 0
        self.make_lock()

    def make_lock(self):
        # A lock that the same thread may take again, since the garbage collector can call anything.
        self.lock = threading.RLock()

    def lease(self, size):
        """An object with the buffer protocol over `size` bytes or more, whose end gives them back."""
        step = 1 << (size.bit_length() - 1 - _CLASS_BITS)
        size = (size + step - 1) & -step
        with self.lock:
            if self.returned:
                self.take_back()
            self.requests = request = self.requests + 1
            if request % _PATIENCE == 0:
                self.free_idle(handed_out_before=request - _PATIENCE)
            size_class = self.classes.get(size) or self.new_class(size)
            if not size_class.idle:
                size_class = self.larger_class(size) or size_class
            block = size_class.idle.pop() if size_class.idle else self.new_block(size_class)
            block.handed_out = request
            block.serves = size
            self.in_use = in_use = self.in_use + size
            if in_use > self.peak_in_use:
                self.peak_in_use = in_use
        lease = size_class.lease_type.from_address(block.address)
        lease.block = block
        return lease

    def larger_class(self, size):
        """The next larger class that has an idle block, up to `_LARGEST_RATIO` times the size, or None."""
        candidates = [
            size_class
            for size_class in self.classes.values()
            if size < size_class.size <= _LARGEST_RATIO * size and size_class.idle
        ]
        return min(candidates, key=_size_of, default=None)

    def new_class(self, size):
        size_class = self.classes[size] = _SizeClass(size, self.returned.append)
        self.lease_types.add(size_class.lease_type)
        return size_class

    def new_block(self, size_class):
        block = _Block(size_class)
        self.held += size_class.size
        self.fresh += 1
        return block

    def take_back(self):
        """Makes the blocks of ended leases idle."""
        returned = self.returned
        while returned:
            block = returned.popleft()
            block.size_class.idle.append(block)
            self.in_use -= block.serves

    def free_idle(self, handed_out_before=math.inf):
        """Frees the idle blocks that were last handed out before a request."""
        for size_class in self.classes.values():
            kept = [block for block in size_class.idle if block.handed_out >= handed_out_before]
            self.held -= size_class.size * (len(size_class.idle) - len(kept))
            size_class.idle = kept

    def statistics(self):
        with self.lock:
            self.take_back()
            return Statistics(self.in_use, self.held - self.in_use, self.peak_in_use, self.fresh)

    def reset_peak(self):
        with self.lock:
            self.take_back()
            self.peak_in_use = self.in_use

    def release(self):
        with self.lock:
            self.take_back()
            self.free_idle()


def _lease_type(size, give_back):
    """The type of a lease of `size` bytes; at its end it calls ``give_back(block)``."""

    class Lease(ctypes.c_char * size):
        __slots__ = ("block",)

        # As a default argument it is still there when the interpreter shuts down.
        def __del__(self, give_back=give_back):
            give_back(self.block)

    return Lease


_pool = _Pool()

if hasattr(os, "register_at_fork"):
    # Another thread may have held the lock at the moment of the fork, and is not there to release it.
    os.register_at_fork(after_in_child=_pool.make_lock)
