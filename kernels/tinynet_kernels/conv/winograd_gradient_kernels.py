"""The compiled loops of the weight gradient in `tinynet_kernels.conv.winograd`, which explains them.

As in `conv.winograd_kernels`, arrays are given by addresses and strides in bytes, ``band`` is the address of
`multiply_band`, and ``sizes`` the m and the r of F(m × m, r × r).
"""

import numpy as np
from numba import get_thread_id

from tinynet_kernels.compile import inlined, inner
from tinynet_kernels.conv.winograd_tiles import (
    cells_of,
    images_of,
    number_of_tiles,
    place,
    tiling_of,
    transform_all_gradients,
    transform_all_tiles,
    transform_gradients,
    transform_tiles,
)
from tinynet_kernels.conv.winograd_transforms import transform_weight_gradient
from tinynet_kernels.conv.winograd_weights import tap_of, weight_of
from tinynet_kernels.simd.memory import (
    add_run,
    address_of,
    copy_run,
    element_bytes,
    keep_alive,
    new_matrix,
)
from tinynet_kernels.simd.rows import call_band
from tinynet_kernels.simd.tile import ADD
from tinynet_kernels.simd.transforms import fill_planes
from tinynet_kernels.simd.vectors import WIDTH_BYTES
from tinynet_kernels.tasks import run

__all__ = ["weight_gradient_by_blocks", "weight_gradient_by_parts"]

_LONGEST_SUM = 256  # tiles: a strip of so many rows of 128 bytes fits a first-level cache


def weight_gradient_by_parts(band, sizes, x, gy, tiling, zeros, tiles, gradients, sums, gw, most):
    """One task per part of the tiles, which has sums of its own; they are added up in the end.

    For windows that move by one pixel only.

    Args:
        x, gy: `Images`.
        zeros: the address of as many zeros as x and gy have channels.
        tiles, gradients: (threads, planes, most * C or more), (threads, planes, strips * most * width or
            more).
        sums: (parts, planes, C * O or more).
        gw: the result (r, r, C, O).
        most: the number of tiles that are transformed at a time.
    """
    arguments = (
        *(*x, *gy, *tiling, *gw.shape[2:], len(sums), band, zeros, most),
        *(*place(tiles), *place(gradients), *place(sums), gw.ctypes.data),
    )
    run(_part_task, gw.dtype, len(sums), arguments, sizes)
    run(_sum_task, gw.dtype, gw.shape[2], arguments, sizes)


def weight_gradient_by_blocks(
    band, sizes, x, gy, tiling, zeros, tiles, gradients, products, weight, most, most_channels
):
    """Chunk by chunk: first all tiles are transformed, then a task takes one block of the weight.

    Args:
        x, gy, zeros, most: as of `weight_gradient_by_parts`.
        tiles: (phases * blocks, planes, most * most_channels or more), for blocks of `most_channels` of x.
        gradients: (strips, planes, most * width or more), for strips of the channels of gy.
        products: (threads, planes, most_channels * width or more).
        weight: the `Weight` that the result is.
    """
    dtype, total = products.dtype, number_of_tiles(tiling)
    width = WIDTH_BYTES // dtype.itemsize
    common = *weight, most_channels, band, *place(tiles), *place(gradients), *place(products)
    for first in range(0, total, most):
        count = min(most, total - first)
        transform_all_tiles(sizes, x, tiling, zeros, weight.depth, tiles, most_channels, first, count)
        transform_all_gradients(sizes, gy, tiling, zeros, weight.columns, gradients, width, first, count)
        arguments = (*common, count, first > 0)
        run(_block_task, dtype, len(tiles) * len(gradients), arguments, sizes)


@inner
def _part_task(zero, sizes, arguments, part):
    """The sums over one part of the tiles."""
    x, gy, tiling = images_of(arguments[:6]), images_of(arguments[6:12]), tiling_of(arguments[12:19])
    channels, outputs, parts, band, zeros, most, v, v_thread, v_plane = arguments[19:28]
    d, d_thread, d_plane, u, u_part, u_plane = arguments[28:34]
    thread, total = get_thread_id(), number_of_tiles(tiling)
    begin, end = part * total // parts, (part + 1) * total // parts
    v, d, u = v + thread * v_thread, d + thread * d_thread, u + part * u_part
    d_strip = most * WIDTH_BYTES
    row, width = outputs * element_bytes(zero), WIDTH_BYTES // element_bytes(zero)
    for first in range(begin, end, most):
        count = min(most, end - first)
        transform_tiles(zero, sizes, x, tiling, 0, first, count, zeros, channels, v, v_plane, channels, 0)
        transform_gradients(zero, sizes, gy, tiling, first, count, zeros, outputs, d, d_plane, width, d_strip)
        for f in range(cells_of(sizes) ** 2):
            for strip in range(-(-outputs // width)):
                _multiply(
                    *(zero, band, v + f * v_plane, channels, d + f * d_plane + strip * d_strip, count),
                    *(u + f * u_plane + strip * WIDTH_BYTES, row, channels),
                    *(min(width, outputs - strip * width), first > begin),
                )


@inner
def _sum_task(zero, sizes, arguments, c):
    """The gradient of the weights of input channel c: G.T @ U @ G, of the parts' sums added up in order."""
    channels, outputs, parts = arguments[19:22]
    sums, sums_part, sums_plane, gw = arguments[31:35]
    row = c * outputs * element_bytes(zero)
    source, target = np.empty(cells_of(sizes) ** 2, np.int64), np.empty(len(sizes[1]) ** 2, np.int64)
    fill_planes(source, sums, sums_plane)
    fill_planes(target, gw, channels * outputs * element_bytes(zero))
    for part in range(1, parts):
        for f in range(source.size):
            add_run(zero, source[f] + part * sums_part + row, source[f] + row, outputs)
    transform_weight_gradient(zero, sizes, address_of(source), row, address_of(target), row, outputs)
    keep_alive(source)
    keep_alive(target)


@inner
def _block_task(zero, sizes, arguments, index):
    """The gradient of one block of a phase's channels and one strip of outputs, of all tiles of a chunk."""
    weight, most_channels, band = weight_of(arguments[:11]), arguments[11], arguments[12]
    v, v_block, v_plane, d, d_strip, d_plane, m, m_thread, m_plane, count, is_adding = arguments[13:24]
    width = WIDTH_BYTES // element_bytes(zero)
    blocks, strips = -(-weight.depth // most_channels), -(-weight.columns // width)
    strip, block, phase = index % strips, index // strips % blocks, index // strips // blocks
    rows = min(most_channels, weight.depth - block * most_channels)
    columns = min(width, weight.columns - strip * width)
    v, d, m = v + index // strips * v_block, d + strip * d_strip, m + get_thread_id() * m_thread
    for f in range(cells_of(sizes) ** 2):
        _multiply(
            *(zero, band, v + f * v_plane, most_channels, d + f * d_plane, count),
            *(m + f * m_plane, WIDTH_BYTES, rows, columns, False),
        )
    corner = block * most_channels * weight.row + strip * WIDTH_BYTES
    _transform_block(zero, sizes, m, m_plane, weight, phase, corner, rows, columns, is_adding)


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
def _transform_block(zero, sizes, products, plane, weight, phase, corner, rows, columns, is_adding):
    """G.T @ products @ G for every row of a block: sets its place in the weight, or adds to it.

    The block begins `corner` bytes behind the first element of every tap.
    """
    taps = len(sizes[1]) ** 2
    gradients = new_matrix(zero, taps, WIDTH_BYTES // element_bytes(zero))
    source, scratch = np.empty(cells_of(sizes) ** 2, np.int64), np.empty(taps, np.int64)
    target = np.empty(taps, np.int64)
    fill_planes(source, products, plane)
    fill_planes(scratch, address_of(gradients), WIDTH_BYTES)
    for p in range(taps):
        line, column = tap_of(sizes, weight, phase, p)
        is_inside = line < weight.height and column < weight.width
        target[p] = weight.address + line * weight.line + column * weight.tap + corner if is_inside else 0
    for row in range(rows):
        transform_weight_gradient(
            *(zero, sizes, address_of(source), row * WIDTH_BYTES),
            *(address_of(scratch), 0, columns),
        )
        for p in range(taps):
            if target[p]:
                place = target[p] + row * weight.row
                if is_adding:
                    add_run(zero, scratch[p], place, columns)
                else:
                    copy_run(zero, scratch[p], place, columns)
    keep_alive(gradients)
