"""The compiled loops of `tinynet_kernels.conv.winograd`, which explains them.

All of them are handed addresses, with strides in bytes, instead of arrays wherever the caller's arrays are
concerned: the same code then serves all strides, and read-only arrays. ``tile`` is a tuple of m zeros, for
m of F(m × m, 3 × 3), of which only the length counts; since this is part of its type, the kernels are
compiled for each m by itself, when it is first used. ``band`` is the address of `multiply_band`.

Scratch memory is cut into *planes*, one for each of the (m + 2)² positions in a transformed tile.
"""

from typing import NamedTuple

import numpy as np
from numba import get_thread_id, prange

from tinynet_kernels.compile import inner, kernel
from tinynet_kernels.conv.winograd_transforms import (
    transform_input,
    transform_output,
    transform_output_gradient,
    transform_weight,
    transform_weight_gradient,
)
from tinynet_kernels.simd.memory import element_bytes, keep_alive, new_matrix
from tinynet_kernels.simd.packing import copy_transposed
from tinynet_kernels.simd.rows import call_band
from tinynet_kernels.simd.tile import ADD
from tinynet_kernels.simd.transforms import fill_cells, fill_planes
from tinynet_kernels.simd.vectors import WIDTH_BYTES

__all__ = [
    "WEIGHT_ROWS",
    "Tiling",
    "Weight",
    "forward_by_strips",
    "forward_by_tiles",
    "weight_gradient_by_parts",
    "weight_gradient_by_positions",
]

WEIGHT_ROWS = 64  # rows of the weight that are transformed at a time

_TILES_AT_A_TIME = 8  # input tiles of a task that does nothing but transform them

_LONGEST_SUM = 256  # tiles: a strip of so many rows of 128 bytes fits a first-level cache


class Tiling(NamedTuple):
    """How images are cut: `rows` × `columns` tiles each, the first inputs at (-above, -left)."""

    images: int
    rows: int
    columns: int
    above: int
    left: int


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


@kernel
def forward_by_tiles(
    band, tile, x, y, tiling, zeros, weight, bias, floor, transformed_weight, tiles, products, unread, most
):
    """Transforms the weight; then tasks of a few tiles each, whose planes stay in the second-level cache.

    Args:
        x, y: `Images`.
        zeros, bias: addresses of at least depth zeros, and of as many numbers as y has channels.
        floor: results below it are replaced by it.
        transformed_weight: (strips, planes, depth * width or more) scratch memory, for strips of y's
            channels, `width` elements wide.
        tiles, products: (threads, planes, most * depth or more), (threads, planes, most * width or more).
        unread: (threads, columns or more), for results that lie outside of y.
        most: the number of tiles of a task.
    """
    zero, size = products.dtype.type(0), products.itemsize
    width = WIDTH_BYTES // size
    strips, planes = transformed_weight.shape[:2]
    row_blocks = -(-weight.depth // WEIGHT_ROWS)
    for task in prange(strips * row_blocks):
        strip, k = task // row_blocks, task % row_blocks * WEIGHT_ROWS
        target = transformed_weight[strip].ctypes.data + k * WIDTH_BYTES
        plane = transformed_weight.strides[1]
        _transform_weight(zero, tile, weight, k, strip, target, plane)

    total = tiling.images * tiling.rows * tiling.columns
    for task in prange(-(-total // most)):
        thread, first = get_thread_id(), task * most
        count = min(most, total - first)
        v, v_row, v_plane = tiles[thread].ctypes.data, weight.depth * size, tiles.strides[1]
        m, m_plane = products[thread].ctypes.data, products.strides[1]
        _transform_tiles(
            zero, tile, x, tiling, first, count, zeros, weight.depth, v, v_plane, weight.depth, 0
        )
        cells = _result_cells(tile, y, tiling, first, count, unread[thread].ctypes.data)
        for strip in range(strips):
            columns = min(width, weight.columns - strip * width)
            u, u_plane = transformed_weight[strip].ctypes.data, transformed_weight.strides[1]
            for f in range(planes):
                call_band(
                    band,
                    *(v + f * v_plane, v_row, size),
                    *(u + f * u_plane, WIDTH_BYTES, weight.depth),
                    *(m + f * m_plane, WIDTH_BYTES, count, columns, 0),
                )
            _transform_products(zero, tile, m, m_plane, cells, strip, columns, bias, floor)


@kernel
def forward_by_strips(
    band, tile, x, y, tiling, zeros, weight, bias, floor, tiles, transformed_weight, products, unread
):
    """Transforms all tiles; then one task per strip of y's channels, which transforms its own weights.

    Args:
        x, y, zeros, bias, floor, unread: as of `forward_by_tiles`.
        tiles: (row blocks, planes, T * WEIGHT_ROWS or more) for all T tiles.
        transformed_weight: (threads, planes, WEIGHT_ROWS * width or more).
        products: (threads, planes, T * width or more).
    """
    zero, size = products.dtype.type(0), products.itemsize
    planes, width = products.shape[1], WIDTH_BYTES // size
    total = tiling.images * tiling.rows * tiling.columns
    v_row, v_plane = WEIGHT_ROWS * size, tiles.strides[1]
    for task in prange(-(-total // _TILES_AT_A_TIME)):
        first = task * _TILES_AT_A_TIME
        count = min(_TILES_AT_A_TIME, total - first)
        target, block = tiles.ctypes.data + first * v_row, tiles.strides[0]
        _transform_tiles(
            zero, tile, x, tiling, first, count, zeros, weight.depth, target, v_plane, WEIGHT_ROWS, block
        )

    for strip in prange(-(-weight.columns // width)):
        thread = get_thread_id()
        columns = min(width, weight.columns - strip * width)
        u, u_plane = transformed_weight[thread].ctypes.data, transformed_weight.strides[1]
        m, m_plane = products[thread].ctypes.data, products.strides[1]
        for k in range(0, weight.depth, WEIGHT_ROWS):
            depth = min(WEIGHT_ROWS, weight.depth - k)
            finish = ADD if k > 0 else 0
            _transform_weight(zero, tile, weight, k, strip, u, u_plane)
            v = tiles[k // WEIGHT_ROWS].ctypes.data
            for f in range(planes):
                call_band(
                    band,
                    *(v + f * v_plane, v_row, size),
                    *(u + f * u_plane, WIDTH_BYTES, depth),
                    *(m + f * m_plane, WIDTH_BYTES, total, columns, finish),
                )
        cells = _result_cells(tile, y, tiling, 0, total, unread[thread].ctypes.data)
        _transform_products(zero, tile, m, m_plane, cells, strip, columns, bias, floor)


@kernel
def weight_gradient_by_parts(band, tile, x, gy, tiling, zeros, tiles, gradients, sums, gw, most):
    """One task per part of the tiles, which has sums of its own; they are added up in the end.

    Args:
        x, gy: `Images`.
        zeros: the address of as many zeros as x and gy have channels.
        tiles, gradients: (threads, planes, most * C or more), (threads, planes, strips * most * width or
            more).
        sums: (parts, planes, C * O or more).
        gw: the result (3, 3, C, O).
        most: the number of tiles that are transformed at a time.
    """
    zero, size = gw.dtype.type(0), gw.itemsize
    channels, outputs = gw.shape[2:]
    parts, planes = sums.shape[:2]
    strips = -(-outputs * size // WIDTH_BYTES)
    total = tiling.images * tiling.rows * tiling.columns
    for part in prange(parts):
        thread = get_thread_id()
        v, v_plane = tiles[thread].ctypes.data, tiles.strides[1]
        d, d_plane = gradients[thread].ctypes.data, gradients.strides[1]
        u, u_plane = sums[part].ctypes.data, sums.strides[1]
        begin, end = part * total // parts, (part + 1) * total // parts
        for first in range(begin, end, most):
            count = min(most, end - first)
            _transform_tiles(zero, tile, x, tiling, first, count, zeros, channels, v, v_plane, channels, 0)
            _transform_gradients(
                zero, tile, gy, tiling, first, count, zeros, outputs, d, d_plane, most * WIDTH_BYTES
            )
            for f in range(planes):
                for strip in range(strips):
                    _add_products(
                        *(zero, band, v + f * v_plane, channels, d + f * d_plane, outputs),
                        *(strip, most, count, u + f * u_plane, first > begin),
                    )
    for c in prange(channels):
        _transform_sums(zero, tile, sums, gw, c)


@kernel
def weight_gradient_by_positions(band, tile, x, gy, tiling, zeros, tiles, gradients, sums, gw, most):
    """Chunk by chunk: first all tiles are transformed, then a task adds up the products of one position.

    Args:
        tiles, gradients: (planes, most * C or more), (planes, strips * most * width or more).
        sums: (1, planes, C * O or more).
        x, gy, zeros, gw, most: as of `weight_gradient_by_parts`.
    """
    zero, size = gw.dtype.type(0), gw.itemsize
    channels, outputs = gw.shape[2:]
    planes = sums.shape[1]
    strips = -(-outputs * size // WIDTH_BYTES)
    total = tiling.images * tiling.rows * tiling.columns
    for first in range(0, total, most):
        count = min(most, total - first)
        for task in prange(-(-count // _TILES_AT_A_TIME)):
            skipped = task * _TILES_AT_A_TIME
            start, part = first + skipped, min(_TILES_AT_A_TIME, count - skipped)
            v, v_plane = tiles.ctypes.data + skipped * channels * size, tiles.strides[0]
            d, d_plane = gradients.ctypes.data + skipped * WIDTH_BYTES, gradients.strides[0]
            _transform_tiles(zero, tile, x, tiling, start, part, zeros, channels, v, v_plane, channels, 0)
            _transform_gradients(
                zero, tile, gy, tiling, start, part, zeros, outputs, d, d_plane, most * WIDTH_BYTES
            )
        for task in prange(planes * strips):
            f, strip = task // strips, task % strips
            _add_products(
                *(zero, band, tiles[f].ctypes.data, channels, gradients[f].ctypes.data, outputs),
                *(strip, most, count, sums[0, f].ctypes.data, first > 0),
            )
    for c in prange(channels):
        _transform_sums(zero, tile, sums, gw, c)


@inner
def _add_products(zero, band, v, channels, d, outputs, strip, most, count, u, is_adding):
    """One strip of V[f].T @ gradients[f] over `count` tiles, to the sums (C, O) of the position at u."""
    size = element_bytes(zero)
    columns = min(WIDTH_BYTES // size, outputs - strip * (WIDTH_BYTES // size))
    d += strip * most * WIDTH_BYTES
    finish = ADD if is_adding else 0
    for k in range(0, count, _LONGEST_SUM):
        call_band(
            band,
            *(v + k * channels * size, size, channels * size),
            *(d + k * WIDTH_BYTES, WIDTH_BYTES, min(_LONGEST_SUM, count - k)),
            *(u + strip * WIDTH_BYTES, outputs * size, channels, columns, finish),
        )
        finish = ADD


@inner
def _transform_sums(zero, tile, sums, gw, c):
    """The gradient of the weights of input channel c: G.T @ U @ G, of the parts' sums added up in order."""
    parts, planes = sums.shape[:2]
    outputs = gw.shape[3]
    for part in range(1, parts):
        for f in range(planes):
            total = sums[0, f, c * outputs : (c + 1) * outputs]
            more = sums[part, f, c * outputs : (c + 1) * outputs]
            for o in range(outputs):
                total[o] += more[o]
    source, target = np.empty(planes, np.int64), np.empty(9, np.int64)
    fill_planes(source, sums.ctypes.data, sums.strides[1])
    fill_planes(target, gw.ctypes.data, gw.strides[1])
    row = c * gw.strides[2]
    transform_weight_gradient(zero, tile, source.ctypes.data, row, target.ctypes.data, row, outputs)
    keep_alive(source)
    keep_alive(target)


@inner
def _transform_tiles(
    zero, tile, x, tiling, first, count, zeros, channels, target, plane, block_channels, block
):
    """B.T @ D @ B for `count` tiles of x from number `first` on.

    The channels are cut into blocks of `block_channels`, which lie `block` bytes apart in the target. The
    transformed tiles follow each other there, in each plane (tiles, block_channels).
    """
    m, size = len(tile), element_bytes(zero)
    cells = m + 2
    source, planes = np.empty(cells * cells, np.int64), np.empty(cells * cells, np.int64)
    fill_planes(planes, target, plane)
    for t in range(count):
        column, line = (first + t) % tiling.columns, (first + t) // tiling.columns
        n, row = line // tiling.rows, line % tiling.rows
        fill_cells(source, x, n, row * m - tiling.above, column * m - tiling.left, cells, zeros)
        for c in range(0, channels, block_channels):
            offset = c // block_channels * block + t * block_channels * size
            length = min(block_channels, channels - c)
            transform_input(zero, tile, source.ctypes.data, c * size, planes.ctypes.data, offset, length)


@inner
def _transform_gradients(zero, tile, gy, tiling, first, count, zeros, channels, target, plane, strip_bytes):
    """A @ gy @ A.T for `count` tiles of gy, in strips of channels that lie `strip_bytes` apart."""
    m, width = len(tile), WIDTH_BYTES // element_bytes(zero)
    source, planes = np.empty(m * m, np.int64), np.empty((m + 2) ** 2, np.int64)
    fill_planes(planes, target, plane)
    for t in range(count):
        column, line = (first + t) % tiling.columns, (first + t) // tiling.columns
        n, row = line // tiling.rows, line % tiling.rows
        fill_cells(source, gy, n, row * m, column * m, m, zeros)
        for strip in range(-(-channels // width)):
            transform_output_gradient(
                *(zero, tile, source.ctypes.data, strip * WIDTH_BYTES),
                *(planes.ctypes.data, strip * strip_bytes + t * WIDTH_BYTES),
                min(width, channels - strip * width),
            )


@inner
def _transform_weight(zero, tile, weight, k, strip, target, plane):
    """G @ g @ G.T for one strip of columns and the block of rows from k on."""
    size = element_bytes(zero)
    width = WIDTH_BYTES // size
    depth, columns = min(WEIGHT_ROWS, weight.depth - k), min(width, weight.columns - strip * width)
    taps, planes = np.empty(9, np.int64), np.empty((len(tile) + 2) ** 2, np.int64)
    fill_planes(planes, target, plane)
    turned = new_matrix(zero, 9 * WEIGHT_ROWS if weight.is_turned else 0, width)
    row = weight.row
    if weight.is_turned:
        row = WIDTH_BYTES
        fill_planes(taps, turned.ctypes.data, WEIGHT_ROWS * row)
        corner = weight.address + strip * width * weight.row + k * size
        for p in range(9):
            source = corner + (8 - p) * weight.tap
            copy_transposed(zero, source, weight.row, taps[p], row, columns, depth)
    else:
        fill_planes(taps, weight.address + k * row + strip * WIDTH_BYTES, weight.tap)
    for c in range(depth):
        transform_weight(zero, tile, taps.ctypes.data, c * row, planes.ctypes.data, c * WIDTH_BYTES, columns)
    keep_alive(turned)


@inner
def _result_cells(tile, y, tiling, first, count, outside):
    """The addresses of the pixels (count, m * m) of tiles of y."""
    m = len(tile)
    cells = np.empty((count, m * m), np.int64)
    for t in range(count):
        column, line = (first + t) % tiling.columns, (first + t) // tiling.columns
        n, row = line // tiling.rows, line % tiling.rows
        fill_cells(cells[t], y, n, row * m, column * m, m, outside)
    return cells


@inner
def _transform_products(zero, tile, products, plane, cells, strip, columns, bias, floor):
    """Writes one strip of y's channels, A.T @ products @ A + bias, to the given cells."""
    planes = np.empty((len(tile) + 2) ** 2, np.int64)
    fill_planes(planes, products, plane)
    for t in range(cells.shape[0]):
        transform_output(
            *(zero, tile, planes.ctypes.data, t * WIDTH_BYTES),
            *(cells[t].ctypes.data, strip * WIDTH_BYTES, columns),
            *(bias + strip * WIDTH_BYTES, floor),
        )
