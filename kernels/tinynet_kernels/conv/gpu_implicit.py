"""Convolution on the GPU as a matrix product that finds its elements itself. See implicit.cu."""

from math import gcd, prod

import numpy as np

from tinynet_kernels.conv.gpu_parts import add_parts, empty_parts
from tinynet_kernels.conv.gpu_pieces import geometry_of, pieces
from tinynet_kernels.cuda import Source, contiguous, empty, launch
from tinynet_kernels.cuda.tiles import (
    BFLOAT_LARGE,
    BFLOAT_SMALL,
    LARGE,
    NARROW,
    SMALL,
    TENSOR_LARGE,
    TENSOR_SMALL,
    choose_tile,
    count_tiles,
    cut_sum,
)
from tinynet_kernels.windows import output_size

__all__ = ["forward", "input_gradient", "weight_gradient"]

# Those that `choose_tile` gives.
TILES = {
    "float16": (NARROW, SMALL, TENSOR_SMALL, TENSOR_LARGE),
    "float32": (NARROW, SMALL, LARGE, TENSOR_SMALL, TENSOR_LARGE, BFLOAT_SMALL, BFLOAT_LARGE),
    "float64": (NARROW, SMALL),
}


def _sources(file):
    """A source for each dtype, since they have different variants."""
    return {
        np.dtype(dtype): Source(
            __package__, file, dtypes=(dtype,), variants=tuple({"ENGINE": tile.engine} for tile in tiles)
        )
        for dtype, tiles in TILES.items()
    }


_source, _input_source = _sources("implicit.cu"), _sources("implicit_input.cu")


def forward(x, weight, stride, padding, dilation, groups, bias=None, activation=None):
    geometry = x.shape[1:-1], weight.shape[:-2], stride, padding, dilation
    y = empty((len(x), *output_size(*geometry), weight.shape[-1]), x.dtype)
    if not y.size:
        return y
    x, weight, bias = map(contiguous, (x, weight, bias))
    depth, outputs = prod(weight.shape[:-1]), y.shape[-1]
    for source, target in pieces(x, y):
        tile, tiles = _cut(x, target.size // outputs, outputs // groups, groups)
        parts, stretch = cut_sum(tiles * groups, depth, y.dtype)
        sums = empty_parts(parts, target.shape, y.dtype) if parts > 1 else None
        arrays = source, weight, bias, activation == "relu", target, sums
        arguments = *arrays, stretch, len(target), x.shape[-1], outputs, *geometry_of(*geometry)
        function = _source[y.dtype].function("implicit_forward", y.dtype, ENGINE=tile.engine)
        launch(function, (tiles, groups, parts), tile.threads, arguments)
        if parts > 1:
            add_parts(sums, target, bias, activation)
    return y


def input_gradient(gy, weight, input_size, stride, padding, dilation, groups):
    channels, outputs = weight.shape[-2] * groups, gy.shape[-1]
    gx = empty((len(gy), *input_size, channels), gy.dtype)
    if not gx.size:
        return gx
    gy, weight = contiguous(gy), contiguous(weight)
    geometry = geometry_of(input_size, weight.shape[:-2], stride, padding, dilation)
    phases = prod(stride)
    pixels_of_phase = prod(-(-size // s) for size, s in zip(input_size, stride, strict=True))
    depth = _taps_of_phase(weight.shape[:-2], stride, dilation) * (outputs // groups)
    for source, target in pieces(gy, gx):
        tile, tiles = _cut(gy, len(target) * pixels_of_phase, weight.shape[-2], groups * phases)
        parts, stretch = cut_sum(tiles * groups * phases, depth, gy.dtype)
        sums = empty_parts(parts, target.shape, gy.dtype) if parts > 1 else None
        sizes = len(target), channels, outputs
        arguments = source, weight, target, sums, parts, stretch, *sizes, *geometry
        function = _input_source[gy.dtype].function("implicit_input_gradient", gy.dtype, ENGINE=tile.engine)
        launch(function, (tiles, groups, phases * parts), tile.threads, arguments)
        if parts > 1:
            add_parts(sums, target)
    return gx


def weight_gradient(x, gy, kernel_size, stride, padding, dilation, groups, out=None):
    shape = (*kernel_size, x.shape[-1] // groups, gy.shape[-1])
    gradient = empty(shape, x.dtype) if out is None else out
    if not gradient.size:
        return gradient
    if not len(x):
        gradient.fill(0)
        return gradient
    x, gy = contiguous(x), contiguous(gy)
    geometry = geometry_of(x.shape[1:-1], kernel_size, stride, padding, dilation)
    tile, tiles = _cut(x, prod(shape[:-1]), shape[-1] // groups, groups)
    cuts = [
        (*piece, *cut_sum(tiles * groups, piece[1].size // gy.shape[-1], x.dtype)) for piece in pieces(x, gy)
    ]
    count, first = sum(parts for _, _, parts, _ in cuts), 0
    sums = empty_parts(count, shape, x.dtype) if count > 1 else None
    function = _source[x.dtype].function("implicit_weight_gradient", x.dtype, ENGINE=tile.engine)
    for of_x, of_gy, parts, stretch in cuts:
        of_piece = None if sums is None else sums[first : first + parts]
        arguments = of_x, of_gy, gradient, of_piece, stretch, len(of_x), x.shape[-1], gy.shape[-1], *geometry
        launch(function, (tiles, groups, parts), tile.threads, arguments)
        first += parts
    if sums is not None:
        add_parts(sums, gradient)
    return gradient


def _taps_of_phase(kernel_size, stride, dilation):
    """How many taps of the window the pixels of one phase meet, at most; see implicit_input.cu."""
    axes = zip(kernel_size, stride, dilation, strict=True)
    return prod(-(-k // (s // gcd(s, d))) for k, s, d in axes)


def _cut(array, rows, columns, batch):
    """The tile for `batch` products of so many rows and columns, and how many of them cover one."""
    tile = choose_tile(array, rows, columns, batch)
    return tile, count_tiles(tile, rows, columns)
