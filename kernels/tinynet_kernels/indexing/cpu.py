"""Sums by index on the CPU, in one thread: what is added where is known only when the indices are read."""

import numpy as np

from tinynet_kernels.compile import kernel
from tinynet_kernels.memory import empty

__all__ = ["add_rows"]


def add_rows(rows, indices, count, start):
    total = empty((count, rows.shape[1]), rows.dtype)
    total[...] = 0 if start is None else start
    indices = np.ascontiguousarray(indices, np.int64)
    outside = _add(np.ascontiguousarray(rows).reshape(-1), indices, count, rows.shape[1], total.reshape(-1))
    if outside >= 0:
        raise IndexError(
            f"indexing.add_rows: index {indices[outside]} at position {outside} is outside {count} rows"
        )
    return total


@kernel(parallel=False)
def _add(rows, indices, count, width, total):
    """Adds rows (M · width,) to total (count · width,); gives the position of an index outside, or -1."""
    columns = np.uint64(width)  # unsigned, since Numba looks at signed indices for those below 0
    for m in range(indices.size):
        index = indices[m] + count if indices[m] < 0 else indices[m]
        if not 0 <= index < count:
            return m
        source, target = np.uint64(m) * columns, np.uint64(index) * columns
        for c in range(columns):
            total[target + c] += rows[source + c]
    return -1
