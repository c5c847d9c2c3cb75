"""Convolution on the GPU: every operation by the method that `plan` chooses, see `conv.gpu_plan`."""

from math import prod

from tinynet_kernels import matmul
from tinynet_kernels.conv import gpu_depthwise, gpu_implicit, gpu_unfolded, reference
from tinynet_kernels.conv.gpu_unfolding import col2im, im2col
from tinynet_kernels.conv.plan import plan
from tinynet_kernels.cuda import contiguous

__all__ = ["col2im", "forward", "im2col", "input_gradient", "weight_gradient"]


def forward(x, weight, stride, padding, dilation, groups, bias=None, activation=None):
    window = stride, padding, dilation
    method = plan("forward", x.shape, weight.shape, *window, groups, "gpu").method
    if method == "depthwise":
        return gpu_depthwise.forward(x, weight, *window, bias, activation)
    if method == "product":
        matrix = weight.reshape(weight.shape[-2:])
        y = matmul.product(_rows(x), matrix, bias=bias, activation=activation)
        return y.reshape(*x.shape[:-1], weight.shape[-1])
    if method == "unfolded":
        return gpu_unfolded.forward(x, weight, *window, bias, activation)
    if method == "implicit":
        return gpu_implicit.forward(x, weight, *window, groups, bias, activation)
    return reference.forward(x, weight, *window, groups, bias, activation)


def input_gradient(gy, weight, input_size, stride, padding, dilation, groups):
    x_shape = (len(gy), *input_size, weight.shape[-2] * groups)
    window = stride, padding, dilation
    method = plan("input_gradient", x_shape, weight.shape, *window, groups, "gpu").method
    if method == "depthwise":
        return gpu_depthwise.input_gradient(gy, weight, input_size, *window, groups)
    if method == "product":
        matrix = weight.reshape(weight.shape[-2:])
        return matmul.product(_rows(gy), matrix, transpose_b=True).reshape(x_shape)
    if method == "unfolded":
        return gpu_unfolded.input_gradient(gy, weight, input_size, *window)
    if method == "implicit":
        return gpu_implicit.input_gradient(gy, weight, input_size, *window, groups)
    return reference.input_gradient(gy, weight, input_size, *window, groups)


def weight_gradient(x, gy, kernel_size, stride, padding, dilation, groups, out=None):
    shape = (*kernel_size, x.shape[-1] // groups, gy.shape[-1])
    window = stride, padding, dilation
    method = plan("weight_gradient", x.shape, shape, *window, groups, "gpu").method
    if method == "depthwise":
        return gpu_depthwise.weight_gradient(x, gy, kernel_size, *window, out)
    if method == "product":
        matrix = None if out is None else out.reshape(shape[-2:])
        gradient = matmul.product(_rows(x), _rows(gy), transpose_a=True, out=matrix)
        return gradient.reshape(shape) if out is None else out
    if method == "unfolded":
        return gpu_unfolded.weight_gradient(x, gy, kernel_size, *window, out)
    if method == "implicit":
        return gpu_implicit.weight_gradient(x, gy, kernel_size, *window, groups, out)
    return reference.weight_gradient(x, gy, kernel_size, *window, groups, out)


def _rows(x):
    """x (..., C) as a matrix with a row for every pixel."""
    return contiguous(x).reshape(prod(x.shape[:-1]), x.shape[-1])
