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

from tinynet_kernels import memory
from tinynet_kernels.conv.direct_tasks import (
    ADDED_TOGETHER,
    WEIGHT_POSITIONS,
    add_task,
    correlate_task,
    pack_task,
    weight_task,
)
from tinynet_kernels.conv.sweep import forward_sweep, input_sweeps
from tinynet_kernels.simd.rows import band_address
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

_WEIGHT_TASKS = 16


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


def weight_gradient(x, gy, kernel_size, stride, padding, dilation, groups, out=None):
    """As `conv.weight_gradient`; `out` is contiguous."""
    sweep = forward_sweep(x.shape[1:-1], kernel_size, stride, padding, dilation)
    channels = x.shape[-1] // groups
    shape = (prod(kernel_size), channels, gy.shape[-1])
    gradient = memory.empty((*kernel_size, *shape[1:]), x.dtype) if out is None else out
    if not gradient.size or not gy.size:
        gradient[...] = 0
        return gradient
    positions = gy.size // gy.shape[-1]
    blocks, parts = _weight_blocking(positions, *shape, groups, x.itemsize)
    partial = gradient if parts == 1 else memory.empty((parts, *shape), x.dtype)
    x, gy = _as_pixels(x), _as_pixels(gy)
    block_taps, block_channels = blocks
    tap_blocks, channel_blocks = -(-shape[0] // block_taps), -(-channels // block_channels)
    arguments = (
        *(band_address(x.dtype), x.ctypes.data, gy.ctypes.data, partial.ctypes.data),
        *(len(gy), x.shape[1], gy.shape[1], groups, shape[0], channels, parts),
        *(tap_blocks, channel_blocks, block_taps, block_channels),
        *sweep.numbers,
    )
    run(weight_task, x.dtype, groups * tap_blocks * channel_blocks * parts, arguments)
    if parts > 1:
        _add_parts(partial, gradient)
    return gradient


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
        _add_parts(partial, piece)
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
    run(correlate_task, source.dtype, parts * groups * row_tasks * column_tasks, arguments)


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
    run(pack_task, weight.dtype, strips * taps, arguments)
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
    enough = max(1, -(-positions // (4 * WEIGHT_POSITIONS)))
    parts = min(most, enough, max(1, _WEIGHT_TASKS // tasks))
    return (block_taps, max(1, block_channels)), parts


def _add_parts(partial, total):
    """Sets total, contiguous, to the sum of the parts (parts, *shape of total)."""
    arguments = partial.ctypes.data, total.ctypes.data, len(partial), total.size
    run(add_task, total.dtype, -(-total.size // ADDED_TOGETHER), arguments)
