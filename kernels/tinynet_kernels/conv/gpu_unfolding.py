"""Unfolding into a matrix, and folding back, on the GPU. See unfolding.cu."""

from math import prod

from tinynet_kernels.conv.gpu_pieces import THREADS, geometry_of, pieces
from tinynet_kernels.cuda import Source, blocks_for, contiguous, empty, launch
from tinynet_kernels.windows import output_size

__all__ = ["col2im", "fold", "im2col"]

_source = Source(__package__, "unfolding.cu")


def im2col(x, kernel_size, stride, padding, dilation):
    geometry = x.shape[1:-1], kernel_size, stride, padding, dilation
    rows, width = prod(output_size(*geometry)), prod(kernel_size) * x.shape[-1]
    columns = empty((len(x) * rows, width), x.dtype)
    if not columns.size:
        return columns
    x = contiguous(x)
    function = _source.function("unfold_windows", x.dtype)
    for source, target in pieces(x, columns.reshape(len(x), rows, width)):
        arguments = source, target, len(source), x.shape[-1], *geometry_of(*geometry)
        launch(function, blocks_for(len(source) * rows * x.shape[-1], THREADS), THREADS, arguments)
    return columns


def col2im(columns, input_size, kernel_size, stride, padding, dilation):
    rows = prod(output_size(input_size, kernel_size, stride, padding, dilation))
    shape = len(columns) // rows, *input_size, columns.shape[1] // prod(kernel_size)
    return fold(columns, empty(shape, columns.dtype), kernel_size, stride, padding, dilation)


def fold(columns, x, kernel_size, stride, padding, dilation):
    """`col2im` into x, which is returned."""
    if not x.size:
        return x
    columns = contiguous(columns).reshape(len(x), -1, columns.shape[1])
    geometry = geometry_of(x.shape[1:-1], kernel_size, stride, padding, dilation)
    function = _source.function("fold_windows", x.dtype)
    for source, target in pieces(columns, x):
        arguments = source, target, len(target), x.shape[-1], *geometry
        launch(function, blocks_for(target.size, THREADS), THREADS, arguments)
    return x
