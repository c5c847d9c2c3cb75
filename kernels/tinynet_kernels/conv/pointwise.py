"""1 × 1 windows: a product with so short a sum that reading and writing take as long as computing.

`matmul` serves long sums best. Where a pixel's few channels are all that is summed, a register tile is done
after a few hundred cycles, and much of the time goes by waiting: for pixels from memory, and for cache lines
of the result that are read only to be overwritten. Here a task goes through its pixels in blocks, and while
it computes one, the next is on its way to the cache; the result of a few tiles at a time is written past the
cache, if the result as a whole is too large for it::

    pixels            weights                  result
    ┌──────────┐    ┌────┬────┬────┐    ┌────┬────┬────┐
    │ block    │  @ │    │    │    │  = │ ▒  │    │    │ ▒ a few tiles, first in the cache
    ├ ─ ─ ─ ─ ─┤    └────┴────┴────┘    ├────┼────┼────┤
    │ asked for│      strips            │    │    │    │
    └──────────┘                        └────┴────┴────┘
"""

import numpy as np

from tinynet_kernels import memory
from tinynet_kernels.compile import inner
from tinynet_kernels.conv.transfer import deliver_rows
from tinynet_kernels.simd.memory import address_of, element_bytes, keep_alive, new_matrix
from tinynet_kernels.simd.packing import copy_rows, copy_transposed
from tinynet_kernels.simd.prefetch import ask_for
from tinynet_kernels.simd.rows import band_address, call_band_from
from tinynet_kernels.simd.streaming import LARGE, finish_streaming
from tinynet_kernels.simd.tile import ADD, CUT_OFF
from tinynet_kernels.simd.vectors import TALLEST, WIDTH_BYTES
from tinynet_kernels.tasks import run

__all__ = ["product"]

_BLOCK_ROWS = 8 * TALLEST  # pixels; those of two blocks stay in a second-level cache
_TASK_ROWS = 4 * _BLOCK_ROWS
_TILE_ROWS = 2 * TALLEST  # pixels whose results are written at once, while others are computed


def product(x, matrix, is_transposed=False, bias=None, activation=None):
    """x (..., depth) @ matrix (depth, columns), or the transpose of matrix (columns, depth).

    There must be at least one element in both. `bias` and `activation` as in `conv.forward`.
    """
    columns = matrix.shape[0 if is_transposed else 1]
    x, matrix = np.ascontiguousarray(x), np.ascontiguousarray(matrix)
    y = memory.empty((*x.shape[:-1], columns), x.dtype)
    rows = y.size // columns
    bias = None if bias is None else np.ascontiguousarray(bias)
    arguments = (
        *(band_address(x.dtype), x.ctypes.data, matrix.ctypes.data, y.ctypes.data),
        *(0 if bias is None else bias.ctypes.data, activation == "relu"),
        *(rows, columns, x.shape[-1], is_transposed, y.nbytes >= LARGE),
    )
    run(_product_task, x.dtype, -(-rows // _TASK_ROWS), arguments)
    return y


@inner
def _product_task(zero, arguments, index):
    """One task, see `tasks.run`: the results of some pixels."""
    band, x, matrix, y, bias, is_relu = arguments[:6]
    all_rows, columns, depth, is_transposed, is_large = arguments[6:11]
    size = element_bytes(zero)
    width = WIDTH_BYTES // size
    strips = -(-columns // width)
    x_row, y_row = depth * size, columns * size
    packed = new_matrix(zero, strips * depth, width)
    for strip in range(strips):
        first, target = strip * width, address_of(packed) + strip * depth * WIDTH_BYTES
        count = min(width, columns - first)
        if is_transposed:
            copy_transposed(zero, matrix + first * x_row, x_row, target, WIDTH_BYTES, count, depth)
        else:
            copy_rows(zero, matrix + first * size, y_row, target, WIDTH_BYTES, depth, count)
    products = new_matrix(zero, _TILE_ROWS, width)
    begin, end = index * _TASK_ROWS, min(all_rows, (index + 1) * _TASK_ROWS)
    for block in range(begin, end, _BLOCK_ROWS):
        next_block = x + (block + _BLOCK_ROWS) * x_row
        share = _BLOCK_ROWS * x_row // strips
        for strip in range(strips):
            ask_for(next_block + strip * share, share)
            first, weights = strip * width, address_of(packed) + strip * depth * WIDTH_BYTES
            count = min(width, columns - first)
            for row in range(block, min(end, block + _BLOCK_ROWS), _TILE_ROWS):
                rows = min(_TILE_ROWS, end - row)
                source, target = x + row * x_row, y + row * y_row + first * size
                finish = (CUT_OFF if is_relu else 0) + (ADD if bias != 0 else 0)
                part = address_of(products)
                call_band_from(
                    band,
                    source,
                    x_row,
                    size,
                    weights,
                    WIDTH_BYTES,
                    depth,
                    bias + first * size,
                    0,
                    part,
                    WIDTH_BYTES,
                    rows,
                    count,
                    finish,
                )
                deliver_rows(zero, part, WIDTH_BYTES, target, y_row, rows, count, is_large)
    keep_alive(products)
    keep_alive(packed)
    finish_streaming()
