"""How routing on the CPU is cut into tasks, and how arrays lie there: samples side by side."""

from typing import NamedTuple

import numpy as np

from tinynet_kernels.memory import empty
from tinynet_kernels.simd.vectors import VECTOR_BYTES, WIDTH_BYTES

__all__ = ["Blocks", "aligned_empty"]

_MOST_TASKS = 16  # along the lower capsules
_FEWEST_CAPSULES = 8  # of a task


class Blocks(NamedTuple):
    """The sizes of one routing, by which alone it is cut: a task has `chunk` lower capsules and one block.

    Attributes:
        samples, lower, lower_size, upper, upper_size: N, I, K, O and D.
        chunk, chunks: lower capsules of a task, and how many such pieces there are.
        lanes, blocks: samples of a block, and how many blocks there are.
    """

    samples: int
    lower: int
    lower_size: int
    upper: int
    upper_size: int
    chunk: int
    chunks: int
    lanes: int
    blocks: int

    @classmethod
    def of(cls, u, weight):
        samples, lower, lower_size = u.shape
        upper, upper_size = weight.shape[1], weight.shape[3]
        chunk = max(_FEWEST_CAPSULES, -(-lower // _MOST_TASKS))
        lanes = WIDTH_BYTES // u.itemsize
        return cls(
            *(samples, lower, lower_size, upper, upper_size),
            *(chunk, -(-lower // chunk), lanes, -(-samples // lanes)),
        )

    def side_by_side(self, array):
        """(N, O, D) as (blocks, O, D, lanes); samples that aren't there are zero."""
        result = aligned_empty((self.blocks, self.upper, self.upper_size, self.lanes), array.dtype)
        whole = self.samples // self.lanes
        if whole:
            split = array[: whole * self.lanes].reshape(whole, self.lanes, self.upper, self.upper_size)
            result[:whole] = split.transpose(0, 2, 3, 1)
        if whole < self.blocks:
            rest = array[whole * self.lanes :]
            result[whole] = 0
            result[whole, :, :, : len(rest)] = rest.transpose(1, 2, 0)
        return result

    def one_by_one(self, array):
        """The opposite of `side_by_side`."""
        apart = array.transpose(0, 3, 1, 2).reshape(-1, self.upper, self.upper_size)
        return np.ascontiguousarray(apart[: self.samples])


def aligned_empty(shape, dtype):
    """A new array, its elements undefined, no vector of which crosses the border of a cache line."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = empty(size + VECTOR_BYTES, np.uint8)
    start = -memory.ctypes.data % VECTOR_BYTES
    return memory[start : start + size].view(dtype).reshape(shape)
