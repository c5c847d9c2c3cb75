"""The compiled loops of `tinynet_kernels.conv.winograd`, which explains them.

All of them are handed addresses, with strides in bytes, instead of arrays wherever the caller's arrays are
concerned: the same code then serves all strides, and read-only arrays. ``band`` is the address of
`multiply_band`.

The loops are run as tasks, see `tinynet_kernels.tasks`. To the transforms, ``tile`` is a tuple of m zeros,
for m of F(m × m, 3 × 3), of which only the length counts. Since this is part of its type, most tasks exist
twice, and are compiled for each m by itself, when it is first used.

Scratch memory is cut into *planes*, one for each of the (m + 2)² positions in a transformed tile.
"""

from typing import NamedTuple

import numpy as np
from numba import get_thread_id

from tinynet_kernels.compile import inner
from tinynet_kernels.conv.winograd_transforms import (
    transform_input,
    transform_output,
    transform_output_gradient,
    transform_weight,
    transform_weight_gradient,
)
from tinynet_kernels.simd.memory import add_run, element_bytes, keep_alive, new_matrix
from tinynet_kernels.simd.packing import copy_transposed
from tinynet_kernels.simd.rows import call_band
from tinynet_kernels.simd.tile import ADD
from tinynet_kernels.simd.transforms import Images, fill_cells, fill_planes
from tinynet_kernels.simd.vectors import WIDTH_BYTES
from tinynet_kernels.tasks import run

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

# For what tasks consist of: it becomes part of them before anything is compiled. Numba compiles an ordinary
# function by itself first, in vain, and then again as a part of its callers.
_inlined = inner(inline="always")


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
    weight_arguments = *weight, *_place(transformed_weight), row_blocks
    run(_WEIGHT_TASKS[tile], dtype, strips * row_blocks, weight_arguments)
    arguments = (
        *(*x, *y, *tiling, *weight, band, zeros, bias, is_relu),
        *(*_place(transformed_weight), *_place(tiles), *_place(products), *_place(unread), most),
    )
    run(_FORWARD_TASKS[tile], dtype, -(-_number_of_tiles(tiling) // most), arguments)


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
        *(*_place(transformed_weight), *_place(tiles), *_place(products), *_place(unread)),
    )
    run(_INPUT_TASKS[tile], dtype, -(-_number_of_tiles(tiling) // _TILES_AT_A_TIME), arguments)
    run(_STRIP_TASKS[tile], dtype, -(-weight.columns * dtype.itemsize // WIDTH_BYTES), arguments)


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
    arguments = _gradient_arguments(band, x, gy, tiling, zeros, tiles, gradients, sums, gw, most)
    run(_PART_TASKS[tile], gw.dtype, len(sums), arguments)
    run(_SUM_TASKS[tile], gw.dtype, gw.shape[2], arguments)


def weight_gradient_by_positions(band, tile, x, gy, tiling, zeros, tiles, gradients, sums, gw, most):
    """Chunk by chunk: first all tiles are transformed, then a task adds up the products of one position.

    Args:
        tiles, gradients: (1, planes, most * C or more), (1, planes, strips * most * width or more).
        sums: (1, planes, C * O or more).
        x, gy, zeros, gw, most: as of `weight_gradient_by_parts`.
    """
    common = _gradient_arguments(band, x, gy, tiling, zeros, tiles, gradients, sums, gw, most)
    planes, strips = sums.shape[1], -(-gw.shape[3] * gw.itemsize // WIDTH_BYTES)
    total = _number_of_tiles(tiling)
    for first in range(0, total, most):
        count = min(most, total - first)
        arguments = (*common, first, count)
        run(_CHUNK_TASKS[tile], gw.dtype, -(-count // _TILES_AT_A_TIME), arguments)
        run(_position_task, gw.dtype, planes * strips, arguments)
    run(_SUM_TASKS[tile], gw.dtype, gw.shape[2], common)


def _gradient_arguments(band, x, gy, tiling, zeros, tiles, gradients, sums, gw, most):
    """What all tasks of a weight gradient are handed, the first 17 numbers as in the forward operation."""
    return (
        *(*x, *gy, *tiling, *gw.shape[2:], len(sums), band, zeros, most),
        *(*_place(tiles), *_place(gradients), *_place(sums), gw.ctypes.data),
    )


def _number_of_tiles(tiling):
    return tiling.images * tiling.rows * tiling.columns


def _place(array):
    """The address of an array, and its strides except for the last."""
    return array.ctypes.data, *array.strides[:-1]


@_inlined
def _images(numbers):
    address, image, row, column, height, width = numbers
    return Images(address, image, row, column, height, width)


@_inlined
def _tiling(numbers):
    images, rows, columns, above, left = numbers
    return Tiling(images, rows, columns, above, left)


@_inlined
def _weight(numbers):
    address, tap, row, depth, columns, is_turned = numbers
    return Weight(address, tap, row, depth, columns, is_turned)


@_inlined
def _weight_task(zero, tile, arguments, index):
    """A strip of y's channels of one block of the weight's rows."""
    weight = _weight(arguments[:6])
    target, target_strip, plane, row_blocks = arguments[6:10]
    strip, k = index // row_blocks, index % row_blocks * WEIGHT_ROWS
    _transform_weight(zero, tile, weight, k, strip, target + strip * target_strip + k * WIDTH_BYTES, plane)


@_inlined
def _forward_task(zero, tile, arguments, index):
    """All channels of a few tiles."""
    x, y, tiling = _images(arguments[:6]), _images(arguments[6:12]), _tiling(arguments[12:17])
    depth, all_columns = arguments[20:22]
    band, zeros, bias, is_relu, u, u_strip, u_plane, v, v_thread, v_plane = arguments[23:33]
    m, m_thread, m_plane, unread, unread_thread, most = arguments[33:39]
    size = element_bytes(zero)
    thread, first, width = get_thread_id(), index * most, WIDTH_BYTES // size
    count = min(most, tiling.images * tiling.rows * tiling.columns - first)
    v, m = v + thread * v_thread, m + thread * m_thread
    _transform_tiles(zero, tile, x, tiling, first, count, zeros, depth, v, v_plane, depth, 0)
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


@_inlined
def _input_task(zero, tile, arguments, index):
    """All channels of `_TILES_AT_A_TIME` tiles, transformed."""
    x, tiling, depth, zeros = _images(arguments[:6]), _tiling(arguments[12:17]), arguments[20], arguments[24]
    v, v_block, v_plane = arguments[30:33]
    first, v_row = index * _TILES_AT_A_TIME, WEIGHT_ROWS * element_bytes(zero)
    count = min(_TILES_AT_A_TIME, tiling.images * tiling.rows * tiling.columns - first)
    v += first * v_row
    _transform_tiles(zero, tile, x, tiling, first, count, zeros, depth, v, v_plane, WEIGHT_ROWS, v_block)


@_inlined
def _strip_task(zero, tile, arguments, strip):
    """A strip of y's channels, of all transformed tiles."""
    y, tiling, weight = _images(arguments[6:12]), _tiling(arguments[12:17]), _weight(arguments[17:23])
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


@_inlined
def _part_task(zero, tile, arguments, part):
    """The sums over one part of the tiles."""
    x, gy, tiling = _images(arguments[:6]), _images(arguments[6:12]), _tiling(arguments[12:17])
    channels, outputs, parts, band, zeros, most, v, v_thread, v_plane = arguments[17:26]
    d, d_thread, d_plane, u, u_part, u_plane = arguments[26:32]
    thread, total = get_thread_id(), tiling.images * tiling.rows * tiling.columns
    begin, end = part * total // parts, (part + 1) * total // parts
    v, d, u = v + thread * v_thread, d + thread * d_thread, u + part * u_part
    d_strip = most * WIDTH_BYTES
    for first in range(begin, end, most):
        count = min(most, end - first)
        _transform_tiles(zero, tile, x, tiling, first, count, zeros, channels, v, v_plane, channels, 0)
        _transform_gradients(zero, tile, gy, tiling, first, count, zeros, outputs, d, d_plane, d_strip)
        for f in range((len(tile) + 2) ** 2):
            for strip in range(-(-outputs * element_bytes(zero) // WIDTH_BYTES)):
                _add_products(
                    *(zero, band, v + f * v_plane, channels, d + f * d_plane, outputs),
                    *(strip, most, count, u + f * u_plane, first > begin),
                )


@_inlined
def _chunk_task(zero, tile, arguments, index):
    """`_TILES_AT_A_TIME` tiles of a chunk and their gradients, transformed."""
    x, gy, tiling = _images(arguments[:6]), _images(arguments[6:12]), _tiling(arguments[12:17])
    channels, outputs, _, _, zeros, most, v, _, v_plane, d, _, d_plane = arguments[17:29]
    first, count = arguments[33:35]
    skipped, d_strip = index * _TILES_AT_A_TIME, most * WIDTH_BYTES
    first, count = first + skipped, min(_TILES_AT_A_TIME, count - skipped)
    v, d = v + skipped * channels * element_bytes(zero), d + skipped * WIDTH_BYTES
    _transform_tiles(zero, tile, x, tiling, first, count, zeros, channels, v, v_plane, channels, 0)
    _transform_gradients(zero, tile, gy, tiling, first, count, zeros, outputs, d, d_plane, d_strip)


@inner
def _position_task(zero, arguments, index):
    """The products of one position and one strip of channels, of all tiles of a chunk."""
    channels, outputs, _, band, _, most, v, _, v_plane, d, _, d_plane, u, _, u_plane = arguments[17:32]
    first, count = arguments[33:35]
    strips = -(-outputs * element_bytes(zero) // WIDTH_BYTES)
    f, strip = index // strips, index % strips
    _add_products(
        *(zero, band, v + f * v_plane, channels, d + f * d_plane, outputs),
        *(strip, most, count, u + f * u_plane, first > 0),
    )


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


@_inlined
def _transform_sums(zero, tile, arguments, c):
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


@_inlined
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


@_inlined
def _result_cells(tile, y, tiling, first, count, outside):
    """The addresses of the pixels (count, m * m) of tiles of y."""
    m = len(tile)
    cells = np.empty((count, m * m), np.int64)
    for t in range(count):
        column, line = (first + t) % tiling.columns, (first + t) // tiling.columns
        n, row = line // tiling.rows, line % tiling.rows
        fill_cells(cells[t], y, n, row * m, column * m, m, outside)
    return cells


@_inlined
def _transform_products(zero, tile, products, plane, cells, strip, columns, bias, is_relu):
    """Writes one strip of y's channels, A.T @ products @ A + bias, to the given cells."""
    floor = zero if is_relu else zero - np.inf
    planes = np.empty((len(tile) + 2) ** 2, np.int64)
    fill_planes(planes, products, plane)
    for t in range(cells.shape[0]):
        transform_output(
            zero,
            tile,
            planes.ctypes.data,
            t * WIDTH_BYTES,
            cells[t].ctypes.data,
            strip * WIDTH_BYTES,
            columns,
            bias + strip * WIDTH_BYTES,
            floor,
        )


_TWO, _FOUR = (0,) * 2, (0,) * 4


@inner
def _weight_of_two(zero, arguments, index):
    _weight_task(zero, _TWO, arguments, index)


@inner
def _weight_of_four(zero, arguments, index):
    _weight_task(zero, _FOUR, arguments, index)


@inner
def _forward_of_two(zero, arguments, index):
    _forward_task(zero, _TWO, arguments, index)


@inner
def _forward_of_four(zero, arguments, index):
    _forward_task(zero, _FOUR, arguments, index)


@inner
def _input_of_two(zero, arguments, index):
    _input_task(zero, _TWO, arguments, index)


@inner
def _input_of_four(zero, arguments, index):
    _input_task(zero, _FOUR, arguments, index)


@inner
def _strip_of_two(zero, arguments, index):
    _strip_task(zero, _TWO, arguments, index)


@inner
def _strip_of_four(zero, arguments, index):
    _strip_task(zero, _FOUR, arguments, index)


@inner
def _part_of_two(zero, arguments, index):
    _part_task(zero, _TWO, arguments, index)


@inner
def _part_of_four(zero, arguments, index):
    _part_task(zero, _FOUR, arguments, index)


@inner
def _chunk_of_two(zero, arguments, index):
    _chunk_task(zero, _TWO, arguments, index)


@inner
def _chunk_of_four(zero, arguments, index):
    _chunk_task(zero, _FOUR, arguments, index)


@inner
def _sum_of_two(zero, arguments, index):
    _transform_sums(zero, _TWO, arguments, index)


@inner
def _sum_of_four(zero, arguments, index):
    _transform_sums(zero, _FOUR, arguments, index)


_WEIGHT_TASKS = {2: _weight_of_two, 4: _weight_of_four}
_FORWARD_TASKS = {2: _forward_of_two, 4: _forward_of_four}
_INPUT_TASKS = {2: _input_of_two, 4: _input_of_four}
_STRIP_TASKS = {2: _strip_of_two, 4: _strip_of_four}
_PART_TASKS = {2: _part_of_two, 4: _part_of_four}
_CHUNK_TASKS = {2: _chunk_of_two, 4: _chunk_of_four}
_SUM_TASKS = {2: _sum_of_two, 4: _sum_of_four}
