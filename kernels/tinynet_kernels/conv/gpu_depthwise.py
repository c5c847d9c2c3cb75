"""Depthwise convolution on the GPU. See depthwise.cu."""

from math import prod

from tinynet_kernels.conv.gpu_parts import add_parts, empty_parts
from tinynet_kernels.conv.gpu_pieces import THREADS, geometry_of, pieces
from tinynet_kernels.cuda import Source, blocks_for, contiguous, empty, launch
from tinynet_kernels.windows import output_size

__all__ = ["forward", "input_gradient", "weight_gradient"]

_source = Source(__package__, "depthwise.cu")

_TAPS = 9  # of the window, for which a block of the weight gradient computes at once
_STRIP = 32  # channels that it serves
_BLOCKS = 1024  # at most; more would leave the second launch too much to add up
_PIXELS = 16  # at least, for each thread


def forward(x, weight, stride, padding, dilation, bias=None, activation=None):
    geometry = x.shape[1:-1], weight.shape[:-2], stride, padding, dilation
    y = empty((len(x), *output_size(*geometry), weight.shape[-1]), x.dtype)
    if not y.size:
        return y
    x, weight, bias = map(contiguous, (x, weight, bias))
    channels = y.shape[-1]
    function = _source.function("depthwise_forward", x.dtype)
    for source, target in pieces(x, y):
        sizes = len(target), channels, channels // x.shape[-1]
        arguments = source, weight, bias, activation == "relu", target, *sizes, *geometry_of(*geometry)
        launch(function, blocks_for(target.size, THREADS), THREADS, arguments)
    return y


def input_gradient(gy, weight, input_size, stride, padding, dilation, groups):
    gx = empty((len(gy), *input_size, groups), gy.dtype)
    if not gx.size:
        return gx
    gy, weight = contiguous(gy), contiguous(weight)
    geometry = geometry_of(input_size, weight.shape[:-2], stride, padding, dilation)
    function = _source.function("depthwise_input_gradient", gy.dtype)
    for source, target in pieces(gy, gx):
        sizes = len(target), groups, gy.shape[-1] // groups
        arguments = source, weight, target, *sizes, *geometry
        launch(function, blocks_for(target.size, THREADS), THREADS, arguments)
    return gx


def weight_gradient(x, gy, kernel_size, stride, padding, dilation, out=None):
    channels, taps = gy.shape[-1], prod(kernel_size)
    gradient = empty((*kernel_size, 1, channels), x.dtype) if out is None else out
    if not gradient.size:
        return gradient
    if not gy.size:
        gradient.fill(0)
        return gradient
    x, gy = contiguous(x), contiguous(gy)
    geometry = geometry_of(x.shape[1:-1], kernel_size, stride, padding, dilation)
    strip = min(channels, _STRIP)
    tiles = -(-channels // strip), -(-taps // _TAPS)
    cuts = [(*piece, *_cut(piece[1].size // channels, strip, tiles)) for piece in pieces(x, gy)]
    sums = empty_parts(sum(cut[-1] for cut in cuts), gradient.shape, x.dtype)
    function, first = _source.function("depthwise_weight_gradient", x.dtype), 0
    for of_x, of_gy, pixels_of_part, parts in cuts:
        sizes = len(of_x), channels, channels // x.shape[-1], strip, pixels_of_part
        arguments = of_x, of_gy, sums[first : first + parts], *sizes, *geometry
        launch(function, (tiles[0], parts, tiles[1]), THREADS, arguments)
        first += parts
    add_parts(sums, gradient)
    return gradient


def _cut(pixels, strip, tiles):
    """How many pixels a block adds up, and in how many parts the sum over them falls."""
    least = _PIXELS * (THREADS // strip)
    pixels_of_part = max(least, -(-pixels // max(1, _BLOCKS // prod(tiles))))
    return pixels_of_part, -(-pixels // pixels_of_part)
