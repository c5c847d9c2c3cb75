"""Joining on the CPU: each task copies some rows, of all arrays.

Only where there are many rows: few long ones, or small arrays, NumPy copies as fast.
"""

from math import prod

import numpy as np

from tinynet_kernels.compile import inner
from tinynet_kernels.memory import empty
from tinynet_kernels.simd.memory import copy_run, element_bytes
from tinynet_kernels.simd.streaming import LARGE, finish_streaming, store_past_cache
from tinynet_kernels.simd.vectors import VECTOR_BYTES
from tinynet_kernels.strips import ALONE
from tinynet_kernels.tasks import run

_BLOCK = 16384  # elements that one task copies
_LEAST_ROWS = 64


def join(arrays, axis):
    shape = list(arrays[0].shape)
    shape[axis] = sum(array.shape[axis] for array in arrays)
    whole = empty(tuple(shape), arrays[0].dtype)
    if _is_worthwhile(whole, axis):
        _copy_rows(whole, [np.ascontiguousarray(array) for array in arrays], axis, True)
    else:
        np.concatenate(arrays, axis, out=whole)
    return whole


def split(whole, places):
    parts, axis = [whole[place] for place in places], len(places[0]) - 1
    if _is_worthwhile(whole, axis):
        parts = [empty(part.shape, part.dtype) for part in parts]
        _copy_rows(np.ascontiguousarray(whole), parts, axis, False)
    return parts


def _is_worthwhile(whole, axis):
    return whole.size >= ALONE and prod(whole.shape[:axis]) >= _LEAST_ROWS


def _copy_rows(whole, parts, axis, is_joining):
    """Copies parts to their places in the whole or, unless `is_joining`, from there. All are contiguous."""
    rows = prod(whole.shape[:axis])
    columns = [part.size // rows for part in parts]
    addresses = [part.ctypes.data for part in parts]
    targets = [whole] if is_joining else parts
    is_aligned = not any(number % VECTOR_BYTES for number in (whole.ctypes.data, *addresses)) and not any(
        count * whole.itemsize % VECTOR_BYTES for count in columns
    )
    past_cache = is_aligned and sum(target.nbytes for target in targets) >= LARGE
    rows_per_task = max(1, _BLOCK * rows // whole.size)
    arguments = whole.ctypes.data, rows, rows_per_task, sum(columns), is_joining, past_cache, len(parts)
    run(_copy_block, whole.dtype, -(-rows // rows_per_task), (*arguments, *addresses, *columns))


@inner
def _copy_block(zero, arguments, index):
    """One task, see `tasks.run`: some rows."""
    whole, rows, rows_per_task, all_columns, is_joining, past_cache, parts = arguments[:7]
    size = element_bytes(zero)
    for row in range(index * rows_per_task, min(rows, (index + 1) * rows_per_task)):
        place = whole + row * all_columns * size
        for k in range(parts):
            columns = arguments[7 + parts + k]
            source = arguments[7 + k] + row * columns * size
            target = place
            if not is_joining:
                source, target = target, source
            if past_cache:
                for offset in range(0, columns * size, VECTOR_BYTES):
                    store_past_cache(zero, source + offset, target + offset)
            else:
                copy_run(zero, source, target, columns)
            place += columns * size
    if past_cache:
        finish_streaming()
