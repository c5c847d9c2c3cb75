"""Convolution as a sum over kernel positions: each multiplies a shifted view of x by one matrix."""

from math import prod

from tinynet_kernels.dispatch import array_module
from tinynet_kernels.windows import crop_spatial, output_size, pad_spatial, window_views


def forward(x, weight, stride, padding, dilation, groups, bias=None, activation=None):
    xp = array_module(x)
    kernel_size = weight.shape[:-2]
    output = output_size(x.shape[1:-1], kernel_size, stride, padding, dilation)
    padded = pad_spatial(xp, x, padding)
    y = xp.zeros((x.shape[0], *output, weight.shape[-1]), xp.result_type(x, weight))
    for position, view in window_views(padded, kernel_size, stride, dilation, output):
        y += _multiply_groups(xp, view, weight[position], groups)
    if bias is not None:
        y += bias
    return xp.maximum(y, 0) if activation == "relu" else y


def input_gradient(gy, weight, input_size, stride, padding, dilation, groups):
    xp = array_module(gy)
    kernel_size = weight.shape[:-2]
    padded = _empty_padded(xp, gy, input_size, weight.shape[-2] * groups, padding, xp.result_type(gy, weight))
    for position, view in window_views(padded, kernel_size, stride, dilation, gy.shape[1:-1]):
        view += _multiply_groups(xp, gy, _transpose_groups(weight[position], groups), groups)
    return xp.ascontiguousarray(crop_spatial(padded, padding))


def weight_gradient(x, gy, kernel_size, stride, padding, dilation, groups, out=None):
    xp = array_module(x)
    padded = pad_spatial(xp, x, padding)
    shape = (*kernel_size, x.shape[-1] // groups, gy.shape[-1])
    gradient = xp.empty(shape, xp.result_type(x, gy)) if out is None else out
    grouped_gy = gy.reshape(prod(gy.shape[:-1]), groups, gy.shape[-1] // groups)
    for position, view in window_views(padded, kernel_size, stride, dilation, gy.shape[1:-1]):
        grouped_x = view.reshape(grouped_gy.shape[0], groups, shape[-2])
        product = xp.matmul(grouped_x.transpose(1, 2, 0), grouped_gy.transpose(1, 0, 2))  # (G, C/G, O/G)
        gradient[position] = product.transpose(1, 0, 2).reshape(shape[-2:])
    return gradient


def im2col(x, kernel_size, stride, padding, dilation):
    xp = array_module(x)
    output = output_size(x.shape[1:-1], kernel_size, stride, padding, dilation)
    padded = pad_spatial(xp, x, padding)
    views = [view for _, view in window_views(padded, kernel_size, stride, dilation, output)]
    columns = xp.stack(views, axis=-2)
    return columns.reshape(x.shape[0] * prod(output), prod(kernel_size) * x.shape[-1])


def col2im(columns, input_size, kernel_size, stride, padding, dilation):
    xp = array_module(columns)
    output = output_size(input_size, kernel_size, stride, padding, dilation)
    channels = columns.shape[1] // prod(kernel_size)
    columns = columns.reshape(columns.shape[0] // prod(output), *output, *kernel_size, channels)
    padded = _empty_padded(xp, columns, input_size, channels, padding, columns.dtype)
    for position, view in window_views(padded, kernel_size, stride, dilation, output):
        view += columns[(..., *position, slice(None))]
    return xp.ascontiguousarray(crop_spatial(padded, padding))


def _empty_padded(xp, like, input_size, channels, padding, dtype):
    size = [before + size + after for size, (before, after) in zip(input_size, padding, strict=True)]
    return xp.zeros((like.shape[0], *size, channels), dtype)


def _multiply_groups(xp, x, matrix, groups):
    """x (..., G * I) by matrix (I, G * O), group by group → (..., G * O)."""
    if groups == 1:
        return xp.matmul(x, matrix)
    grouped = x.reshape(prod(x.shape[:-1]), groups, matrix.shape[0]).transpose(1, 0, 2)
    matrices = matrix.reshape(matrix.shape[0], groups, matrix.shape[1] // groups).transpose(1, 0, 2)
    return xp.matmul(grouped, matrices).transpose(1, 0, 2).reshape(*x.shape[:-1], matrix.shape[1])


def _transpose_groups(matrix, groups):
    """(I, G * O) → (O, G * I), transposing each group's own matrix."""
    inputs, outputs = matrix.shape[0], matrix.shape[1] // groups
    return matrix.reshape(inputs, groups, outputs).transpose(2, 1, 0).reshape(outputs, groups * inputs)
