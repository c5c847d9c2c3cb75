"""Bringing batches to a GPU while it computes: through pinned memory, on a stream of their own.

An ordinary copy to a GPU takes its turn among the kernels. On a second stream it runs beside them, but only
from memory that the operating system does not move, pinned memory. A batch therefore goes ::

    arrays ──► pinned memory ──► staging memory ──► arrays on the GPU
            1                 2                  3

1 by the processor, 2 on the stream for copies, while the kernels of the step before run, 3 on the stream of
the kernels, which takes next to no time within the GPU. There are two slots of pinned and staging memory,
used in turns. What must wait for what is said by events, which the streams wait for and the program does not:

* 1 waits until copy 2 out of this slot, two batches ago, is done. Only here the program itself may have to
  wait, and it does so when it is two batches ahead of the GPU: a limit that is welcome;
* 2 waits until the batch that was in the slot's staging memory was taken out;
* 3 waits for 2.

The arrays of step 3 are new ones: they belong to whoever gets them, for as long as they are held.
"""

import itertools
import sys

import numpy as np

__all__ = ["Uploads"]

_ALIGNMENT = 512  # bytes, as CuPy aligns arrays


class Uploads:
    """Copies batches to a GPU, see the module's text.

    Args:
        device: the `Device`, a GPU.

    The stream of the kernels is the one that is current when a batch is copied.
    """

    def __init__(self, device):
        self._cupy = device.xp
        self._device = self._cupy.cuda.Device(device.index)
        with self._device:
            self._stream = self._cupy.cuda.Stream(non_blocking=True)
            self._slots = itertools.cycle([_Slot(self._cupy), _Slot(self._cupy)])

    def __call__(self, arrays):
        """The NumPy arrays of one batch as a list of arrays on the GPU, of the same shapes and dtypes."""
        arrays = [array.astype(array.dtype.newbyteorder("="), copy=False) for array in arrays]
        starts, size = _layout(arrays)
        with self._device:
            if not size:
                return [self._cupy.empty(array.shape, array.dtype) for array in arrays]
            slot = next(self._slots)
            slot.write(arrays, starts, size)
            slot.send(self._stream, size)
            return slot.take_out(arrays, starts)


class _Slot:
    """Pinned memory, staging memory of the same size on the GPU, and the events that order their use."""

    def __init__(self, cupy):
        self._cupy = cupy
        self._pinned = np.empty(0, np.uint8)
        self._staging = None
        self._copied = cupy.cuda.Event(disable_timing=True)
        self._taken_out = cupy.cuda.Event(disable_timing=True)

    def write(self, arrays, starts, size):
        """Step 1."""
        self._copied.synchronize()  # at once where nothing was recorded yet
        if self._pinned.size < size:
            memory = self._cupy.cuda.alloc_pinned_memory(size)
            self._pinned = np.frombuffer(memory, np.uint8, size)
            self._staging = self._cupy.empty(size, np.uint8)
            # The memory may have been something else's, which kernels that are still to run will read.
            self._taken_out.record()
        for array, start in zip(arrays, starts, strict=True):
            place = self._pinned[start : start + array.nbytes].view(array.dtype)
            place.reshape(array.shape)[...] = array

    def send(self, stream, size):
        """Step 2."""
        stream.wait_event(self._taken_out)
        self._staging[:size].set(self._pinned[:size], stream=stream)
        stream.record(self._copied)

    def take_out(self, arrays, starts):
        """Step 3."""
        kernels = self._cupy.cuda.get_current_stream()
        kernels.wait_event(self._copied)
        taken = [self._copied_out(*pair) for pair in zip(arrays, starts, strict=True)]
        kernels.record(self._taken_out)
        return taken

    def __del__(self):
        # The pinned memory goes back to CuPy's pool, and then anybody may write to it.
        copied = getattr(self, "_copied", None)
        if copied is not None and not sys.is_finalizing():
            copied.synchronize()

    def _copied_out(self, array, start):
        if not array.size:
            return self._cupy.empty(array.shape, array.dtype)
        place = self._staging[start : start + array.nbytes]
        return place.view(array.dtype).reshape(array.shape).copy()


def _layout(arrays):
    """Where in a slot each array begins, and how many bytes all of them take."""
    starts, size = [], 0
    for array in arrays:
        starts.append(size)
        size += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
    return starts, size
