"""Finding out whether a program waits for a real GPU: it is kept busy, so that whoever waits is caught.

A kernel that spins until it is told to stop goes ahead of what is to be watched. Launches return all the
same; whatever needs a result, or memory that isn't there yet, has to wait for the kernel. If the program is
not done after some seconds, the place where it stands is noted, and the kernel is let go.
"""

import sys
import threading
from contextlib import contextmanager

import numpy as np

from cupy_stand_in.synchronisations import Synchronisation

_SECONDS = 5
_MOST_CYCLES = 10**11  # then the kernel ends by itself, whatever happens to the program

_SOURCE = r"""
extern "C" __global__ void spin(const volatile int* gate, long long most) {
    long long start = clock64();
    while (*gate == 0 && clock64() - start < most) {}
}
"""


@contextmanager
def watched_waits():
    """Yields a list in which the first wait inside the block appears, as of `watched_synchronisations`.

    A GPU takes about a thousand launches ahead; more of them wait, too.
    """
    import cupy

    memory = cupy.cuda.alloc_pinned_memory(4)  # which the GPU can read, at the same address
    gate = np.frombuffer(memory, np.int32, 1)
    kernel = cupy.RawKernel(_SOURCE, "spin")
    gate[0] = 1
    kernel((1,), (1,), (np.uint64(memory.ptr), np.int64(0)))  # compiled and loaded before it matters
    cupy.cuda.Device().synchronize()
    gate[0] = 0
    found, main = [], threading.get_ident()

    def open_gate():
        found.append(Synchronisation("the GPU", _place(sys._current_frames()[main])))
        gate[0] = 1

    timer = threading.Timer(_SECONDS, open_gate)
    kernel((1,), (1,), (np.uint64(memory.ptr), np.int64(_MOST_CYCLES)))
    timer.start()
    try:
        yield found
    finally:
        timer.cancel()
        gate[0] = 1
        cupy.cuda.Device().synchronize()


def _place(frame):
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
