"""The compiled loops of the weight gradient in `tinynet_kernels.conv.winograd`, which explains them.

As in `conv.winograd_kernels`, arrays are given by addresses and strides in bytes, ``band`` is the address of
`multiply_band`, and ``tile`` the m of F(m × m, 3 × 3).
"""

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
from tinynet_kernels.conv.winograd_transforms import transform_output_gradient, transform_weight_gradient
from tinynet_kernels.simd.memory import add_run, address_of, element_bytes, keep_alive, new_matrix
from tinynet_kernels.simd.rows import call_band
from tinynet_kernels.simd.tile import ADD
from tinynet_kernels.simd.transforms import fill_cells, fill_planes
from tinynet_kernels.simd.vectors import WIDTH_BYTES
from tinynet_kernels.tasks import run

__all__ = ["weight_gradient_by_blocks", "weight_gradient_by_parts"]

_LONGEST_SUM = 256  # tiles: a strip of so many rows of 128 bytes fits a first-level cache


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
    arguments = (
        *(*x, *gy, *tiling, *gw.shape[2:], len(sums), band, zeros, most),
        *(*place(tiles), *place(gradients), *place(sums), gw.ctypes.data),
    )
    run(_part_task, gw.dtype, len(sums), arguments, tile)
    run(_sum_task, gw.dtype, gw.shape[2], arguments, tile)


def weight_gradient_by_blocks(
    band, tile, x, gy, tiling, zeros, tiles, gradients, products, gw, most, most_channels
):
    """Chunk by chunk: first all tiles are transformed, then a task takes one block of the weight.

    Args:
        tiles: (blocks, planes, most * most_channels or more), for blocks of `most_channels` of x.
        gradients: (1, planes, strips * most * width or more).
        products: (threads, planes, most_channels * width or more).
        x, gy, zeros, gw, most: as of `weight_gradient_by_parts`.
    """
    common = (
        *(*x, *gy, *tiling, *gw.shape[2:], most_channels, band, zeros, most),
        *(*place(tiles), *place(gradients), *place(products), gw.ctypes.data),
    )
    strips = -(-gw.shape[3] * gw.itemsize // WIDTH_BYTES)
    total = number_of_tiles(tiling)
    for first in range(0, total, most):
        count = min(most, total - first)
        arguments = (*common, first, count)
        run(_chunk_task, gw.dtype, -(-count // TILES_AT_A_TIME), arguments, tile)
        run(_block_task, gw.dtype, strips * len(tiles), arguments, tile)


@inner
def _part_task(zero, tile, arguments, part):
    """The sums over one part of the tiles."""
    x, gy, tiling = images_of(arguments[:6]), images_of(arguments[6:12]), tiling_of(arguments[12:17])
    channels, outputs, parts, band, zeros, most, v, v_thread, v_plane = arguments[17:26]
    d, d_thread, d_plane, u, u_part, u_plane = arguments[26:32]
    thread, total = get_thread_id(), tiling.images * tiling.rows * tiling.columns
    begin, end = part * total // parts, (part + 1) * total // parts
    v, d, u = v + thread * v_thread, d + thread * d_thread, u + part * u_part
    d_strip = most * WIDTH_BYTES
    row, width = outputs * element_bytes(zero), WIDTH_BYTES // element_bytes(zero)
    for first in range(begin, end, most):
        count = min(most, end - first)
        transform_tiles(zero, tile, x, tiling, first, count, zeros, channels, v, v_plane, channels, 0)
        _transform_gradients(zero, tile, gy, tiling, first, count, zeros, outputs, d, d_plane, d_strip)
        for f in range((len(tile) + 2) ** 2):
            for strip in range(-(-outputs // width)):
                _multiply(
                    *(zero, band, v + f * v_plane, channels, d + f * d_plane + strip * d_strip, count),
                    *(u + f * u_plane + strip * WIDTH_BYTES, row, channels),
                    *(min(width, outputs - strip * width), first > begin),
                )


@inner
def _sum_task(zero, tile, arguments, c):
    """The gradient of the weights of input channel c: G.T @ U @ G, of the parts' sums added up in order."""
    channels, outputs, parts = arguments[17:20]
    sums, sums_part, sums_plane, gw = arguments[29:33]
    row = c * outputs * element_bytes(zero)
    source, target = np.empty((len(tile) + 2) ** 2, np.int64), np.empty(9, np.int64)
    fill_planes(source, sums, sums_plane)
    fill_planes(target, gw, channels * outputs * element_bytes(zero))
    for part in range(1, parts):
        for f in range(source.size):
            add_run(zero, source[f] + part * sums_part + row, source[f] + row, outputs)
    transform_weight_gradient(zero, tile, address_of(source), row, address_of(target), row, outputs)
    keep_alive(source)
    keep_alive(target)


@inner
def _chunk_task(zero, tile, arguments, index):
    """Some tiles of a chunk and their gradients, transformed."""
    x, gy, tiling = images_of(arguments[:6]), images_of(arguments[6:12]), tiling_of(arguments[12:17])
    channels, outputs, most_channels, _, zeros, most, v, v_block, v_plane, d, _, d_plane = arguments[17:29]
    first, count = arguments[33:35]
    skipped, d_strip = index * TILES_AT_A_TIME, most * WIDTH_BYTES
    first, count = first + skipped, min(TILES_AT_A_TIME, count - skipped)
    v, d = v + skipped * most_channels * element_bytes(zero), d + skipped * WIDTH_BYTES
    transform_tiles(zero, tile, x, tiling, first, count, zeros, channels, v, v_plane, most_channels, v_block)
    _transform_gradients(zero, tile, gy, tiling, first, count, zeros, outputs, d, d_plane, d_strip)


@inner
def _block_task(zero, tile, arguments, index):
    """The gradient of one block of channels and one strip of outputs, of all tiles of a chunk."""
    channels, outputs, most_channels, band, _, most, v, v_block, v_plane = arguments[17:26]
    d, _, d_plane, m, m_thread, m_plane, gw, first, count = arguments[26:35]
    size = element_bytes(zero)
    blocks, width = -(-channels // most_channels), WIDTH_BYTES // size
    strip, block = index // blocks, index % blocks
    rows, columns = min(most_channels, channels - block * most_channels), min(width, outputs - strip * width)
    v, m, d = v + block * v_block, m + get_thread_id() * m_thread, d + strip * most * WIDTH_BYTES
    for f in range((len(tile) + 2) ** 2):
        _multiply(
            *(zero, band, v + f * v_plane, most_channels, d + f * d_plane, count),
            *(m + f * m_plane, WIDTH_BYTES, rows, columns, False),
        )
    gw += block * most_channels * outputs * size + strip * WIDTH_BYTES
    _transform_block(zero, tile, m, m_plane, gw, channels * outputs * size, outputs, rows, columns, first > 0)


@inner(cache=False)
def _multiply(zero, band, v, v_channels, d, count, sums, sums_row, rows, columns, is_adding):
    """V.T @ gradients of one position and strip, over `count` tiles: sets or adds to sums (rows, columns)."""
    size = element_bytes(zero)
    finish = ADD if is_adding else 0
    for k in range(0, count, _LONGEST_SUM):
        call_band(
            *(band, v + k * v_channels * size, size, v_channels * size),
            *(d + k * WIDTH_BYTES, WIDTH_BYTES, min(_LONGEST_SUM, count - k)),
            *(sums, sums_row, rows, columns, finish),
        )
        finish = ADD


@inlined
def _transform_block(zero, tile, products, plane, gw, gw_plane, outputs, rows, columns, is_adding):
    """G.T @ products @ G for every row of a block: sets its place in gw, or adds to it."""
    size = element_bytes(zero)
    taps = new_matrix(zero, 9, WIDTH_BYTES // size)
    source, target = np.empty((len(tile) + 2) ** 2, np.int64), np.empty(9, np.int64)
    fill_planes(source, products, plane)
    fill_planes(target, gw, gw_plane)
    target_row = outputs * size
    if is_adding:
        fill_planes(target, address_of(taps), WIDTH_BYTES)
        target_row = 0
    for row in range(rows):
        transform_weight_gradient(
            *(zero, tile, address_of(source), row * WIDTH_BYTES),
            *(address_of(target), row * target_row, columns),
        )
        if is_adding:
            for p in range(9):
                add_run(zero, target[p], gw + p * gw_plane + row * outputs * size, columns)
    keep_alive(taps)


@inner(cache=False)
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
                *(zero, tile, address_of(source), strip * WIDTH_BYTES),
                *(address_of(planes), strip * strip_bytes + t * WIDTH_BYTES),
                min(width, channels - strip * width),
            )
