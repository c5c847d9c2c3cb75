"""The compiled loops of `conv.winograd` for the input gradient of windows that move by several pixels.

The names of the arguments are those of `conv.winograd_kernels`.
"""

import numpy as np
from numba import get_thread_id

from tinynet_kernels.compile import inlined, inner
from tinynet_kernels.conv.winograd_tiles import (
    cells_of,
    images_of,
    number_of_phases,
    number_of_tiles,
    phase_of,
    place,
    tile_place,
    tiling_of,
    transform_all_gradients,
)
from tinynet_kernels.conv.winograd_transforms import transform_input_gradient
from tinynet_kernels.conv.winograd_weights import WEIGHT_ROWS, transform_rows, weight_of
from tinynet_kernels.simd.memory import address_of, element_bytes, keep_alive
from tinynet_kernels.simd.rows import call_band
from tinynet_kernels.simd.tile import ADD
from tinynet_kernels.simd.transforms import fill_cells, fill_planes
from tinynet_kernels.simd.vectors import WIDTH_BYTES
from tinynet_kernels.tasks import run

__all__ = ["input_gradient_by_strips"]


def input_gradient_by_strips(
    band, sizes, gy, gx, tiling, zeros, weight, gradients, transformed_weight, products, unread, most
):
    """Transforms `most` tiles of gy at a time; then a task adds what one strip of a phase of gx gets.

    Args:
        gy, gx: `Images`; gx begins with zeros.
        zeros: the address of at least depth zeros.
        gradients: (row blocks, planes, most * WEIGHT_ROWS or more).
        transformed_weight, products: as of `winograd_kernels.forward_by_strips`.
        unread: (threads, columns or more), for what lies outside of gx.
    """
    dtype, total = products.dtype, number_of_tiles(tiling)
    strips = -(-weight.columns * dtype.itemsize // WIDTH_BYTES)
    common = (
        *(*gx, *tiling, *weight, band, strips, *place(transformed_weight)),
        *(*place(gradients), *place(products), *place(unread)),
    )
    for first in range(0, total, most):
        count = min(most, total - first)
        transform_all_gradients(sizes, gy, tiling, zeros, weight.depth, gradients, WEIGHT_ROWS, first, count)
        run(_strip_task, dtype, number_of_phases(tiling) * strips, (*common, first, count), sizes)


@inner
def _strip_task(zero, sizes, arguments, index):
    """A strip of the channels of one phase of gx."""
    gx, tiling, weight = images_of(arguments[:6]), tiling_of(arguments[6:13]), weight_of(arguments[13:24])
    band, strips, u, u_thread, u_plane, d, d_block, d_plane = arguments[24:32]
    m, m_thread, m_plane, unread, unread_thread, first, count = arguments[32:39]
    size, thread = element_bytes(zero), get_thread_id()
    width, phase, strip = WIDTH_BYTES // size, index // strips, index % strips
    columns, finish = min(width, weight.columns - strip * width), 0
    u, m = u + thread * u_thread, m + thread * m_thread
    for k in range(0, weight.depth, WEIGHT_ROWS):
        depth = min(WEIGHT_ROWS, weight.depth - k)
        transform_rows(zero, sizes, weight, phase, k, strip, u, u_plane)
        for f in range(cells_of(sizes) ** 2):
            call_band(
                band,
                *(d + f * d_plane, WEIGHT_ROWS * size, size),
                *(u + f * u_plane, WIDTH_BYTES, depth),
                *(m + f * m_plane, WIDTH_BYTES, count, columns, finish),
            )
        finish = ADD
        d += d_block
    outside = unread + thread * unread_thread
    _add_products(zero, sizes, m, m_plane, gx, tiling, phase, first, count, strip, columns, outside)


@inlined
def _add_products(zero, sizes, products, plane, gx, tiling, phase, first, count, strip, columns, outside):
    """Adds B @ products @ B.T of every tile, one strip of channels, to the pixels that it sees."""
    m, cells = len(sizes[0]), cells_of(sizes)
    source, target = np.empty(cells * cells, np.int64), np.empty(cells * cells, np.int64)
    fill_planes(source, products, plane)
    images, above, left = phase_of(gx, tiling, phase)
    for t in range(count):
        n, row, column = tile_place(tiling, first + t)
        fill_cells(target, images, n, row * m - above, column * m - left, cells, outside)
        transform_input_gradient(
            *(zero, sizes, address_of(source), t * WIDTH_BYTES),
            *(address_of(target), strip * WIDTH_BYTES, columns),
        )
    keep_alive(source)
    keep_alive(target)
