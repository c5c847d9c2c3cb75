"""Convolution on the CPU: every operation by the method that `plan` chooses."""

import numpy as np

from tinynet_kernels import matmul
from tinynet_kernels.conv import depthwise, direct, folded, pointwise, windowed, winograd
from tinynet_kernels.conv.plan import plan
from tinynet_kernels.conv.unfolded import col2im, im2col

__all__ = ["col2im", "forward", "im2col", "input_gradient", "weight_gradient"]


def forward(x, weight, stride, padding, dilation, groups, bias=None, activation=None):
    method, tile, *_ = plan("forward", x.shape, weight.shape, stride, padding, dilation, groups)
    if method == "winograd":
        return winograd.forward(x, weight, stride, padding, tile, bias, activation == "relu")
    if method == "windowed":
        return windowed.forward(x, weight, stride, padding, dilation, bias, activation)
    if method == "product":
        return matmul.product(x, weight.reshape(weight.shape[-2:]), bias=bias, activation=activation)
    if method == "pointwise":
        return pointwise.product(x, weight.reshape(weight.shape[-2:]), False, bias, activation)
    if method == "depthwise":
        return depthwise.forward(x, weight, stride, padding, dilation, bias, activation)
    return direct.forward(x, weight, stride, padding, dilation, groups, bias, activation)


def input_gradient(gy, weight, input_size, stride, padding, dilation, groups):
    x_shape = (len(gy), *input_size, weight.shape[-2] * groups)
    method, tile, *_ = plan("input_gradient", x_shape, weight.shape, stride, padding, dilation, groups)
    if method == "winograd":
        return winograd.input_gradient(gy, weight, input_size, stride, padding, tile)
    if method == "windowed":
        return windowed.input_gradient(gy, weight, input_size, stride, padding, dilation)
    if method == "product":
        return matmul.product(gy, weight.reshape(weight.shape[-2:]), transpose_b=True)
    if method == "pointwise":
        return pointwise.product(gy, weight.reshape(weight.shape[-2:]), is_transposed=True)
    if method == "depthwise":
        return depthwise.input_gradient(gy, weight, input_size, stride, padding, dilation, groups)
    if method == "folded":
        return folded.input_gradient(gy, weight, input_size, stride, padding, dilation, groups)
    return direct.input_gradient(gy, weight, input_size, stride, padding, dilation, groups)


def weight_gradient(x, gy, kernel_size, stride, padding, dilation, groups, out=None):
    weight_shape = (*kernel_size, x.shape[-1] // groups, gy.shape[-1])
    method, tile, *_ = plan("weight_gradient", x.shape, weight_shape, stride, padding, dilation, groups)
    if method == "winograd":
        return winograd.weight_gradient(x, gy, kernel_size, stride, padding, tile, out)
    if method == "product":
        x, gy = (np.ascontiguousarray(array).reshape(-1, array.shape[-1]) for array in (x, gy))
        matrix = None if out is None else out.reshape(weight_shape[-2:])
        gradient = matmul.product(x, gy, transpose_a=True, out=matrix).reshape(weight_shape)
        return gradient if out is None else out
    if method == "windowed":
        return windowed.weight_gradient(x, gy, kernel_size, stride, padding, dilation, out)
    if method == "depthwise":
        return depthwise.weight_gradient(x, gy, kernel_size, stride, padding, dilation, out)
    return direct.weight_gradient(x, gy, kernel_size, stride, padding, dilation, groups, out)
