"""The matrix product on the CPU: register tiles of `tinynet_kernels.simd`, blocked for the caches.

The output is cut into tasks, which the threads share. A task goes through the sum over k in blocks, in
each block through its columns in strips of a tile's width, and in each strip through its rows::

              ┌── strip of b: depth × 128 bytes, stays in the first-level cache
              ▼
            ┌───┬───┬───┐
            │   │   │   │ one block of the sum over k
    ┌─────┐ ├───┼───┼───┤
    │ ─►  │ │ c │   │   │
    │ rows│ │   │   │   │ task: c += a's block @ b's block
    └─────┘ └───┴───┴───┘
       ▲
       └── block of a: stays in the second-level cache while all strips use it

Blocks that are used often enough are packed first, see `tinynet_kernels.simd.packing`.
"""

from math import prod

import numpy as np
from numba import get_num_threads

from tinynet_kernels import memory
from tinynet_kernels.compile import inner
from tinynet_kernels.matmul import reference
from tinynet_kernels.matmul.blocking import blocking
from tinynet_kernels.simd.memory import address_of, element_bytes, new_matrix
from tinynet_kernels.simd.packing import copy_rows, copy_to_strips, copy_transposed
from tinynet_kernels.simd.rows import band_address, call_band_from
from tinynet_kernels.simd.tile import ADD, CUT_OFF
from tinynet_kernels.simd.vectors import TALLEST, WIDTH_BYTES
from tinynet_kernels.tasks import run

_DIRECT, _PACKED, _TRANSPOSED = 0, 1, 2  # how the tiles get at an operand

_FEW_ROWS = 4 * TALLEST  # a strip of b that serves no more rows is not worth packing
_FEW_STRIPS = 2  # nor is it worth transposing a block of a for so few strips
_SHORT_STRIDE = 1024  # bytes; rows that are closer together are read well as they are
_SHALLOW = 32  # rows of a large b that are read in place at a time: as many as the prefetcher can follow
_SAME_SETS = 4096  # bytes; rows so far apart fall into the same sets of a first-level cache

_LONG_SUM = 8  # times as long as the product has rows or columns: then it is cut into parts
_SMALL_PRODUCT = 1 << 16  # entries; the parts of larger ones would cost more to add up
_LEAST_PART = 1024
_MOST_PARTS = 16

_STRIPS_TOGETHER = 8  # of b, that are packed at a time

_PADDING = 64  # bytes between packed rows of a, so that they do not share the same sets of the cache


def product(a, b, transpose_a=False, transpose_b=False, bias=None, activation=None, out=None):
    if transpose_a:
        a = a.swapaxes(-1, -2)
    if transpose_b:
        b = b.swapaxes(-1, -2)
    (rows, depth), columns = a.shape[-2:], b.shape[-1]
    leading = () if a.ndim == b.ndim == 2 else np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    shape = (*leading, rows, columns)
    if depth == 0 or 0 in shape:
        return reference.product(a, b, bias=bias, activation=activation, out=out)
    batch = prod(leading)
    if batch > 1 and b.ndim == 2 and a.flags.c_contiguous:
        a = a.reshape(-1, depth)
        batch, rows = 1, batch * rows
    a, b = _aligned(a), _with_contiguous_axis(_aligned(b))
    bias = None if bias is None else np.ascontiguousarray(bias)
    parts = _parts(rows, columns, depth) if batch == 1 else 1
    y = memory.empty(shape, a.dtype) if out is None else out
    if parts > 1:
        _multiply_in_parts(y.reshape(rows, columns), a, b, parts, bias, activation)
        return y
    _multiply_all(y, (batch, rows, columns), depth, a, b, leading, bias, activation == "relu")
    return y


def _parts(rows, columns, depth):
    """Into how many parts a sum is cut whose product is too small to be shared among threads otherwise."""
    is_long = depth >= _LONG_SUM * max(rows, columns) and rows * columns <= _SMALL_PRODUCT
    return min(_MOST_PARTS, depth // _LEAST_PART) if is_long else 1


def _multiply_in_parts(y, a, b, parts, bias, activation):
    """Fills y with the sum of `parts` products, each of one stretch of the sum over k."""
    (rows, depth), columns = a.shape[-2:], b.shape[-1]
    partial = memory.empty((parts, rows, columns), a.dtype)
    stretch = -(-depth // parts)
    _multiply_all(partial, partial.shape, stretch, a, b, (parts,), None, False, depth)
    partial.sum(axis=0, out=y)
    if bias is not None:
        y += bias
    if activation == "relu":
        np.maximum(y, 0, out=y)


def _multiply_all(y, shape, depth, a, b, leading, bias, is_relu, whole_depth=None):
    """Fills y, `shape` (batch, rows, columns), with the products of a and b.

    With `whole_depth`, a and b are one matrix each, and entry i of the batch is the product of their i-th
    stretches of `depth` rows and columns; the last may be shorter.
    """
    batch, rows, columns = shape
    a_row, a_step = a.strides[-2:]
    b_step, b_column = b.strides[-2:]
    tile = TALLEST, WIDTH_BYTES // a.itemsize
    most_rows, most_columns, most_depth = blocking(batch, rows, columns, depth, *tile, get_num_threads())
    b_access = _access_to_b(b, rows)
    if b_access == _DIRECT and b_step > _SHORT_STRIDE:
        most_depth = min(most_depth, _SHALLOW)
    if whole_depth is None:
        addresses = (*_addresses(a, leading, batch), *_addresses(b, leading, batch))
    else:
        a_start, b_start = a.ctypes.data, b.ctypes.data
        addresses = [a_start + i * depth * a_step for i in range(batch)]
        addresses += [b_start + i * depth * b_step for i in range(batch)]
    row_tasks, column_tasks = -(-rows // most_rows), -(-columns // most_columns)
    arguments = (
        *(band_address(y.dtype), y.ctypes.data, 0 if bias is None else bias.ctypes.data, is_relu),
        *(batch, rows, columns, depth, batch * depth if whole_depth is None else whole_depth),
        *(row_tasks, column_tasks, most_rows, most_columns, most_depth),
        *(a_row, a_step, _access_to_a(a, most_columns), b_step, b_column, b_access),
        *addresses,
    )
    run(_multiply, y.dtype, batch * row_tasks * column_tasks, arguments)


def _aligned(array):
    return array if array.flags.aligned else array.copy()


def _with_contiguous_axis(array):
    return array if array.itemsize in array.strides[-2:] else np.ascontiguousarray(array)


def _access_to_a(a, most_columns):
    """How the tiles of a task of so many columns get at `a`."""
    row, step = a.strides[-2:]
    strips = most_columns * a.itemsize // WIDTH_BYTES
    if step == a.itemsize and row > _SHORT_STRIDE and (strips > 4 or row % _SAME_SETS == 0):
        return _PACKED
    if row == a.itemsize and step > _SHORT_STRIDE and strips > _FEW_STRIPS:
        return _TRANSPOSED
    return _DIRECT


def _access_to_b(b, rows):
    """How the tiles get at `b`, one of whose axes is contiguous, in a product of so many rows.

    Decides on the blocks of the sum, so it must not depend on the cut into tasks.
    """
    step, column = b.strides[-2:]
    if column != b.itemsize:
        return _TRANSPOSED
    return _DIRECT if rows <= _FEW_ROWS or step <= _SHORT_STRIDE else _PACKED


def _addresses(array, leading, batch):
    """The addresses of the matrices in `array`, whose leading axes are broadcast to `leading`."""
    if batch == 1:
        return (array.ctypes.data,)
    addresses = np.array([array.ctypes.data], np.int64)
    matrices = np.broadcast_to(array, (*leading, *array.shape[-2:]))
    for length, stride in zip(leading, matrices.strides, strict=False):
        addresses = (addresses[:, None] + np.arange(length, dtype=np.int64) * stride).ravel()
    return addresses


@inner
def _multiply(zero, arguments, index):
    """One task, see `tasks.run`: some rows and columns of one product of the batch."""
    band, y, bias, is_relu = arguments[:4]
    batch, all_rows, all_columns, stretch, all_depth = arguments[4:9]
    row_tasks, column_tasks, most_rows, most_columns, most_depth = arguments[9:14]
    a_row, a_step, a_access, b_step, b_column, b_access = arguments[14:20]
    size = element_bytes(zero)
    width = WIDTH_BYTES // size

    item, place = index // (row_tasks * column_tasks), index % (row_tasks * column_tasks)
    first_row, first_column = place // column_tasks * most_rows, place % column_tasks * most_columns
    rows, columns = min(most_rows, all_rows - first_row), min(most_columns, all_columns - first_column)
    a = arguments[20 + item] + first_row * a_row
    b = arguments[20 + batch + item] + first_column * b_column
    depth = min(stretch, all_depth - item * stretch)
    y_row = all_columns * size
    y += (item * all_rows + first_row) * y_row + first_column * size
    packed_a = new_matrix(zero, rows if a_access != _DIRECT else 0, most_depth + _PADDING // size)
    together = _STRIPS_TOGETHER if b_access == _PACKED else 1
    packed_b = new_matrix(zero, together * most_depth if b_access != _DIRECT else 0, width)
    for k in range(0, depth, most_depth):
        length = min(most_depth, depth - k)
        block, block_row, block_step = a + k * a_step, a_row, a_step
        if a_access != _DIRECT:
            source, block = block, address_of(packed_a)
            block_row, block_step = packed_a.strides[0], size
            if a_access == _PACKED:
                copy_rows(zero, source, a_row, block, block_row, rows, length)
            else:
                copy_transposed(zero, source, a_step, block, block_row, length, rows)
        for n in range(0, columns, width):
            count = min(width, columns - n)
            strip, strip_step = b + k * b_step + n * b_column, b_step
            if b_access != _DIRECT:
                source, strip, strip_step = strip, address_of(packed_b), WIDTH_BYTES
                if b_access == _PACKED:
                    number = n // width % together
                    if number == 0:
                        wide = min(columns - n, together * width)
                        copy_to_strips(zero, source, b_step, strip, length * WIDTH_BYTES, length, wide)
                    strip += number * length * WIDTH_BYTES
                else:
                    copy_transposed(zero, source, b_column, strip, strip_step, count, length)
            target = y + n * size
            start, start_row = target, y_row
            finish = ADD if k > 0 or bias != 0 else 0
            if k == 0 and bias != 0:
                start, start_row = bias + (first_column + n) * size, 0
            if is_relu and k + length == depth:
                finish += CUT_OFF
            call_band_from(
                band,
                block,
                block_row,
                block_step,
                strip,
                strip_step,
                length,
                start,
                start_row,
                target,
                y_row,
                rows,
                count,
                finish,
            )
