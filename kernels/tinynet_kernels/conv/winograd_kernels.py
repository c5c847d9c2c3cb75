"""The compiled loops of the forward operation in `tinynet_kernels.conv.winograd`, which explains them.

All of them are handed addresses, with strides in bytes, instead of arrays wherever the caller's arrays are
concerned: the same code then serves all strides, and read-only arrays. ``band`` is the address of
`multiply_band`, ``sizes`` the m and the r of F(m × m, r × r).

The loops are run as tasks, see `tinynet_kernels.tasks`. Scratch memory is cut into *planes*, one for each of
the (m + r - 1)² positions in a transformed tile.
"""

import numpy as np
from numba import get_thread_id

from tinynet_kernels.compile import inlined, inner
from tinynet_kernels.conv.winograd_tiles import (
    cells_of,
    images_of,
    number_of_tiles,
    place,
    tile_place,
    tiling_of,
    transform_all_tiles,
    transform_tiles,
)
from tinynet_kernels.conv.winograd_transforms import transform_output
from tinynet_kernels.conv.winograd_weights import WEIGHT_ROWS, transform_rows, weight_of
from tinynet_kernels.simd.memory import address_of, element_bytes
from tinynet_kernels.simd.rows import call_band
from tinynet_kernels.simd.tile import ADD
from tinynet_kernels.simd.transforms import fill_cells, fill_planes
from tinynet_kernels.simd.vectors import WIDTH_BYTES
from tinynet_kernels.tasks import run

__all__ = ["forward_by_strips", "forward_by_tiles", "result_cells", "transform_products"]


def forward_by_tiles(
    band, sizes, x, y, tiling, zeros, weight, bias, is_relu, transformed_weight, tiles, products, unread, most
):
    """Transforms the weight; then tasks of a few tiles each, whose planes stay in the second-level cache.

    For windows that move by one pixel only.

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
    run(_weight_task, dtype, strips * row_blocks, weight_arguments, sizes)
    arguments = (
        *(*x, *y, *tiling, *weight, band, zeros, bias, is_relu),
        *(*place(transformed_weight), *place(tiles), *place(products), *place(unread), most),
    )
    run(_forward_task, dtype, -(-number_of_tiles(tiling) // most), arguments, sizes)


def forward_by_strips(
    band, sizes, x, y, tiling, zeros, weight, bias, is_relu, tiles, transformed_weight, products, unread
):
    """Transforms all tiles; then one task per strip of y's channels, which transforms its own weights.

    For windows that move by one pixel only.

    Args:
        x, y, zeros, bias, is_relu, unread: as of `forward_by_tiles`.
        tiles: (row blocks, planes, T * WEIGHT_ROWS or more) for all T tiles.
        transformed_weight: (threads, planes, WEIGHT_ROWS * width or more).
        products: (threads, planes, T * width or more).
    """
    dtype, count = products.dtype, number_of_tiles(tiling)
    arguments = (
        *(*y, *tiling, *weight, band, bias, is_relu),
        *(*place(transformed_weight), *place(tiles), *place(products), *place(unread)),
    )
    transform_all_tiles(sizes, x, tiling, zeros, weight.depth, tiles, WEIGHT_ROWS, 0, count)
    run(_strip_task, dtype, -(-weight.columns * dtype.itemsize // WIDTH_BYTES), arguments, sizes)


@inner
def _weight_task(zero, sizes, arguments, index):
    """A strip of y's channels of one block of the weight's rows."""
    weight = weight_of(arguments[:11])
    target, target_strip, plane, row_blocks = arguments[11:15]
    strip, k = index // row_blocks, index % row_blocks * WEIGHT_ROWS
    transform_rows(zero, sizes, weight, 0, k, strip, target + strip * target_strip + k * WIDTH_BYTES, plane)


@inner
def _forward_task(zero, sizes, arguments, index):
    """All channels of a few tiles."""
    x, y, tiling = images_of(arguments[:6]), images_of(arguments[6:12]), tiling_of(arguments[12:19])
    weight = weight_of(arguments[19:30])
    band, zeros, bias, is_relu, u, u_strip, u_plane, v, v_thread, v_plane = arguments[30:40]
    m, m_thread, m_plane, unread, unread_thread, most = arguments[40:46]
    size, depth = element_bytes(zero), weight.depth
    thread, first, width = get_thread_id(), index * most, WIDTH_BYTES // size
    count = min(most, number_of_tiles(tiling) - first)
    v, m = v + thread * v_thread, m + thread * m_thread
    transform_tiles(zero, sizes, x, tiling, 0, first, count, zeros, depth, v, v_plane, depth, 0)
    cells = result_cells(sizes, y, tiling, first, count, unread + thread * unread_thread)
    for strip in range(-(-weight.columns // width)):
        columns = min(width, weight.columns - strip * width)
        for f in range(cells_of(sizes) ** 2):
            call_band(
                band,
                *(v + f * v_plane, depth * size, size),
                *(u + strip * u_strip + f * u_plane, WIDTH_BYTES, depth),
                *(m + f * m_plane, WIDTH_BYTES, count, columns, 0),
            )
        transform_products(zero, sizes, m, m_plane, cells, strip, columns, bias, is_relu)


@inner
def _strip_task(zero, sizes, arguments, strip):
    """A strip of y's channels, of all transformed tiles."""
    y, tiling, weight = images_of(arguments[:6]), tiling_of(arguments[6:13]), weight_of(arguments[13:24])
    band, bias, is_relu, u, u_thread, u_plane, v, v_block, v_plane = arguments[24:33]
    m, m_thread, m_plane, unread, unread_thread = arguments[33:38]
    size, thread, count = element_bytes(zero), get_thread_id(), number_of_tiles(tiling)
    width = WIDTH_BYTES // size
    columns = min(width, weight.columns - strip * width)
    u, m = u + thread * u_thread, m + thread * m_thread
    for k in range(0, weight.depth, WEIGHT_ROWS):
        depth = min(WEIGHT_ROWS, weight.depth - k)
        transform_rows(zero, sizes, weight, 0, k, strip, u, u_plane)
        for f in range(cells_of(sizes) ** 2):
            call_band(
                band,
                *(v + k // WEIGHT_ROWS * v_block + f * v_plane, WEIGHT_ROWS * size, size),
                *(u + f * u_plane, WIDTH_BYTES, depth),
                *(m + f * m_plane, WIDTH_BYTES, count, columns, ADD * (k > 0)),
            )
    cells = result_cells(sizes, y, tiling, 0, count, unread + thread * unread_thread)
    transform_products(zero, sizes, m, m_plane, cells, strip, columns, bias, is_relu)


@inlined
def result_cells(sizes, y, tiling, first, count, outside):
    """The addresses of the pixels (count, m * m) of tiles of y."""
    m = len(sizes[0])
    cells = np.empty((count, m * m), np.int64)
    for t in range(count):
        n, row, column = tile_place(tiling, first + t)
        fill_cells(cells[t], y, n, row * m, column * m, m, outside)
    return cells


@inlined
def transform_products(zero, sizes, products, plane, cells, strip, columns, bias, is_relu):
    """Writes one strip of y's channels, A.T @ products @ A + bias, to the given cells."""
    floor = zero if is_relu else zero - np.inf
    planes = np.empty(cells_of(sizes) ** 2, np.int64)
    fill_planes(planes, products, plane)
    for t in range(cells.shape[0]):
        transform_output(
            zero,
            sizes,
            address_of(planes),
            t * WIDTH_BYTES,
            address_of(cells[t]),
            strip * WIDTH_BYTES,
            columns,
            bias + strip * WIDTH_BYTES,
            floor,
        )
