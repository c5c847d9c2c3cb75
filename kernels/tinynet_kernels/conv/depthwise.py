"""Depthwise convolution on the CPU: every input channel has its own kernels and meets no other.

So the vectors run along the channels, and a block of neighbouring pixels stays in the registers while the
window passes, see `tinynet_kernels.simd.window`. The weight gradient is the same sum with exchanged roles:
a window as large as the output, and as many places for it as the kernel has elements.

With a channel multiplier m, output channels ``c * m … (c + 1) * m - 1`` belong to input channel c. The
kernels only know m = 1: for more, what has m channels for one is first taken apart into m arrays.
"""

from functools import lru_cache

import numpy as np
from numba import prange

from tinynet_kernels.compile import inner, kernel
from tinynet_kernels.conv import depthwise_weight
from tinynet_kernels.memory import empty
from tinynet_kernels.simd.sweep import make_line
from tinynet_kernels.simd.window import ProductSum
from tinynet_kernels.strips import ALONE
from tinynet_kernels.sweeps import PIXELS, Layout, backward_axis, contiguous, forward_axis, make_sweep
from tinynet_kernels.windows import Volume

_BLOCK = 16384  # elements that one task takes apart or puts together


def forward(x, weight, stride, padding, dilation, bias=None, activation=None):
    channels = x.shape[-1]
    sweep, shape = _sweep(forward_axis, x.shape[1:], weight.shape[:-2], stride, padding, dilation, x.dtype)
    bias = np.zeros(weight.shape[-1], x.dtype) if bias is None else bias
    floor = x.dtype.type(0 if activation == "relu" else -np.inf)
    parts = []
    for part_weight, part_bias in zip(_apart(weight, channels), _apart(bias, channels), strict=True):
        y = empty((x.shape[0], *shape), x.dtype)
        if y.size:
            _sum_products(x.shape[0], _flat(x), part_weight, part_bias, floor, _flat(y), *sweep)
        parts.append(y)
    return _together(parts)


def input_gradient(gy, weight, input_size, stride, padding, dilation, groups):
    size = (*input_size, groups)
    sweep, shape = _sweep(backward_axis, size, weight.shape[:-2], stride, padding, dilation, gy.dtype)
    floor, nothing = gy.dtype.type(-np.inf), np.zeros(groups, gy.dtype)
    total = None
    for part_gy, part_weight in zip(_apart(gy, groups), _apart(weight, groups), strict=True):
        gx = empty((gy.shape[0], *shape), gy.dtype)
        if gx.size:
            _sum_products(gy.shape[0], part_gy, part_weight, nothing, floor, _flat(gx), *sweep)
        total = gx if total is None else np.add(total, gx, out=total)
    return total


def weight_gradient(x, gy, kernel_size, stride, padding, dilation, out=None):
    channels = x.shape[-1]
    x = np.ascontiguousarray(x)
    if gy.shape[-1] == channels:
        return depthwise_weight.gradient(x, _flat(gy), kernel_size, stride, padding, dilation, out)
    parts = [
        depthwise_weight.gradient(x, part_gy, kernel_size, stride, padding, dilation)
        for part_gy in _apart(gy, channels)
    ]
    return _together(parts, out)


def _flat(array):
    return np.ascontiguousarray(array).reshape(-1)


def _apart(array, channels):
    """`array` (..., channels * m) as m flat arrays, each with one of every m channels."""
    flat = _flat(array)
    multiplier = array.shape[-1] // channels
    if multiplier == 1:
        return [flat]
    parts = np.empty((multiplier, flat.size // multiplier), flat.dtype)
    if parts.size:
        _take_apart(flat, parts)
    return parts


def _together(parts, whole=None):
    """The arrays (..., channels) as one (..., channels * m), `whole` if given: the reverse of `_apart`."""
    if len(parts) == 1:
        return parts[0]
    *leading, channels = parts[0].shape
    whole = empty((*leading, channels * len(parts)), parts[0].dtype) if whole is None else whole
    for at, part in enumerate(parts):
        if part.size:
            _put_together(_flat(part), _flat(whole), at, len(parts))
    return whole


@lru_cache(maxsize=256)
def _sweep(make_axis, size, kernel_size, stride, padding, dilation, dtype):
    """The `Sweep` of the forward pass or input gradient, and the shape of one sample of the result.

    `size` is that of x, (*spatial, C).
    """
    *size, channels = size
    volume = Volume(size, kernel_size, stride, padding, dilation)
    sizes = (volume.input, volume.output) if make_axis is forward_axis else (volume.output, volume.input)
    source = contiguous("position", sizes[0], channels, dtype.itemsize)
    weight = contiguous("tap", volume.kernel, channels, dtype.itemsize, per_image=False)
    target = contiguous("target", sizes[1], channels, dtype.itemsize)
    initial = Layout(channel=dtype.itemsize)
    arguments = (volume.input, volume.kernel, volume.stride, volume.before, volume.dilation, volume.output)
    axes = [make_axis(*axis) for axis in zip(*arguments, strict=True)]
    sweep = make_sweep(axes, volume.kernel, channels, source, target, weight, initial)
    return sweep, (*sizes[1][3 - len(size) :], channels)


_line = make_line(ProductSum, PIXELS, narrow_vectors=2)


@kernel
def _sum_products(images, x, weight, initial, floor, y, planes, lines, runs, steps):
    source, beside, target, extra = x.ctypes.data, weight.ctypes.data, y.ctypes.data, initial.ctypes.data
    tasks = images * planes.shape[0] * lines.shape[0]
    if max(x.size, y.size) < ALONE:
        for task in range(tasks):
            _line(floor, 0, task, planes, lines, runs, steps, source, beside, target, extra, floor)
    else:
        for task in prange(tasks):
            _line(floor, 0, task, planes, lines, runs, steps, source, beside, target, extra, floor)


@kernel
def _take_apart(whole, parts):
    multiplier, size = parts.shape
    for block in prange((size + _BLOCK - 1) // _BLOCK):
        first, last = block * _BLOCK, min((block + 1) * _BLOCK, size)
        for at in range(multiplier):
            _copy(whole[first * multiplier + at : last * multiplier : multiplier], parts[at, first:last])


@kernel
def _put_together(part, whole, at, multiplier):
    for block in prange((part.size + _BLOCK - 1) // _BLOCK):
        first, last = block * _BLOCK, min((block + 1) * _BLOCK, part.size)
        _copy(part[first:last], whole[first * multiplier + at : last * multiplier : multiplier])


@inner
def _copy(source, target):
    for i in range(source.size):
        target[i] = source[i]
