"""Writing the rows of a product: past the cache where that pays.

A product with a short sum computes little for every element that it writes. The writing costs less if the
processor is told that a whole cache line is going to be replaced, and need not read it first.
"""

from tinynet_kernels.compile import inlined
from tinynet_kernels.simd.memory import element_bytes
from tinynet_kernels.simd.packing import copy_rows
from tinynet_kernels.simd.streaming import store_past_cache
from tinynet_kernels.simd.vectors import VECTOR_BYTES

__all__ = ["deliver_rows"]


@inlined
def deliver_rows(zero, source, source_row, target, target_row, rows, columns, is_large):
    """As `packing.copy_rows`; past the cache if `is_large` and the rows of the target are whole vectors.

    A task that has used it ends with `streaming.finish_streaming`.
    """
    row_bytes = columns * element_bytes(zero)
    if not is_large or (row_bytes | target | target_row) % VECTOR_BYTES:
        copy_rows(zero, source, source_row, target, target_row, rows, columns)
        return
    for row in range(rows):
        for offset in range(0, row_bytes, VECTOR_BYTES):
            start = source + row * source_row + offset
            store_past_cache(zero, start, target + row * target_row + offset)
