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
from numba import get_num_threads, prange

from tinynet_kernels.compile import inner, kernel
from tinynet_kernels.matmul import reference
from tinynet_kernels.matmul.blocking import blocking
from tinynet_kernels.simd.packing import copy_rows, copy_transposed
from tinynet_kernels.simd.rows import multiply_band
from tinynet_kernels.simd.vectors import TALLEST, WIDTH_BYTES

_DIRECT, _PACKED, _TRANSPOSED = 0, 1, 2  # how the tiles get at an operand

_FEW_ROWS = 4 * TALLEST  # a strip of b that serves no more rows is not worth packing
_FEW_STRIPS = 2  # nor is it worth transposing a block of a for so few strips
_SHORT_STRIDE = 1024  # bytes; rows that are closer together are read well as they are
_SHALLOW = 32  # rows of a large b that are read in place at a time: as many as the prefetcher can follow
_SAME_SETS = 4096  # bytes; rows so far apart fall into the same sets of a first-level cache

_PADDING = 64  # bytes between packed rows of a, so that they do not share the same sets of the cache


def product(a, b, transpose_a=False, transpose_b=False, bias=None, activation=None):
    if transpose_a:
        a = a.swapaxes(-1, -2)
    if transpose_b:
        b = b.swapaxes(-1, -2)
    (rows, depth), columns = a.shape[-2:], b.shape[-1]
    leading = () if a.ndim == b.ndim == 2 else np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    shape = (*leading, rows, columns)
    if depth == 0 or 0 in shape:
        return reference.product(a, b, bias=bias, activation=activation)
    y = np.empty(shape, a.dtype)
    batch = prod(leading)
    if batch > 1 and b.ndim == 2 and a.flags.c_contiguous:
        a = a.reshape(-1, depth)
        batch, rows = 1, batch * rows
    a, b = _aligned(a), _with_contiguous_axis(_aligned(b))
    a_row, a_step = a.strides[-2:]
    b_step, b_column = b.strides[-2:]
    tile = TALLEST, WIDTH_BYTES // a.itemsize
    most_rows, most_columns, most_depth = blocking(batch, rows, columns, depth, *tile, get_num_threads())
    b_access = _access_to_b(b, rows)
    if b_access == _DIRECT and b_step > _SHORT_STRIDE:
        most_depth = min(most_depth, _SHALLOW)
    _product(
        y.reshape(batch, rows, columns),
        *(_addresses(a, leading, batch), a_row, a_step, _access_to_a(a, most_columns)),
        *(_addresses(b, leading, batch), b_step, b_column, b_access),
        depth,
        np.empty(0, y.dtype) if bias is None else np.array(bias),
        activation == "relu",
        *(most_rows, most_columns, most_depth),
    )
    return y


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
    """The addresses (batch,) of the matrices in `array`, whose leading axes are broadcast to `leading`."""
    addresses = np.array([array.ctypes.data], np.int64)
    if batch == 1:
        return addresses
    matrices = np.broadcast_to(array, (*leading, *array.shape[-2:]))
    for length, stride in zip(leading, matrices.strides, strict=False):
        addresses = (addresses[:, None] + np.arange(length, dtype=np.int64) * stride).ravel()
    return addresses


@kernel
def _product(
    y,
    a,
    a_row,
    a_step,
    a_access,
    b,
    b_step,
    b_column,
    b_access,
    depth,
    bias,
    is_relu,
    most_rows,
    most_columns,
    most_depth,
):
    batch, rows, columns = y.shape
    row_tasks, column_tasks = -(-rows // most_rows), -(-columns // most_columns)
    tasks = row_tasks * column_tasks
    for task in prange(batch * tasks):
        item, place = task // tasks, task % tasks
        first_row, first_column = place // column_tasks * most_rows, place % column_tasks * most_columns
        part = y[item, first_row : first_row + most_rows, first_column : first_column + most_columns]
        a_part = a[item] + first_row * a_row
        b_part = b[item] + first_column * b_column
        _multiply(
            part, a_part, a_row, a_step, a_access, b_part, b_step, b_column, b_access, depth, most_depth
        )
        if bias.size:
            _add_bias(part, bias[first_column : first_column + most_columns])
        if is_relu:
            _cut_off(part)


@inner
def _multiply(y, a, a_row, a_step, a_access, b, b_step, b_column, b_access, depth, most_depth):
    """One task: y (rows, columns) = a @ b, with a and b given by address."""
    (rows, columns), size = y.shape, y.itemsize
    zero = y.dtype.type(0)
    width = WIDTH_BYTES // size
    packed_a = np.empty((rows if a_access != _DIRECT else 0, most_depth + _PADDING // size), y.dtype)
    packed_b = np.empty((most_depth if b_access != _DIRECT else 0, width), y.dtype)
    for k in range(0, depth, most_depth):
        length = min(most_depth, depth - k)
        block, block_row, block_step = a + k * a_step, a_row, a_step
        if a_access != _DIRECT:
            source, block = block, packed_a.ctypes.data
            block_row, block_step = packed_a.strides[0], size
            if a_access == _PACKED:
                copy_rows(zero, source, a_row, block, block_row, rows, length)
            else:
                copy_transposed(zero, source, a_step, block, block_row, length, rows)
        for n in range(0, columns, width):
            count = min(width, columns - n)
            strip, strip_step = b + k * b_step + n * b_column, b_step
            if b_access != _DIRECT:
                source, strip, strip_step = strip, packed_b.ctypes.data, WIDTH_BYTES
                if b_access == _PACKED:
                    copy_rows(zero, source, b_step, strip, strip_step, length, count)
                else:
                    copy_transposed(zero, source, b_column, strip, strip_step, count, length)
            target = y.ctypes.data + n * size
            multiply_band(
                zero,
                *(block, block_row, block_step),
                *(strip, strip_step, length),
                *(target, y.strides[0], rows, count, k),
            )


@inner
def _add_bias(y, bias):
    for m in range(y.shape[0]):
        row = y[m]
        for n in range(row.size):
            row[n] += bias[n]


@inner
def _cut_off(y):
    zero = y.dtype.type(0)
    for m in range(y.shape[0]):
        row = y[m]
        for n in range(row.size):
            row[n] = zero if row[n] < zero else row[n]
