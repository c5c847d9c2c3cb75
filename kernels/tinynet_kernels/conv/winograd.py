"""Winograd's convolution: 3 × 3 windows with a quarter of the multiplications.

The output is cut into tiles of m × m pixels, m = 4 or 2. A tile sees (m + 2) × (m + 2) pixels of the input;
neighbours overlap by two. Transformed (see `conv.winograd_transforms`), the tile's result is a product
position by position, and since products and sums over the channels may change places, every position is a
matrix product over all tiles::

        input tile           V                                M             result
      ┌─┬─┬─┬─┬─┬─┐    ┌─┬─┬─┬─┬─┬─┐                    ┌─┬─┬─┬─┬─┬─┐
      ├─┼─┼─┼─┼─┼─┤    ├─┼─┼─┼─┼─┼─┤                    ├─┼─┼─┼─┼─┼─┤    ┌─┬─┬─┬─┐
      ├─┼─┼─┼─┼─┼─┤ ─► ├─┼─┼─f─┼─┼─┤  ─► V[f] @ U[f] ─► ├─┼─┼─f─┼─┼─┤ ─► ├─┼─┼─┼─┤
      ├─┼─┼─┼─┼─┼─┤    ├─┼─┼─┼─┼─┼─┤   tiles × C times  ├─┼─┼─┼─┼─┼─┤    ├─┼─┼─┼─┤
      ├─┼─┼─┼─┼─┼─┤    ├─┼─┼─┼─┼─┼─┤   C × O, for       ├─┼─┼─┼─┼─┼─┤    ├─┼─┼─┼─┤
      └─┴─┴─┴─┴─┴─┘    └─┴─┴─┴─┴─┴─┘   each of 36 f     └─┴─┴─┴─┴─┴─┘    └─┴─┴─┴─┘
       pixels of C      B.T @ D @ B    U = G @ g @ G.T    planes of O     A.T @ M @ A

For m = 4 these are 36 multiplications per channel for 16 pixels instead of 9 · 16 = 144. The price: the
transforms, the memory for U, V and M, 9/4 of the size of what they come from, and rounding errors, since V
contains differences of large multiples. In float32 F(4 × 4, 3 × 3) errs by about 1e-5 of the largest
result, ten times as much as the definition; F(2 × 2, 3 × 3), with 16 multiplications for 36, hardly more
than the definition.

V and M should never see the main memory. There are two ways to arrange that:

* *by tiles*: U is computed first. A task takes as many tiles as have their V in the second-level cache,
  and goes through all U, strip by strip of a register tile's width; M is one strip wide.
* *by strips*: where tiles are few and channels many, U is what is large. V is computed first, and a task
  takes one strip of the output's channels, for which it transforms the weights a few rows at a time.

The weight gradient sums over the tiles. Position by position it is ``V[f].T @ gradients[f]``, and again
there are two ways:

* *by parts*: where the sums are small, the tiles are cut into a few parts. A task has sums of its own for
  its part, and nothing that one core has written is read by another before the end.
* *by blocks*: all transform some tiles, as many as stay in the third-level cache. Then a task computes one
  block of the weight at all positions, and transforms these sums while they are in its second-level cache.
  With further tiles the results are added to those before.

Nothing here depends on the number of threads: a result is the sum over the same blocks of channels, or of
tiles, in the same order, whoever adds them up.

NaN and infinity in the input make every result that depends on them NaN or infinite, as they should, but
by the differences in the transforms a tile's other results too.

Sources: Winograd, Arithmetic Complexity of Computations (1980); Lavin & Gray, Fast Algorithms for
Convolutional Neural Networks (2016).
"""

import numpy as np
from numba import get_num_threads

from tinynet_kernels import memory
from tinynet_kernels.conv.winograd_cost import (
    TAPS,
    Cost,
    estimated_cost,
    is_by_strips,
    number_of_planes,
    result_size,
)
from tinynet_kernels.conv.winograd_gradient_kernels import weight_gradient_by_blocks, weight_gradient_by_parts
from tinynet_kernels.conv.winograd_kernels import WEIGHT_ROWS, Weight, forward_by_strips, forward_by_tiles
from tinynet_kernels.conv.winograd_tiles import Tiling
from tinynet_kernels.simd.rows import band_address
from tinynet_kernels.simd.transforms import Images
from tinynet_kernels.simd.vectors import TALLEST, WIDTH_BYTES

__all__ = ["Cost", "estimated_cost", "forward", "input_gradient", "serves", "weight_gradient"]

_TILE_BYTES = 512 << 10  # of V in a task by tiles: half of a second-level cache
_MOST_TILES = 2 * TALLEST  # of a task by tiles; more gain nothing

# Of weight gradients by parts. Their number must not depend on that of the threads.
_MOST_PARTS = 8
_LEAST_PART = 128  # tiles; for fewer, adding up the parts' sums would cost as much as computing them
_SUMS_BYTES = 640 << 10  # of one part: stays in a second-level cache
_PART_BYTES = 1 << 20  # of the tiles and gradients that a part transforms at a time

# Of weight gradients by blocks.
_CHUNK_BYTES = 8 << 20  # of tiles and gradients: fits a third-level cache
_LARGE_CHUNK_BYTES = 16 << 20  # where the weight is large, since every chunk goes through all of it
_MOST_CHANNELS = 64  # of a block: the sums of 36 positions are then 288 KiB
_LEAST_CHANNELS = 16
_ENOUGH_BLOCKS = 16  # for many threads; with more of them, blocks are not made smaller

_LINE = 64  # bytes of a cache line


def serves(kernel_size, stride, dilation, groups):
    """Whether the geometry is one that this module computes, at any padding."""
    return (*kernel_size, *stride, *dilation, groups) == (TAPS, TAPS, 1, 1, 1, 1, 1)


def forward(x, weight, padding, tile, bias=None, relu=False):
    """y (N, OH, OW, O) from x (N, H, W, C) and weight (3, 3, C, O), at stride 1.

    Args:
        padding: a (before, after) pair for each of height and width.
        tile: 4 or 2, the m of F(m × m, 3 × 3).
        bias: (O,), added to every pixel, or None.
        relu: whether to take ``max(0, y)``, in which NaN stays NaN.

    All arrays are float32, or all are float64.
    """
    return _slide(x, weight, False, result_size(x.shape[1:3], padding), padding, tile, bias, relu)


def input_gradient(gy, weight, input_size, padding, tile):
    """gx (N, H, W, C) from gy (N, OH, OW, O) and weight (3, 3, C, O), where `input_size` is (H, W).

    The same sliding of a window, with the weight turned by 180 degrees and its channels exchanged, over gy
    padded by as much as makes the sizes right: a padding p of x becomes 2 - p. It may be negative, since
    the tiles may begin anywhere.
    """
    turned = [(TAPS - 1 - before, TAPS - 1 - after) for before, after in padding]
    return _slide(gy, weight, True, tuple(input_size), turned, tile, None, False)


def weight_gradient(x, gy, padding, tile, out=None):
    """The gradient (3, 3, C, O) from x (N, H, W, C) and gy (N, OH, OW, O); in `out`, contiguous, if given."""
    x, gy = _with_adjacent_channels(x), _with_adjacent_channels(gy)
    channels, outputs = x.shape[3], gy.shape[3]
    gradient = memory.empty((TAPS, TAPS, channels, outputs), x.dtype) if out is None else out
    if not gy.size or not gradient.size:
        gradient.fill(0)
        return gradient
    tiling = _tiling(gy.shape, padding, tile)
    count = tiling.images * tiling.rows * tiling.columns
    zeros = np.zeros(max(channels, outputs), x.dtype)
    arguments = (band_address(x.dtype), tile, Images.of(x), Images.of(gy), tiling, zeros.ctypes.data)
    parts = min(_MOST_PARTS, count // _LEAST_PART)
    if parts > 1 and number_of_planes(tile) * gradient.nbytes // TAPS**2 <= _SUMS_BYTES:
        _by_parts(arguments, gradient, tile, count, parts)
    else:
        _by_blocks(arguments, gradient, tile, count)
    return gradient


def _by_parts(arguments, gradient, tile, count, parts):
    planes, (channels, outputs), dtype = number_of_planes(tile), gradient.shape[2:], gradient.dtype
    width, threads = WIDTH_BYTES // dtype.itemsize, get_num_threads()
    most = _most_tiles(_PART_BYTES, planes * (channels + outputs) * dtype.itemsize, count)
    weight_gradient_by_parts(
        *arguments,
        _scratch((threads, planes), most * channels, dtype),
        _scratch((threads, planes), most * _strips(outputs, dtype.itemsize) * width, dtype),
        _scratch((parts, planes), channels * outputs, dtype),
        *(gradient, most),
    )


def _by_blocks(arguments, gradient, tile, count):
    planes, (channels, outputs), dtype = number_of_planes(tile), gradient.shape[2:], gradient.dtype
    width, strips = WIDTH_BYTES // dtype.itemsize, _strips(outputs, dtype.itemsize)
    chunk_bytes = _LARGE_CHUNK_BYTES if gradient.nbytes > _CHUNK_BYTES else _CHUNK_BYTES
    most = _most_tiles(chunk_bytes, planes * (channels + outputs) * dtype.itemsize, count)
    block = _MOST_CHANNELS
    while block > _LEAST_CHANNELS and -(-channels // block) * strips < _ENOUGH_BLOCKS:
        block //= 2
    weight_gradient_by_blocks(
        *arguments,
        _scratch((-(-channels // block), planes), most * block, dtype),
        _scratch((1, planes), most * strips * width, dtype),
        _scratch((get_num_threads(), planes), block * width, dtype),
        *(gradient, most, block),
    )


def _most_tiles(bytes_at_a_time, bytes_per_tile, count):
    """How many of `count` tiles are transformed at a time: about as many every time."""
    most = max(bytes_at_a_time // bytes_per_tile, TALLEST)
    return -(-count // -(-count // most))


def _slide(x, weight, is_turned, output_size, padding, tile, bias, relu):
    x, weight = _with_adjacent_channels(x), _contiguous(weight)
    dtype, (channels, outputs) = x.dtype, weight.shape[:1:-1] if is_turned else weight.shape[2:]
    y = memory.empty((x.shape[0], *output_size, outputs), dtype)
    if not y.size:
        return y
    if not channels:
        y[...] = 0 if bias is None else bias
        return np.maximum(y, 0, out=y) if relu else y
    tiling = _tiling(y.shape, padding, tile)
    count = tiling.images * tiling.rows * tiling.columns
    zeros = np.zeros(max(channels, outputs), dtype)
    bias = zeros if bias is None else _contiguous(bias)
    matrices = Weight(weight.ctypes.data, *weight.strides[1:3], channels, outputs, int(is_turned))
    arguments = (
        *(band_address(dtype), tile, Images.of(x), Images.of(y), tiling, zeros.ctypes.data),
        *(matrices, bias.ctypes.data, relu),
    )
    if is_by_strips(count, outputs):
        _by_strips(arguments, count, channels, outputs, tile, dtype)
    else:
        _by_tiles(arguments, channels, outputs, tile, dtype)
    return y


def _by_tiles(arguments, channels, outputs, tile, dtype):
    planes, width = number_of_planes(tile), WIDTH_BYTES // dtype.itemsize
    threads = get_num_threads()
    bands = _TILE_BYTES // (planes * channels * dtype.itemsize * TALLEST)
    most = min(max(TALLEST, bands * TALLEST), _MOST_TILES)
    forward_by_tiles(
        *arguments,
        _scratch((_strips(outputs, dtype.itemsize), planes), channels * width, dtype),
        _scratch((threads, planes), most * channels, dtype),
        _scratch((threads, planes), most * width, dtype),
        *(_scratch((threads,), outputs, dtype), most),
    )


def _by_strips(arguments, count, channels, outputs, tile, dtype):
    planes, width = number_of_planes(tile), WIDTH_BYTES // dtype.itemsize
    threads = get_num_threads()
    forward_by_strips(
        *arguments,
        _scratch((-(-channels // WEIGHT_ROWS), planes), count * WEIGHT_ROWS, dtype),
        _scratch((threads, planes), WEIGHT_ROWS * width, dtype),
        _scratch((threads, planes), count * width, dtype),
        _scratch((threads,), outputs, dtype),
    )


def _scratch(leading, length, dtype):
    """Memory for planes of `length` elements, an odd number of cache lines apart.

    A tile's vectors are written to all planes at once. A power of two between them would send all to the
    same few places of a cache.
    """
    lines = -(-length * dtype.itemsize // _LINE) | 1
    return memory.empty((*leading, lines * _LINE // dtype.itemsize), dtype)


def _with_adjacent_channels(x):
    is_usable = x.flags.aligned and x.strides[-1] == x.itemsize
    return x if is_usable else x.copy()


def _contiguous(array):
    return np.require(array, requirements=("C_CONTIGUOUS", "ALIGNED"))


def _tiling(y_shape, padding, tile):
    images, height, width, _ = y_shape
    (above, _), (left, _) = padding
    return Tiling(images, -(-height // tile), -(-width // tile), above, left)


def _strips(channels, itemsize):
    return -(-channels * itemsize // WIDTH_BYTES)
