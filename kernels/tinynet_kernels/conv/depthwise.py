"""Depthwise convolution on the CPU: every input channel has its own kernels and meets no other.

With a channel multiplier m, output channels ``c * m … (c + 1) * m - 1`` belong to input channel c. The
kernels here only know m = 1: for more, x is repeated m times along its channels.
"""

import numpy as np
from numba import prange

from tinynet_kernels.compile import inner, kernel
from tinynet_kernels.windows import Volume

_LINES_PER_BLOCK = 64  # output lines that share one partial weight gradient


def forward(x, weight, stride, padding, dilation):
    geometry = Volume(x.shape[1:-1], weight.shape[:-2], stride, padding, dilation)
    channels = weight.shape[-1]
    y = np.empty((x.shape[0], *geometry.output, channels), x.dtype)
    if y.size:
        x = _repeat_channels(x, channels).reshape(x.shape[0], *geometry.input, channels)
        kernels = np.ascontiguousarray(weight).reshape(*geometry.kernel, channels)
        _forward(x, kernels, y, *geometry.window)
    return y.reshape(x.shape[0], *geometry.output[-len(stride) :], channels)


def input_gradient(gy, weight, input_size, stride, padding, dilation, groups):
    geometry = Volume(input_size, weight.shape[:-2], stride, padding, dilation)
    channels = weight.shape[-1]
    gx = np.empty((gy.shape[0], *geometry.input, channels), gy.dtype)
    if gx.size:
        gy = np.ascontiguousarray(gy).reshape(gy.shape[0], *geometry.output, channels)
        kernels = np.ascontiguousarray(weight).reshape(*geometry.kernel, channels)
        _input_gradient(gy, kernels, gx, *geometry.window)
    if channels > groups:
        gx = gx.reshape(*gx.shape[:-1], groups, channels // groups).sum(axis=-1)
    return gx.reshape(gy.shape[0], *input_size, groups)


def weight_gradient(x, gy, kernel_size, stride, padding, dilation):
    geometry = Volume(x.shape[1:-1], kernel_size, stride, padding, dilation)
    channels = gy.shape[-1]
    gy = np.ascontiguousarray(gy).reshape(gy.shape[0], *geometry.output, channels)
    lines = gy.shape[0] * geometry.output[0] * geometry.output[1]
    blocks = -(-lines // _LINES_PER_BLOCK)
    partial = np.zeros((blocks, *geometry.kernel, channels), gy.dtype)
    if partial.size:
        x = _repeat_channels(x, channels).reshape(x.shape[0], *geometry.input, channels)
        _weight_gradient(x, gy, partial, _LINES_PER_BLOCK, *geometry.window)
    return partial.sum(axis=0).reshape(*kernel_size, 1, channels)


def _repeat_channels(x, channels):
    if x.shape[-1] == channels:
        return np.ascontiguousarray(x)
    return np.repeat(x, channels // x.shape[-1], axis=-1)


@kernel
def _forward(x, weight, y, stride, before, dilation):
    D, H = x.shape[1:3]
    N, OD, OH = y.shape[:3]
    KD, KH = weight.shape[:2]
    for line in prange(N * OD * OH):
        oh, od, n = line % OH, line // OH % OD, line // (OH * OD)
        target = y[n, od, oh]
        target[:, :] = 0
        for kd in range(KD):
            d = od * stride[0] - before[0] + kd * dilation[0]
            for kh in range(KH):
                h = oh * stride[1] - before[1] + kh * dilation[1]
                if 0 <= d < D and 0 <= h < H:
                    _forward_line(x[n, d, h], weight[kd, kh], target, stride[2], before[2], dilation[2])


@inner
def _forward_line(x, weight, y, stride, before, dilation):
    for ow in range(y.shape[0]):
        for kw in range(weight.shape[0]):
            w = ow * stride - before + kw * dilation
            if 0 <= w < x.shape[0]:
                _add_product(x[w], weight[kw], y[ow])


@kernel
def _input_gradient(gy, weight, gx, stride, before, dilation):
    N, D, H = gx.shape[:3]
    OD, OH = gy.shape[1:3]
    KD, KH = weight.shape[:2]
    for line in prange(N * D * H):
        h, d, n = line % H, line // H % D, line // (H * D)
        target = gx[n, d, h]
        target[:, :] = 0
        for kd in range(KD):
            od = _output_position(d + before[0] - kd * dilation[0], stride[0], OD)
            for kh in range(KH):
                oh = _output_position(h + before[1] - kh * dilation[1], stride[1], OH)
                if od >= 0 and oh >= 0:
                    _input_line(gy[n, od, oh], weight[kd, kh], target, stride[2], before[2], dilation[2])


@inner
def _input_line(gy, weight, gx, stride, before, dilation):
    for ow in range(gy.shape[0]):
        for kw in range(weight.shape[0]):
            w = ow * stride - before + kw * dilation
            if 0 <= w < gx.shape[0]:
                _add_product(gy[ow], weight[kw], gx[w])


@kernel
def _weight_gradient(x, gy, partial, lines_per_block, stride, before, dilation):
    """Block by block of output lines, so that the sums do not depend on the number of threads."""
    D, H = x.shape[1:3]
    N, OD, OH = gy.shape[:3]
    KD, KH = partial.shape[1:3]
    for block in prange(partial.shape[0]):
        gradient = partial[block]
        for line in range(block * lines_per_block, min((block + 1) * lines_per_block, N * OD * OH)):
            oh, od, n = line % OH, line // OH % OD, line // (OH * OD)
            source = gy[n, od, oh]
            for kd in range(KD):
                d = od * stride[0] - before[0] + kd * dilation[0]
                for kh in range(KH):
                    h = oh * stride[1] - before[1] + kh * dilation[1]
                    if 0 <= d < D and 0 <= h < H:
                        target = gradient[kd, kh]
                        _weight_line(x[n, d, h], source, target, stride[2], before[2], dilation[2])


@inner
def _weight_line(x, gy, gradient, stride, before, dilation):
    for ow in range(gy.shape[0]):
        for kw in range(gradient.shape[0]):
            w = ow * stride - before + kw * dilation
            if 0 <= w < x.shape[0]:
                _add_product(x[w], gy[ow], gradient[kw])


@inner
def _add_product(a, b, total):
    for c in range(total.size):
        total[c] += a[c] * b[c]


@inner
def _output_position(offset, stride, size):
    """The output position whose window starts `offset` away from the input's first element, or -1."""
    position = offset // stride
    return position if offset >= 0 and position * stride == offset and position < size else -1
