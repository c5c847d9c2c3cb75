"""Convolution as a matrix product whose unfolded matrix never exists as a whole.

Unfolded (see `conv.im2col`), the input of a 3 × 3 convolution takes nine times its memory. Here each task
unfolds only the rows of the output positions that it computes, and of these one block of columns at a time:
a *panel*, small enough for the second-level cache, which the register tiles of `tinynet_kernels.simd`
multiply at once by the weights, while the threads work on other tasks::

                          weights of a block of taps, in strips of a tile's width
                          ┌───┬───┬───┐
                          │   │   │   │
                          └───┴───┴───┘
          ┌────────────┐  ┌───┬───┬───┐
          │ panel      │  │   │   │   │   rows of output positions: set by the first block of taps,
          └────────────┘  └───┴───┴───┘   increased by the others, cut off at zero with the last

The input gradient is the same product over the input's positions, with the weights of each tap transposed.
The weight gradient multiplies the transposed panel by the output's gradient.

The scheme is that of implicit matrix products: Chetlur et al., cuDNN: Efficient Primitives for Deep Learning
(2014).
"""

from functools import lru_cache
from math import prod

import numpy as np
from numba import prange

from tinynet_kernels import memory
from tinynet_kernels.compile import inner, kernel
from tinynet_kernels.conv.gather import gather
from tinynet_kernels.conv.sweep import FIELDS, forward_sweep, input_sweeps
from tinynet_kernels.simd.memory import copy_run, element_bytes, new_matrix
from tinynet_kernels.simd.packing import copy_rows, copy_transposed
from tinynet_kernels.simd.rows import band_address, call_band
from tinynet_kernels.simd.tile import ADD, CUT_OFF
from tinynet_kernels.simd.vectors import TALLEST, WIDTH_BYTES
from tinynet_kernels.tasks import run

__all__ = ["forward", "input_gradient", "weight_gradient"]

_PANEL_BYTES = 320 << 10  # leaves room in a second-level cache of 1 MiB for the weights and the output
_MOST_DEPTH = 640  # columns of a panel
_MOST_ROWS = 40  # tiles
_LEAST_ROWS = 4  # tiles; fewer would not be worth packing the weights for
_TASKS_PER_THREAD = 8  # so that all threads finish at about the same time; not the number of threads

_PARTIAL_BYTES = 8 << 20  # for the parts of a weight gradient that are added up in the end
_MOST_PARTS = 8  # of a forward sum
_PART_DEPTH = 2048  # the least length of a part
_MOST_DEPTH_OF_PARTS = 256
_FEW_POSITIONS = 256  # of an image

_WEIGHT_POSITIONS = 128  # rows of a panel of the weight gradient
_WEIGHT_TASKS = 16

_PADDING = 64  # bytes between the rows of a panel, so that they do not share the same sets of the cache


def forward(x, weight, stride, padding, dilation, groups, bias=None, activation=None):
    sweep = forward_sweep(x.shape[1:-1], weight.shape[:-2], stride, padding, dilation)
    y = memory.empty((x.shape[0], *_spatial(sweep.grid, x), weight.shape[-1]), x.dtype)
    if y.size and not weight.shape[-2]:
        y[...] = 0
    elif y.size:
        bias = None if bias is None else np.ascontiguousarray(bias)
        parts = _parts(prod(sweep.grid), prod(sweep.taps), weight.shape[-2])
        if parts > 1:
            _forward_in_parts(x, weight, y, sweep, groups, bias, activation, parts)
        else:
            _run(x, weight, y, sweep, groups, False, bias, activation)
    return y


def input_gradient(gy, weight, input_size, stride, padding, dilation, groups):
    sweeps = input_sweeps(input_size, weight.shape[:-2], stride, padding, dilation)
    covered = sum(prod(sweep.grid) for sweep in sweeps)
    shape = (gy.shape[0], *input_size, weight.shape[-2] * groups)
    gx = (memory.empty if covered == prod(input_size) else memory.zeros)(shape, gy.dtype)
    if gx.size and gy.size:
        gy = np.ascontiguousarray(gy)
        for sweep in sweeps:
            _run(gy, weight, gx, sweep, groups, True, None, None)
    elif gx.size:
        gx[...] = 0
    return gx


def weight_gradient(x, gy, kernel_size, stride, padding, dilation, groups):
    sweep = forward_sweep(x.shape[1:-1], kernel_size, stride, padding, dilation)
    channels = x.shape[-1] // groups
    shape = (prod(kernel_size), channels, gy.shape[-1])
    positions = gy.size // max(1, gy.shape[-1])
    blocks, parts = _weight_blocking(positions, *shape, groups, x.itemsize)
    partial = memory.empty((parts, *shape), x.dtype)
    if not partial.size or not gy.size:
        return np.zeros((*kernel_size, *shape[1:]), x.dtype)
    x, gy = _as_pixels(x), _as_pixels(gy)
    block_taps, block_channels = blocks
    tap_blocks, channel_blocks = -(-shape[0] // block_taps), -(-channels // block_channels)
    arguments = (
        *(band_address(x.dtype), x.ctypes.data, gy.ctypes.data, partial.ctypes.data),
        *(len(gy), x.shape[1], gy.shape[1], groups, shape[0], channels, parts),
        *(tap_blocks, channel_blocks, block_taps, block_channels),
        *sweep.numbers,
    )
    run(_weight_task, x.dtype, groups * tap_blocks * channel_blocks * parts, arguments)
    total = partial[0] if parts == 1 else _sum_parts(partial)
    return total.reshape(*kernel_size, *shape[1:])


def _parts(positions, taps, reduced):
    """Into how many parts the sums of an image's output are cut that has few positions but long sums."""
    if positions > _FEW_POSITIONS:
        return 1
    block_taps, _ = _block(taps, reduced, _MOST_DEPTH_OF_PARTS)
    return max(1, min(_MOST_PARTS, taps * reduced // _PART_DEPTH, -(-taps // block_taps)))


def _forward_in_parts(x, weight, y, sweep, groups, bias, activation, parts):
    """Sets y to the sum of `parts` convolutions, each with some of the taps.

    Where the weights are what there is most of, tasks must not differ in positions only: each would read all
    weights. Here a task reads those of its taps.
    """
    images = max(1, _PARTIAL_BYTES // (parts * y[0].nbytes))
    for first in range(0, len(y), images):
        piece = y[first : first + images]
        partial = memory.empty((parts, *piece.shape), y.dtype)
        _run(x[first : first + images], weight, partial, sweep, groups, False, None, None, parts)
        _add_parts(partial.reshape(parts, -1), piece.reshape(-1))
        if bias is not None:
            piece += bias
        if activation == "relu":
            np.maximum(piece, 0, out=piece)


def _spatial(grid, x):
    return grid[5 - x.ndim :]


def _as_pixels(array):
    """(pixels, channels), so that one kernel serves all numbers of dimensions."""
    return np.ascontiguousarray(array).reshape(-1, array.shape[-1])


def _run(source, weight, target, sweep, groups, is_transposed, bias, activation, parts=1):
    positions = source.shape[0] * prod(sweep.grid)
    reduced, wanted = weight.shape[-2], weight.shape[-1] // groups
    if is_transposed:
        reduced, wanted = wanted, reduced
    rows, columns, block_taps, block_channels = _blocking(
        positions, prod(sweep.taps), reduced, wanted, groups, source.itemsize, parts
    )
    source, result = _as_pixels(source), target.reshape(-1, target.shape[-1])
    packed = _packed(np.ascontiguousarray(weight), sweep, groups, is_transposed)
    row_tasks, column_tasks = -(-positions // rows), -(-wanted // columns)
    arguments = (
        *(band_address(source.dtype), source.ctypes.data, packed.ctypes.data, result.ctypes.data),
        *(0 if bias is None else bias.ctypes.data, activation == "relu"),
        *(positions, source.shape[1], result.shape[1], groups),
        *(sweep.is_whole, row_tasks, column_tasks, rows, columns, block_taps, block_channels),
        *(parts, *sweep.numbers),
    )
    run(_correlate_task, source.dtype, parts * groups * row_tasks * column_tasks, arguments)


def _packed(weight, sweep, groups, is_transposed):
    """The weights in the order in which the tiles read them: (strips, taps, reduced channels, width).

    The groups follow each other, each with a whole number of strips.
    """
    taps, (inputs, outputs) = prod(sweep.taps), weight.shape[-2:]
    reduced, wanted = (outputs // groups, inputs) if is_transposed else (inputs, outputs // groups)
    width = WIDTH_BYTES // weight.itemsize
    strips = groups * -(-wanted // width)
    packed = memory.empty((strips, taps, reduced, width), weight.dtype)
    arguments = (
        *(weight.ctypes.data, packed.ctypes.data, inputs, outputs, groups, reduced, wanted),
        *(is_transposed, *sweep.numbers),
    )
    run(_pack_task, weight.dtype, strips * taps, arguments)
    return packed


@lru_cache(maxsize=1024)
def _blocking(positions, taps, reduced, wanted, groups, itemsize, parts=1):
    """How the product is cut: rows and columns of a task; taps and channels of a block of the sum.

    The blocks of the sum do not depend on the number of positions, so that an image's result does not
    depend on the batch that it is in.
    """
    depth = _MOST_DEPTH if parts == 1 else _MOST_DEPTH_OF_PARTS
    block_taps, channels = _block(taps, reduced, depth)
    rows = _PANEL_BYTES // (block_taps * channels * itemsize * TALLEST)
    rows = min(max(rows, _LEAST_ROWS), _MOST_ROWS)
    row_tiles = -(-positions // TALLEST)
    width = WIDTH_BYTES // itemsize
    columns = -(-wanted // width)
    while parts * groups * -(-row_tiles // rows) * -(-wanted // (columns * width)) < 2 * _TASKS_PER_THREAD:
        if rows > _LEAST_ROWS:
            rows = max(_LEAST_ROWS, rows // 2)
        elif columns > 2:
            columns = -(-columns // 2)
        else:
            break
    return rows * TALLEST, columns * width, block_taps, channels


def _block(taps, reduced, most_depth):
    """How many taps, and of these how many channels, make up a block of the sum."""
    tap_blocks = -(-taps * reduced // most_depth) if reduced < most_depth else taps
    return -(-taps // min(tap_blocks, taps)), -(-reduced // -(-reduced // most_depth))


@lru_cache(maxsize=1024)
def _weight_blocking(positions, taps, channels, outputs, groups, itemsize):
    """Taps and channels of a task's block, and into how many parts the positions are cut."""
    tap_blocks = max(1, -(-taps * channels // _MOST_DEPTH))
    block_taps = -(-taps // min(tap_blocks, taps))
    block_channels = -(-channels // max(1, -(-channels // (_MOST_DEPTH // 2))))
    tasks = groups * -(-taps // block_taps) * -(-channels // max(1, block_channels))
    most = max(1, _PARTIAL_BYTES // max(1, taps * channels * outputs * itemsize))
    enough = max(1, -(-positions // (4 * _WEIGHT_POSITIONS)))
    parts = min(most, enough, max(1, _WEIGHT_TASKS // tasks))
    return (block_taps, max(1, block_channels)), parts


@inner
def _correlate_task(zero, arguments, index):
    """One task, see `tasks.run`: some channels of one group at some positions of the grid."""
    band, source, packed, target, bias, is_relu, positions = arguments[:7]
    source_channels, target_channels, groups = arguments[7:10]
    is_whole, row_tasks, column_tasks = arguments[10:13]
    most_rows, most_columns, most_taps, most_channels = arguments[13:17]
    parts, table = arguments[17], arguments[18:].reshape(FIELDS, 3)
    size = element_bytes(zero)
    width = WIDTH_BYTES // size

    tasks = row_tasks * column_tasks
    part, group, place = index // (groups * tasks), index // tasks % groups, index % tasks
    first_row, first_column = place // column_tasks * most_rows, place % column_tasks * most_columns
    wanted, reduced = target_channels // groups, source_channels // groups
    rows, columns = min(most_rows, positions - first_row), min(most_columns, wanted - first_column)
    pixel, target_pixel = source_channels * size, target_channels * size
    all_taps = table[5, 0] * table[5, 1] * table[5, 2]
    tap_blocks = -(-all_taps // most_taps)
    start_tap = tap_blocks * part // parts * most_taps
    taps = min(all_taps, tap_blocks * (part + 1) // parts * most_taps)
    depth = most_taps * most_channels
    panel = new_matrix(zero, rows, depth + _PADDING // size)
    scattered = new_matrix(zero, 0 if is_whole else rows, columns)

    strip_bytes = all_taps * reduced * WIDTH_BYTES
    strips = packed + (group * -(-wanted // width) + first_column // width) * strip_bytes
    channel = group * wanted + first_column
    target += part * positions * target_pixel
    if is_whole:
        result, result_row = target + first_row * target_pixel + channel * size, target_pixel
    else:
        result, result_row = scattered.ctypes.data, columns * size
    for first_tap in range(start_tap, taps, most_taps):
        block_taps = min(most_taps, taps - first_tap)
        for first_channel in range(0, reduced, most_channels):
            block = min(most_channels, reduced - first_channel)
            start = source + (group * reduced + first_channel) * size
            gather(
                zero,
                start,
                pixel,
                table,
                first_row,
                rows,
                first_tap,
                block_taps,
                block,
                panel.ctypes.data,
                panel.strides[0],
            )
            is_first = first_tap == start_tap and first_channel == 0
            is_last = first_tap + block_taps == taps and first_channel + block == reduced
            for n in range(0, columns, width):
                count = min(width, columns - n)
                strip = strips + n // width * strip_bytes
                strip += (first_tap * reduced + first_channel) * WIDTH_BYTES
                strip_result = result + n * size
                finish = 0 if is_first and bias == 0 else ADD
                if is_first and bias != 0:
                    start = bias + (channel + n) * size
                    copy_rows(zero, start, 0, strip_result, result_row, rows, count)
                if is_last and is_relu:
                    finish += CUT_OFF
                call_band(
                    band,
                    panel.ctypes.data,
                    panel.strides[0],
                    size,
                    strip,
                    WIDTH_BYTES,
                    block_taps * block,
                    strip_result,
                    result_row,
                    rows,
                    count,
                    finish,
                )
    if not is_whole:
        # The array, not its address from above: it must stay alive until here.
        rows_from, place = scattered.ctypes.data, target + channel * size
        _scatter(zero, rows_from, columns, place, target_pixel, table, first_row, rows)


@inner
def _pack_task(zero, arguments, index):
    """One task: the weights of one tap of one strip, row below row."""
    weight, packed, inputs, outputs, groups, reduced, wanted, is_transposed = arguments[:8]
    table = arguments[8:].reshape(FIELDS, 3)
    size = element_bytes(zero)
    width = WIDTH_BYTES // size
    taps = table[5, 0] * table[5, 1] * table[5, 2]
    strips = -(-wanted // width)
    # Strip after strip of one tap, since their rows lie side by side in the weights.
    tap, strip = index // (groups * strips), index % (groups * strips)
    group, first = strip // strips, strip % strips * width
    columns, row_bytes = min(width, wanted - first), outputs * size
    source = weight + _weight_tap(table, tap) * inputs * row_bytes + group * (outputs // groups) * size
    target = packed + (strip * taps + tap) * reduced * WIDTH_BYTES
    if is_transposed:
        copy_transposed(zero, source + first * row_bytes, row_bytes, target, WIDTH_BYTES, columns, reduced)
    else:
        copy_rows(zero, source + first * size, row_bytes, target, WIDTH_BYTES, reduced, columns)


@inner
def _weight_tap(table, tap):
    """Where tap `tap` of the sweep lies among the taps of the weight."""
    taps, first, hop, kernel_taps = table[5], table[6], table[7], table[11]
    w = first[2] + tap % taps[2] * hop[2]
    h = first[1] + tap // taps[2] % taps[1] * hop[1]
    d = first[0] + tap // (taps[2] * taps[1]) * hop[0]
    return (d * kernel_taps[1] + h) * kernel_taps[2] + w


@inner
def _scatter(zero, rows_from, columns, target, target_pixel, table, first_row, rows):
    """Copies rows of results to the places of their grid positions in the target."""
    size = element_bytes(zero)
    grid, sizes, first, hop = table[1], table[8], table[9], table[10]
    for row in range(rows):
        position = first_row + row
        w = first[2] + position % grid[2] * hop[2]
        h = first[1] + position // grid[2] % grid[1] * hop[1]
        d = first[0] + position // (grid[2] * grid[1]) % grid[0] * hop[0]
        n = position // (grid[2] * grid[1] * grid[0])
        pixel = ((n * sizes[0] + d) * sizes[1] + h) * sizes[2] + w
        copy_run(zero, rows_from + row * columns * size, target + pixel * target_pixel, columns)


@inner
def _weight_task(zero, arguments, index):
    """One task: the gradient of some taps and channels of one group, summed over some of the positions."""
    band, x, gy, partial, positions, x_channels, outputs, groups, all_taps, all_channels, parts = arguments[
        :11
    ]
    tap_blocks, channel_blocks, most_taps, most_channels = arguments[11:15]
    table = arguments[15:].reshape(FIELDS, 3)
    size = element_bytes(zero)
    width = WIDTH_BYTES // size

    part, block = index % parts, index // parts
    group, place = block // (tap_blocks * channel_blocks), block % (tap_blocks * channel_blocks)
    first_tap, first_channel = place // channel_blocks * most_taps, place % channel_blocks * most_channels
    taps, channels = min(most_taps, all_taps - first_tap), min(most_channels, all_channels - first_channel)
    # Whole panels, so that every part but the last sums over the same number of positions.
    panels = -(-positions // _WEIGHT_POSITIONS)
    first = panels * part // parts * _WEIGHT_POSITIONS
    last = min(positions, panels * (part + 1) // parts * _WEIGHT_POSITIONS)
    gradient = partial + part * all_taps * all_channels * outputs * size
    group_outputs = outputs // groups
    pixel = x_channels * size
    depth = taps * channels
    panel = new_matrix(zero, _WEIGHT_POSITIONS, depth + _PADDING // size)
    strip = new_matrix(zero, _WEIGHT_POSITIONS, width)
    start = x + (group * all_channels + first_channel) * size
    for position in range(first, last, _WEIGHT_POSITIONS):
        rows = min(_WEIGHT_POSITIONS, last - position)
        gather(
            zero,
            start,
            pixel,
            table,
            position,
            rows,
            first_tap,
            taps,
            channels,
            panel.ctypes.data,
            panel.strides[0],
        )
        for n in range(0, group_outputs, width):
            count = min(width, group_outputs - n)
            column = (group * group_outputs + n) * size
            source = gy + position * outputs * size + column
            copy_rows(zero, source, outputs * size, strip.ctypes.data, WIDTH_BYTES, rows, count)
            finish = 0 if position == first else ADD
            if channels == all_channels:
                target = gradient + first_tap * all_channels * outputs * size + column
                call_band(
                    band,
                    panel.ctypes.data,
                    size,
                    panel.strides[0],
                    strip.ctypes.data,
                    WIDTH_BYTES,
                    rows,
                    target,
                    outputs * size,
                    depth,
                    count,
                    finish,
                )
                continue
            for tap in range(taps):
                row = (first_tap + tap) * all_channels + first_channel
                target = gradient + row * outputs * size + column
                call_band(
                    band,
                    panel.ctypes.data + tap * channels * size,
                    size,
                    panel.strides[0],
                    strip.ctypes.data,
                    WIDTH_BYTES,
                    rows,
                    target,
                    outputs * size,
                    channels,
                    count,
                    finish,
                )


def _sum_parts(partial):
    total = np.empty(partial.shape[1:], partial.dtype)
    _add_parts(partial.reshape(len(partial), -1), total.reshape(-1))
    return total


@kernel
def _add_parts(partial, total):
    parts, size = partial.shape
    block = 4096
    for i in prange(-(-size // block)):
        first, last = i * block, min(size, (i + 1) * block)
        result = total[first:last]
        result[:] = partial[0, first:last]
        for part in range(1, parts):
            addend = partial[part, first:last]
            for j in range(result.size):
                result[j] += addend[j]
