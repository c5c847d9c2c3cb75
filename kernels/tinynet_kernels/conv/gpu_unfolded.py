"""Convolution on the GPU as the product of a matrix of all that the windows see, a few images at a time."""

from math import prod

from tinynet_kernels import matmul
from tinynet_kernels.conv.gpu_pieces import pieces
from tinynet_kernels.conv.gpu_unfolding import fold, im2col
from tinynet_kernels.cuda import contiguous, empty
from tinynet_kernels.windows import output_size

__all__ = ["forward", "input_gradient", "weight_gradient"]

_COLUMNS = 1 << 26  # elements of the matrix, at most, unless one image has more


def forward(x, weight, stride, padding, dilation, bias=None, activation=None):
    kernel_size, channels = weight.shape[:-2], weight.shape[-1]
    output = output_size(x.shape[1:-1], kernel_size, stride, padding, dilation)
    y = empty((len(x), *output, channels), x.dtype)
    matrix = _as_matrix(weight)
    for source, target in pieces(
        contiguous(x), y, elements_beside=prod(output) * len(matrix), most_elements=_COLUMNS
    ):
        columns = im2col(source, kernel_size, stride, padding, dilation)
        matmul.product(columns, matrix, bias=bias, activation=activation, out=target.reshape(-1, channels))
    return y


def input_gradient(gy, weight, input_size, stride, padding, dilation):
    kernel_size, matrix = weight.shape[:-2], _as_matrix(weight)
    gx = empty((len(gy), *input_size, weight.shape[-2]), gy.dtype)
    columns_of_image = prod(gy.shape[1:-1]) * len(matrix)
    for source, target in pieces(
        contiguous(gy), gx, elements_beside=columns_of_image, most_elements=_COLUMNS
    ):
        columns = matmul.product(source.reshape(-1, gy.shape[-1]), matrix, transpose_b=True)
        fold(columns, target, kernel_size, stride, padding, dilation)
    return gx


def weight_gradient(x, gy, kernel_size, stride, padding, dilation, out=None):
    columns = im2col(x, kernel_size, stride, padding, dilation)
    shape = (*kernel_size, x.shape[-1], gy.shape[-1])
    matrix = None if out is None else out.reshape(columns.shape[1], gy.shape[-1])
    gy = contiguous(gy).reshape(-1, gy.shape[-1])
    gradient = matmul.product(columns, gy, transpose_a=True, out=matrix)
    return gradient.reshape(shape) if out is None else out


def _as_matrix(weight):
    return contiguous(weight).reshape(-1, weight.shape[-1])
