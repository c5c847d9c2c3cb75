"""The compiled loops of `tinynet_kernels.conv.winograd`, which explains them.

All of them are handed addresses, with strides in bytes, instead of arrays wherever the caller's arrays are
concerned: the same code then serves all strides, and read-only arrays. ``band`` is the address of
`multiply_band`.

The loops are run as tasks, see `tinynet_kernels.tasks`. ``tile`` is the m of F(m × m, 3 × 3), and to the
tasks a tuple of m zeros: they are compiled for each m by itself, when it is first used.

Scratch memory is cut into *planes*, one for each of the (m + 2)² positions in a transformed tile.
"""

from typing import NamedTuple

import numpy as np
from numba import get_thread_id

from tinynet_kernels.compile import inlined, inner
from tinynet_kernels.conv.winograd_tiles import (
    TILES_AT_A_TIME,
    images_of,
    number_of_tiles,
    place,
    tiling_of,
    transform_tiles,
)
from tinynet_kernels.conv.winograd_transforms import transform_output, transform_weight
from tinynet_kernels.simd.memory import address_of, element_bytes, keep_alive, new_matrix
from tinynet_kernels.simd.packing import copy_rows, copy_transposed
from tinynet_kernels.simd.rows import call_band
from tinynet_kernels.simd.tile import ADD
from tinynet_kernels.simd.transforms import fill_cells, fill_planes
from tinynet_kernels.simd.vectors import WIDTH_BYTES
from tinynet_kernels.tasks import run

__all__ = ["WEIGHT_ROWS", "Weight", "forward_by_strips", "forward_by_tiles"]

WEIGHT_ROWS = 64  # rows of the weight that are transformed at a time


class Weight(NamedTuple):
    """A weight (3, 3, C, O) as 9 matrices (depth, columns) to multiply with, in row-major order.

    They are C × O as they are, or, if `is_turned`, those of the input gradient: O × C, transposed, and in
    reverse order. `tap` and `row` are the strides in bytes between the taps and the rows of the original.
    """

    address: int
    tap: int
    row: int
    depth: int
    columns: int
    is_turned: int


def forward_by_tiles(
    band, tile, x, y, tiling, zeros, weight, bias, is_relu, transformed_weight, tiles, products, unread, most
):
    """Transforms the weight; then tasks of a few tiles each, whose planes stay in the second-level cache.

    Args:
        x, y: `Images`.
        zeros, bias: addresses of at least depth zeros, and of as many numbers as y has channels.
        is_relu: whether results below 0 are replaced by it.
        transformed_weight: (strips, planes, depth * width or more) scratch memory, for strips of y's
            channels, `width` elements wide.
        tiles, products: (threads, planes, most * depth or more), (threads, planes, most * width or more).
        unread: (threads, columns or more), for results that lie outside of y.
        most: the number of tiles of a task.
    """
    strips, dtype = len(transformed_weight), products.dtype
    row_blocks = -(-weight.depth // WEIGHT_ROWS)
    weight_arguments = *weight, *place(transformed_weight), row_blocks
    run(_weight_task, dtype, strips * row_blocks, weight_arguments, tile)
    arguments = (
        *(*x, *y, *tiling, *weight, band, zeros, bias, is_relu),
        *(*place(transformed_weight), *place(tiles), *place(products), *place(unread), most),
    )
    run(_forward_task, dtype, -(-number_of_tiles(tiling) // most), arguments, tile)


def forward_by_strips(
    band, tile, x, y, tiling, zeros, weight, bias, is_relu, tiles, transformed_weight, products, unread
):
    """Transforms all tiles; then one task per strip of y's channels, which transforms its own weights.

    Args:
        x, y, zeros, bias, is_relu, unread: as of `forward_by_tiles`.
        tiles: (row blocks, planes, T * WEIGHT_ROWS or more) for all T tiles.
        transformed_weight: (threads, planes, WEIGHT_ROWS * width or more).
        products: (threads, planes, T * width or more).
    """
    dtype = products.dtype
    arguments = (
        *(*x, *y, *tiling, *weight, band, zeros, bias, is_relu),
        *(*place(transformed_weight), *place(tiles), *place(products), *place(unread)),
    )
    run(_input_task, dtype, -(-number_of_tiles(tiling) // TILES_AT_A_TIME), arguments, tile)
    run(_strip_task, dtype, -(-weight.columns * dtype.itemsize // WIDTH_BYTES), arguments, tile)


@inlined
def _weight(numbers):
    address, tap, row, depth, columns, is_turned = numbers
    return Weight(address, tap, row, depth, columns, is_turned)


@inner
def _weight_task(zero, tile, arguments, index):
    """A strip of y's channels of one block of the weight's rows."""
    weight = _weight(arguments[:6])
    target, target_strip, plane, row_blocks = arguments[6:10]
    strip, k = index // row_blocks, index % row_blocks * WEIGHT_ROWS
    _transform_weight(zero, tile, weight, k, strip, target + strip * target_strip + k * WIDTH_BYTES, plane)


@inner
def _forward_task(zero, tile, arguments, index):
    """All channels of a few tiles."""
    x, y, tiling = images_of(arguments[:6]), images_of(arguments[6:12]), tiling_of(arguments[12:17])
    depth, all_columns = arguments[20:22]
    band, zeros, bias, is_relu, u, u_strip, u_plane, v, v_thread, v_plane = arguments[23:33]
    m, m_thread, m_plane, unread, unread_thread, most = arguments[33:39]
    size = element_bytes(zero)
    thread, first, width = get_thread_id(), index * most, WIDTH_BYTES // size
    count = min(most, tiling.images * tiling.rows * tiling.columns - first)
    v, m = v + thread * v_thread, m + thread * m_thread
    transform_tiles(zero, tile, x, tiling, first, count, zeros, depth, v, v_plane, depth, 0)
    cells = _result_cells(tile, y, tiling, first, count, unread + thread * unread_thread)
    for strip in range(-(-all_columns // width)):
        columns = min(width, all_columns - strip * width)
        for f in range((len(tile) + 2) ** 2):
            call_band(
                band,
                *(v + f * v_plane, depth * size, size),
                *(u + strip * u_strip + f * u_plane, WIDTH_BYTES, depth),
                *(m + f * m_plane, WIDTH_BYTES, count, columns, 0),
            )
        _transform_products(zero, tile, m, m_plane, cells, strip, columns, bias, is_relu)


@inner
def _input_task(zero, tile, arguments, index):
    """All channels of `TILES_AT_A_TIME` tiles, transformed."""
    x, tiling, depth, zeros = (
        images_of(arguments[:6]),
        tiling_of(arguments[12:17]),
        arguments[20],
        arguments[24],
    )
    v, v_block, v_plane = arguments[30:33]
    first, v_row = index * TILES_AT_A_TIME, WEIGHT_ROWS * element_bytes(zero)
    count = min(TILES_AT_A_TIME, tiling.images * tiling.rows * tiling.columns - first)
    v += first * v_row
    transform_tiles(zero, tile, x, tiling, first, count, zeros, depth, v, v_plane, WEIGHT_ROWS, v_block)


@inner
def _strip_task(zero, tile, arguments, strip):
    """A strip of y's channels, of all transformed tiles."""
    y, tiling, weight = images_of(arguments[6:12]), tiling_of(arguments[12:17]), _weight(arguments[17:23])
    band, _, bias, is_relu, u, u_thread, u_plane, v, v_block, v_plane = arguments[23:33]
    m, m_thread, m_plane, unread, unread_thread = arguments[33:38]
    size, thread = element_bytes(zero), get_thread_id()
    total, width = tiling.images * tiling.rows * tiling.columns, WIDTH_BYTES // size
    columns = min(width, weight.columns - strip * width)
    u, m = u + thread * u_thread, m + thread * m_thread
    for k in range(0, weight.depth, WEIGHT_ROWS):
        depth = min(WEIGHT_ROWS, weight.depth - k)
        _transform_weight(zero, tile, weight, k, strip, u, u_plane)
        for f in range((len(tile) + 2) ** 2):
            call_band(
                band,
                *(v + k // WEIGHT_ROWS * v_block + f * v_plane, WEIGHT_ROWS * size, size),
                *(u + f * u_plane, WIDTH_BYTES, depth),
                *(m + f * m_plane, WIDTH_BYTES, total, columns, ADD * (k > 0)),
            )
    cells = _result_cells(tile, y, tiling, 0, total, unread + thread * unread_thread)
    _transform_products(zero, tile, m, m_plane, cells, strip, columns, bias, is_relu)


@inlined
def _transform_weight(zero, tile, weight, k, strip, target, plane):
    """G @ g @ G.T for one strip of columns and the block of rows from k on."""
    size = element_bytes(zero)
    width = WIDTH_BYTES // size
    depth, columns = min(WEIGHT_ROWS, weight.depth - k), min(width, weight.columns - strip * width)
    taps, planes = np.empty(9, np.int64), np.empty((len(tile) + 2) ** 2, np.int64)
    fill_planes(planes, target, plane)
    # Copied first: nine rows at a time, far apart, are more than the processor can fetch ahead, and if the
    # distance is a power of two they fall into the same few places of its caches.
    copied = new_matrix(zero, 9 * WEIGHT_ROWS, width)
    fill_planes(taps, address_of(copied), WEIGHT_ROWS * WIDTH_BYTES)
    for p in range(9):
        if weight.is_turned:
            source = weight.address + strip * width * weight.row + k * size + (8 - p) * weight.tap
            copy_transposed(zero, source, weight.row, taps[p], WIDTH_BYTES, columns, depth)
        else:
            source = weight.address + k * weight.row + strip * WIDTH_BYTES + p * weight.tap
            copy_rows(zero, source, weight.row, taps[p], WIDTH_BYTES, depth, columns)
    for c in range(depth):
        row = c * WIDTH_BYTES
        transform_weight(zero, tile, address_of(taps), row, address_of(planes), row, columns)
    keep_alive(copied)


@inlined
def _result_cells(tile, y, tiling, first, count, outside):
    """The addresses of the pixels (count, m * m) of tiles of y."""
    m = len(tile)
    cells = np.empty((count, m * m), np.int64)
    for t in range(count):
        column, line = (first + t) % tiling.columns, (first + t) // tiling.columns
        n, row = line // tiling.rows, line % tiling.rows
        fill_cells(cells[t], y, n, row * m, column * m, m, outside)
    return cells


@inlined
def _transform_products(zero, tile, products, plane, cells, strip, columns, bias, is_relu):
    """Writes one strip of y's channels, A.T @ products @ A + bias, to the given cells."""
    floor = zero if is_relu else zero - np.inf
    planes = np.empty((len(tile) + 2) ** 2, np.int64)
    fill_planes(planes, products, plane)
    for t in range(cells.shape[0]):
        transform_output(
            zero,
            tile,
            address_of(planes),
            t * WIDTH_BYTES,
            address_of(cells[t]),
            strip * WIDTH_BYTES,
            columns,
            bias + strip * WIDTH_BYTES,
            floor,
        )
