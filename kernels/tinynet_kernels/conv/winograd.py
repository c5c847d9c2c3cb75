"""Winograd's convolution: 3 × 3 windows with a quarter of the multiplications, and others with few.

The output is cut into tiles of m × m pixels. For a window of r × r taps, a tile sees n × n pixels of the
input, n = m + r - 1; neighbours overlap by r - 1. Transformed (see `conv.winograd_transforms`), the tile's
result is a product position by position, and since products and sums over the channels may change places,
every position is a matrix product over all tiles::

        input tile           V                                M             result
      ┌─┬─┬─┬─┬─┬─┐    ┌─┬─┬─┬─┬─┬─┐                    ┌─┬─┬─┬─┬─┬─┐
      ├─┼─┼─┼─┼─┼─┤    ├─┼─┼─┼─┼─┼─┤                    ├─┼─┼─┼─┼─┼─┤    ┌─┬─┬─┬─┐
      ├─┼─┼─┼─┼─┼─┤ ─► ├─┼─┼─f─┼─┼─┤  ─► V[f] @ U[f] ─► ├─┼─┼─f─┼─┼─┤ ─► ├─┼─┼─┼─┤
      ├─┼─┼─┼─┼─┼─┤    ├─┼─┼─┼─┼─┼─┤   tiles × C times  ├─┼─┼─┼─┼─┼─┤    ├─┼─┼─┼─┤
      ├─┼─┼─┼─┼─┼─┤    ├─┼─┼─┼─┼─┼─┤   C × O, for       ├─┼─┼─┼─┼─┼─┤    ├─┼─┼─┼─┤
      └─┴─┴─┴─┴─┴─┘    └─┴─┴─┴─┴─┴─┘   each of 36 f     └─┴─┴─┴─┴─┴─┘    └─┴─┴─┴─┘
       pixels of C      B.T @ D @ B    U = G @ g @ G.T    planes of O     A.T @ M @ A

For r = 3 and m = 4 these are 36 multiplications per channel for 16 pixels instead of 9 · 16 = 144. The price:
the transforms, the memory for U, V and M, 9/4 of the size of what they come from, and rounding errors, since
V contains differences of large multiples. In float32 F(4 × 4, 3 × 3) errs by about 1e-5 of the largest
result, ten times as much as the definition; F(2 × 2, 3 × 3), with 16 multiplications for 36, hardly more
than the definition. F(3 × 3, 4 × 4), F(2 × 2, 5 × 5) and F(5 × 5, 2 × 2) have 36 positions as well, and about
the errors of the first.

A window that moves by two pixels sees four *phases* of the input: its even rows and columns, its odd rows
and even columns, and so on. Each meets only every other tap of the window, at every pixel of the phase, so
that the result is a sum of four convolutions with windows of half the size, at stride 1. The sum is taken
before the last transform: the phases are more channels. A 9 × 9 window at stride 2 takes 4 · 36
multiplications for 4 pixels in this way, in place of 4 · 81.

V and M should see the main memory as little as possible. There are three ways to arrange that:

* *by tiles*: U is computed first. A task takes as many tiles as have their V in the second-level cache,
  and goes through all U, strip by strip of a register tile's width; M is one strip wide.
* *by strips*: where tiles are few and channels many, U is what is large. V is computed first, and a task
  takes one strip of the output's channels, for which it transforms the weights a few rows at a time.
* *by positions*: with phases, a tile's V is four times as large as well, and would be read from the memory
  for each of the strips. U and V are computed first, V of some tiles at a time, and a task multiplies all of
  them at one position, where V[f] fits a second-level cache and U[f] is read once.

The input gradient slides a window as well, over the output's gradient. With phases it would look at the same
pixels of this gradient for every phase, and mostly at its borders; then the transposed algorithm is the
better one: the gradient's tiles are transformed, multiplied by strips of a phase's channels, transformed
back, and added up where the tiles of the input overlap.

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

from math import prod

import numpy as np
from numba import get_num_threads

from tinynet_kernels import memory
from tinynet_kernels.conv.winograd_cost import (
    Cost,
    estimated_cost,
    is_by_strips,
    number_of_planes,
    taps_of,
    tiles_at_a_time,
    tiles_for,
)
from tinynet_kernels.conv.winograd_gradient_kernels import weight_gradient_by_blocks, weight_gradient_by_parts
from tinynet_kernels.conv.winograd_input_kernels import input_gradient_by_strips
from tinynet_kernels.conv.winograd_kernels import forward_by_strips, forward_by_tiles
from tinynet_kernels.conv.winograd_phase_kernels import MOST_DEPTH, forward_by_positions
from tinynet_kernels.conv.winograd_tiles import Tiling, number_of_phases, number_of_tiles
from tinynet_kernels.conv.winograd_weights import FORWARD, TRANSPOSED, TURNED, WEIGHT_ROWS, Weight
from tinynet_kernels.simd.rows import band_address
from tinynet_kernels.simd.transforms import Images
from tinynet_kernels.simd.vectors import TALLEST, WIDTH_BYTES
from tinynet_kernels.windows import output_size

__all__ = [
    "Cost",
    "estimated_cost",
    "forward",
    "input_gradient",
    "number_of_planes",
    "serves",
    "taps_of",
    "tiles_for",
    "weight_gradient",
]

_TILE_BYTES = 512 << 10  # of V in a task by tiles: half of a second-level cache
_MOST_TILES = 2 * TALLEST  # of a task by tiles; more gain nothing

# Of weight gradients by parts. Their number must not depend on that of the threads.
_MOST_PARTS = 8
_LEAST_PART = 128  # tiles; for fewer, adding up the parts' sums would cost as much as computing them
_SUMS_BYTES = 640 << 10  # of one part: stays in a second-level cache
_PART_BYTES = 1 << 20  # of the tiles and gradients that a part transforms at a time

# Of weight gradients by blocks.
_CHUNK_BYTES = 8 << 20  # of tiles and gradients: fits a third-level cache
_LARGE_CHUNK_BYTES = 32 << 20  # where the weight is large, since every chunk goes through all of it
_MOST_CHANNELS = 64  # of a block: the sums of 36 positions are then 288 KiB
_LEAST_CHANNELS = 16
_ENOUGH_BLOCKS = 16  # for many threads; with more of them, blocks are not made smaller

_LINE = 64  # bytes of a cache line


def serves(kernel_size, stride, dilation, groups):
    """Whether the geometry is one that this module computes, at any padding."""
    is_plain = len(kernel_size) == 2 and groups == 1 and set(dilation) == {1}
    return is_plain and bool(tiles_for(kernel_size, stride))


def forward(x, weight, stride, padding, tile, bias=None, relu=False):
    """y (N, OH, OW, O) from x (N, H, W, C) and weight (height, width, C, O).

    Args:
        stride: of each of height and width.
        padding: a (before, after) pair for each of them.
        tile: the m of F(m × m, r × r), one of `tiles_for` the window.
        bias: (O,), added to every pixel, or None.
        relu: whether to take ``max(0, y)``, in which NaN stays NaN.

    All arrays are float32, or all are float64.
    """
    size = output_size(x.shape[1:3], weight.shape[:2], stride, padding, (1, 1))
    return _slide(x, weight, FORWARD, size, stride, padding, tile, bias, relu)


def input_gradient(gy, weight, input_size, stride, padding, tile):
    """gx (N, H, W, C) from gy (N, OH, OW, O) and weight (height, width, C, O), where `input_size` is (H, W).

    At stride 1 it is the same sliding of a window, with the weight turned by 180 degrees and its channels
    exchanged, over gy padded by as much as makes the sizes right: a padding p of x becomes r - 1 - p. It may
    be negative, since the tiles may begin anywhere.
    """
    if prod(stride) > 1:
        return _spread(gy, weight, tuple(input_size), stride, padding, tile)
    last = len(weight) - 1
    turned = [(last - before, last - after) for before, after in padding]
    return _slide(gy, weight, TURNED, tuple(input_size), stride, turned, tile, None, False)


def weight_gradient(x, gy, kernel_size, stride, padding, tile, out=None):
    """The gradient (height, width, C, O) from x (N, H, W, C) and gy (N, OH, OW, O).

    In `out`, contiguous, if given.
    """
    x, gy = _with_adjacent_channels(x), _with_adjacent_channels(gy)
    channels, outputs = x.shape[3], gy.shape[3]
    gradient = memory.empty((*kernel_size, channels, outputs), x.dtype) if out is None else out
    if not gy.size or not gradient.size:
        gradient.fill(0)
        return gradient
    tiling, sizes = _tiling(gy.shape, stride, padding, tile), (tile, taps_of(kernel_size, stride))
    count, planes = number_of_tiles(tiling), number_of_planes(tile, kernel_size, stride)
    zeros = np.zeros(max(channels, outputs), x.dtype)
    arguments = (band_address(x.dtype), sizes, Images.of(x), Images.of(gy), tiling, zeros.ctypes.data)
    parts = min(_MOST_PARTS, count // _LEAST_PART)
    if number_of_phases(tiling) == 1 and parts > 1 and planes * gradient[0, 0].nbytes <= _SUMS_BYTES:
        _by_parts(arguments, gradient, planes, count, parts)
    else:
        weight = Weight.of(gradient, stride, FORWARD)
        _by_blocks(arguments, weight, planes, count, number_of_phases(tiling), gradient)
    return gradient


def _by_parts(arguments, gradient, planes, count, parts):
    (channels, outputs), dtype = gradient.shape[2:], gradient.dtype
    width, threads = WIDTH_BYTES // dtype.itemsize, get_num_threads()
    most = _most_tiles(_PART_BYTES, planes * (channels + outputs) * dtype.itemsize, count)
    weight_gradient_by_parts(
        *arguments,
        _scratch((threads, planes), most * channels, dtype),
        _scratch((threads, planes), most * _strips(outputs, dtype.itemsize) * width, dtype),
        _scratch((parts, planes), channels * outputs, dtype),
        *(gradient, most),
    )


def _by_blocks(arguments, weight, planes, count, phases, gradient):
    (channels, outputs), dtype = gradient.shape[2:], gradient.dtype
    width, strips = WIDTH_BYTES // dtype.itemsize, _strips(outputs, dtype.itemsize)
    chunk_bytes = _LARGE_CHUNK_BYTES if gradient.nbytes > _CHUNK_BYTES else _CHUNK_BYTES
    most = _most_tiles(chunk_bytes, planes * (phases * channels + outputs) * dtype.itemsize, count)
    block = _MOST_CHANNELS
    while block > _LEAST_CHANNELS and -(-channels // block) * phases * strips < _ENOUGH_BLOCKS:
        block //= 2
    weight_gradient_by_blocks(
        *arguments,
        _scratch((phases * -(-channels // block), planes), most * block, dtype),
        _scratch((strips, planes), most * width, dtype),
        _scratch((get_num_threads(), planes), block * width, dtype),
        *(weight, most, block),
    )


def _most_tiles(bytes_at_a_time, bytes_per_tile, count):
    """How many of `count` tiles are transformed at a time: about as many every time."""
    most = max(bytes_at_a_time // bytes_per_tile, TALLEST)
    return -(-count // -(-count // most))


def _slide(x, weight, kind, size, stride, padding, tile, bias, relu):
    x, weight = _with_adjacent_channels(x), _contiguous(weight)
    dtype, matrices = x.dtype, Weight.of(weight, stride, kind)
    y = memory.empty((x.shape[0], *size, matrices.columns), dtype)
    if not y.size:
        return y
    if not matrices.depth:
        y[...] = 0 if bias is None else bias
        return np.maximum(y, 0, out=y) if relu else y
    tiling, sizes = _tiling(y.shape, stride, padding, tile), (tile, taps_of(weight.shape[:2], stride))
    zeros = np.zeros(max(matrices.depth, matrices.columns), dtype)
    bias = zeros if bias is None else _contiguous(bias)
    arguments = (
        *(band_address(dtype), sizes, Images.of(x), Images.of(y), tiling, zeros.ctypes.data),
        *(matrices, bias.ctypes.data, relu),
    )
    planes, count = number_of_planes(tile, weight.shape[:2], stride), number_of_tiles(tiling)
    if number_of_phases(tiling) > 1:
        _by_positions(arguments, matrices, planes, number_of_phases(tiling), tiles_at_a_time(count), dtype)
    elif is_by_strips(count, matrices.columns):
        forward_by_strips(*arguments, *_memory_by_strips(matrices, planes, count, dtype))
    else:
        _by_tiles(arguments, matrices, planes, dtype)
    return y


def _spread(gy, weight, input_size, stride, padding, tile):
    """The input gradient of a window that moves by more than one pixel."""
    gy, weight = _with_adjacent_channels(gy), _contiguous(weight)
    dtype, matrices = gy.dtype, Weight.of(weight, stride, TRANSPOSED)
    gx = memory.zeros((gy.shape[0], *input_size, matrices.columns), dtype)
    if not gx.size or not gy.size:
        return gx
    tiling, sizes = _tiling(gy.shape, stride, padding, tile), (tile, taps_of(weight.shape[:2], stride))
    planes, most = number_of_planes(tile, weight.shape[:2], stride), tiles_at_a_time(number_of_tiles(tiling))
    zeros = np.zeros(matrices.depth, dtype)
    scratch = _memory_by_strips(matrices, planes, most, dtype)
    scratch[-1].fill(0)  # is added to, and numbers left there might take the processor long
    input_gradient_by_strips(
        *(band_address(dtype), sizes, Images.of(gy), Images.of(gx), tiling, zeros.ctypes.data, matrices),
        *(*scratch, most),
    )
    return gx


def _by_tiles(arguments, weight, planes, dtype):
    width, threads = WIDTH_BYTES // dtype.itemsize, get_num_threads()
    bands = _TILE_BYTES // (planes * weight.depth * dtype.itemsize * TALLEST)
    most = min(max(TALLEST, bands * TALLEST), _MOST_TILES)
    forward_by_tiles(
        *arguments,
        _scratch((_strips(weight.columns, dtype.itemsize), planes), weight.depth * width, dtype),
        _scratch((threads, planes), most * weight.depth, dtype),
        _scratch((threads, planes), most * width, dtype),
        *(_scratch((threads,), weight.columns, dtype), most),
    )


def _by_positions(arguments, weight, planes, phases, most, dtype):
    width, strips = WIDTH_BYTES // dtype.itemsize, _strips(weight.columns, dtype.itemsize)
    forward_by_positions(
        *arguments,
        _scratch((strips, planes), phases * weight.depth * width, dtype),
        _scratch((phases * -(-weight.depth // MOST_DEPTH), planes), most * MOST_DEPTH, dtype),
        _scratch((strips, planes), most * width, dtype),
        *(_scratch((get_num_threads(),), weight.columns, dtype), most),
    )


def _memory_by_strips(weight, planes, most, dtype):
    """For `most` transformed tiles, the transformed weight, the products, and what lies outside."""
    width, threads = WIDTH_BYTES // dtype.itemsize, get_num_threads()
    return (
        _scratch((-(-weight.depth // WEIGHT_ROWS), planes), most * WEIGHT_ROWS, dtype),
        _scratch((threads, planes), WEIGHT_ROWS * width, dtype),
        _scratch((threads, planes), most * width, dtype),
        _scratch((threads,), weight.columns, dtype),
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


def _tiling(y_shape, stride, padding, tile):
    images, height, width, _ = y_shape
    (above, _), (left, _) = padding
    return Tiling(images, -(-height // tile), -(-width // tile), above, left, *stride)


def _strips(channels, itemsize):
    return -(-channels * itemsize // WIDTH_BYTES)
