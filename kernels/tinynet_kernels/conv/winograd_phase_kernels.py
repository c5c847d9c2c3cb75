"""The compiled loops of `conv.winograd` for the forward operation of windows that move by several pixels.

The names of the arguments are those of `conv.winograd_kernels`.
"""

from numba import get_thread_id

from tinynet_kernels.compile import inner
from tinynet_kernels.conv.winograd_kernels import result_cells, transform_products
from tinynet_kernels.conv.winograd_tiles import (
    images_of,
    number_of_phases,
    number_of_tiles,
    place,
    tiling_of,
    transform_all_tiles,
)
from tinynet_kernels.conv.winograd_weights import WEIGHT_ROWS, transform_rows, weight_of
from tinynet_kernels.simd.memory import element_bytes
from tinynet_kernels.simd.rows import call_band
from tinynet_kernels.simd.tile import ADD
from tinynet_kernels.simd.vectors import WIDTH_BYTES
from tinynet_kernels.tasks import run

__all__ = ["MOST_DEPTH", "forward_by_positions"]

MOST_DEPTH = 256  # channels of a block: a strip of so many rows of 128 bytes fits a first-level cache

_STRIPS_AT_A_TIME = 4
_RESULTS_AT_A_TIME = 16  # tiles


def forward_by_positions(
    band, sizes, x, y, tiling, zeros, weight, bias, is_relu, transformed_weight, tiles, products, unread, most
):
    """Transforms the weight, then `most` tiles at a time; then a task multiplies at one position.

    Args:
        x, y, zeros, bias, is_relu: as of `winograd_kernels.forward_by_tiles`.
        transformed_weight: (strips, planes, phases * depth * width or more).
        tiles: (phases * blocks, planes, most * MOST_DEPTH or more), for blocks of `MOST_DEPTH` channels.
        products: (strips, planes, most * width or more).
        unread: (threads, columns or more), for results that lie outside of y.
    """
    dtype, strips, total = products.dtype, len(products), number_of_tiles(tiling)
    row_blocks = -(-weight.depth // WEIGHT_ROWS)
    tasks = strips * number_of_phases(tiling) * row_blocks
    run(_weight_task, dtype, tasks, (*weight, *place(transformed_weight), strips, row_blocks), sizes)
    common = *place(transformed_weight), *place(tiles), *place(products)
    groups = -(-strips // _STRIPS_AT_A_TIME)
    for first in range(0, total, most):
        count = min(most, total - first)
        transform_all_tiles(sizes, x, tiling, zeros, weight.depth, tiles, MOST_DEPTH, first, count)
        arguments = *weight, band, *common, strips, groups, count
        run(_position_task, dtype, products.shape[1] * groups, arguments, sizes)
        blocks = -(-count // _RESULTS_AT_A_TIME)
        arguments = (
            *(*y, *tiling, weight.columns, bias, is_relu, *place(products), *place(unread)),
            *(blocks, first, count),
        )
        run(_result_task, dtype, strips * blocks, arguments, sizes)


@inner
def _weight_task(zero, sizes, arguments, index):
    """A strip of y's channels of one block of a phase's rows of the weight."""
    weight = weight_of(arguments[:11])
    target, target_strip, plane, strips, row_blocks = arguments[11:16]
    strip, block = index % strips, index // strips
    k, phase = block % row_blocks * WEIGHT_ROWS, block // row_blocks
    target += strip * target_strip + (phase * weight.depth + k) * WIDTH_BYTES
    transform_rows(zero, sizes, weight, phase, k, strip, target, plane)


@inner
def _position_task(zero, sizes, arguments, index):
    """A few strips of y's channels, at one position of all transformed tiles."""
    weight, band = weight_of(arguments[:11]), arguments[11]
    u, u_strip, u_plane, v, v_block, v_plane, m, m_strip, m_plane, strips, groups, count = arguments[12:24]
    size = element_bytes(zero)
    f, width = index // groups, WIDTH_BYTES // size
    begin = index % groups * _STRIPS_AT_A_TIME
    u, v, m, finish = u + f * u_plane, v + f * v_plane, m + f * m_plane, 0
    for _ in range(weight.down * weight.right):
        for k in range(0, weight.depth, MOST_DEPTH):
            depth = min(MOST_DEPTH, weight.depth - k)
            for strip in range(begin, min(strips, begin + _STRIPS_AT_A_TIME)):
                call_band(
                    *(band, v, MOST_DEPTH * size, size, u + strip * u_strip, WIDTH_BYTES, depth),
                    *(m + strip * m_strip, WIDTH_BYTES, count),
                    *(min(width, weight.columns - strip * width), finish),
                )
            finish = ADD
            u += depth * WIDTH_BYTES
            v += v_block


@inner
def _result_task(zero, sizes, arguments, index):
    """A strip of y's channels, of a few tiles."""
    y, tiling = images_of(arguments[:6]), tiling_of(arguments[6:13])
    all_columns, bias, is_relu, m, m_strip, m_plane, unread, unread_thread = arguments[13:21]
    blocks, first, count = arguments[21:24]
    width = WIDTH_BYTES // element_bytes(zero)
    strip, skipped = index // blocks, index % blocks * _RESULTS_AT_A_TIME
    count = min(_RESULTS_AT_A_TIME, count - skipped)
    outside = unread + get_thread_id() * unread_thread
    cells = result_cells(sizes, y, tiling, first + skipped, count, outside)
    m += strip * m_strip + skipped * WIDTH_BYTES
    columns = min(width, all_columns - strip * width)
    transform_products(zero, sizes, m, m_plane, cells, strip, columns, bias, is_relu)
