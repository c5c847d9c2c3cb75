"""Pooling on the CPU: one task per line of outputs forwards, one per line of inputs backwards.

Every line gathers all that it is made of, so no two threads write to one place, and each result is
written once. How the windows lie is worked out once per geometry, see `tinynet_kernels.sweeps`.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import prange

from tinynet_kernels.compile import kernel
from tinynet_kernels.memory import empty
from tinynet_kernels.pool.winners import winner_dtype
from tinynet_kernels.simd.sweep import make_line
from tinynet_kernels.simd.vectors import VECTOR_BYTES
from tinynet_kernels.simd.window import ChosenSum, Maximum, ScaledSum
from tinynet_kernels.strips import ALONE
from tinynet_kernels.sweeps import PIXELS, backward_axis, contiguous, forward_axis, make_sweep
from tinynet_kernels.windows import Volume, window_counts

_WIDE_BYTES = 4 * VECTOR_BYTES  # from so many channels on, two pixels are enough for a block
_WIDE_PIXELS = 2


def max_forward(x, window, stride, padding, dilation):
    plan = _plan("maximum", forward_axis, x.shape[1:], window, stride, padding, dilation, x.dtype)
    shape = (x.shape[0], *plan.shape)
    y, winners = empty(shape, x.dtype), empty(shape, winner_dtype(window))
    if y.size:
        _max_forward(x.shape[0], _flat(x), _flat(y), _flat(winners), *plan.sweep)
    return y, winners


def max_backward(gy, indices, input_size, window, stride, padding, dilation):
    size = (*input_size, gy.shape[-1])
    plan = _plan("chosen", backward_axis, size, window, stride, padding, dilation, gy.dtype)
    return _gather(_gather_chosen, plan, gy, indices.astype(winner_dtype(window), copy=False))


def max_gather(values, indices, window, stride, padding, dilation):
    size = values.shape[1:]
    plan = _plan("chosen", forward_axis, size, window, stride, padding, dilation, values.dtype)
    return _gather(_gather_chosen, plan, values, indices.astype(winner_dtype(window), copy=False))


def average_forward(x, window, stride, padding, count_padding):
    dilation = (1,) * len(window)
    plan = _plan("scaled", forward_axis, x.shape[1:], window, stride, padding, dilation, x.dtype)
    scale = _scale(x.shape[1:-1], window, stride, padding, count_padding, x.dtype)
    return _gather(_gather_scaled, plan, x, scale)


def average_backward(gy, input_size, window, stride, padding, count_padding):
    size, dilation = (*input_size, gy.shape[-1]), (1,) * len(window)
    plan = _plan("scaled", backward_axis, size, window, stride, padding, dilation, gy.dtype)
    scale = _scale(input_size, window, stride, padding, count_padding, gy.dtype)
    return _gather(_gather_scaled, plan, gy, scale)


def _gather(gather, plan, source, beside):
    target = empty((source.shape[0], *plan.shape), source.dtype)
    if target.size:
        gather(source.shape[0], _flat(source), _flat(beside), _flat(target), *plan.sweep)
    return target


def _flat(array):
    return np.ascontiguousarray(array).reshape(-1)


class _Plan(NamedTuple):
    """The shape of one sample of the result, and the `Sweep` that computes it."""

    shape: tuple
    sweep: tuple


@lru_cache(maxsize=512)
def _plan(operation, make_axis, size, window, stride, padding, dilation, dtype):
    """What depends on the geometry alone; `size` is that of the larger array, (*spatial, C)."""
    *size, channels = size
    volume = Volume(size, window, stride, padding, dilation)
    arguments = (volume.input, volume.kernel, volume.stride, volume.before, volume.dilation, volume.output)
    axes = [make_axis(*axis) for axis in zip(*arguments, strict=True)]
    sizes, at_outputs = (volume.input, volume.output), "target"
    if make_axis is backward_axis:
        sizes, at_outputs = (volume.output, volume.input), "position"
    source = contiguous("position", sizes[0], channels, dtype.itemsize)
    target = contiguous("target", sizes[1], channels, dtype.itemsize)
    winners = contiguous(at_outputs, volume.output, channels, winner_dtype(window).itemsize)
    scale = contiguous(at_outputs, volume.output, None, dtype.itemsize, per_image=False)
    others = {"maximum": {"extra": winners}, "chosen": {"beside": winners}, "scaled": {"beside": scale}}
    pixels = _WIDE_PIXELS if channels * dtype.itemsize >= _WIDE_BYTES else PIXELS
    sweep = make_sweep(axes, volume.kernel, channels, source, target, **others[operation], pixels=pixels)
    return _Plan((*sizes[1][3 - len(size) :], channels), sweep)


@lru_cache(maxsize=512)
def _scale(input_size, window, stride, padding, count_padding, dtype):
    """What the sum over each window is multiplied with."""
    return (1.0 / window_counts(input_size, window, stride, padding, count_padding)).astype(dtype)


_maximum = make_line(Maximum, _WIDE_PIXELS, narrow_vectors=1)
_chosen_sum = make_line(ChosenSum, _WIDE_PIXELS, narrow_vectors=1)
_scaled_sum = make_line(ScaledSum, _WIDE_PIXELS, narrow_vectors=1)


@kernel
def _max_forward(images, x, y, winners, planes, lines, runs, steps):
    zero, mark = y.dtype.type(0), winners.dtype.type(0)
    source, target, extra = x.ctypes.data, y.ctypes.data, winners.ctypes.data
    tasks = images * planes.shape[0] * lines.shape[0]
    if x.size < ALONE:
        for task in range(tasks):
            _maximum(zero, mark, task, planes, lines, runs, steps, source, 0, target, extra, zero)
    else:
        for task in prange(tasks):
            _maximum(zero, mark, task, planes, lines, runs, steps, source, 0, target, extra, zero)


@kernel
def _gather_chosen(images, values, winners, y, planes, lines, runs, steps):
    zero, mark = y.dtype.type(0), winners.dtype.type(0)
    source, beside, target = values.ctypes.data, winners.ctypes.data, y.ctypes.data
    tasks = images * planes.shape[0] * lines.shape[0]
    if y.size < ALONE:
        for task in range(tasks):
            _chosen_sum(zero, mark, task, planes, lines, runs, steps, source, beside, target, 0, zero)
    else:
        for task in prange(tasks):
            _chosen_sum(zero, mark, task, planes, lines, runs, steps, source, beside, target, 0, zero)


@kernel
def _gather_scaled(images, values, scale, y, planes, lines, runs, steps):
    zero = y.dtype.type(0)
    source, beside, target = values.ctypes.data, scale.ctypes.data, y.ctypes.data
    tasks = images * planes.shape[0] * lines.shape[0]
    if max(values.size, y.size) < ALONE:
        for task in range(tasks):
            _scaled_sum(zero, 0, task, planes, lines, runs, steps, source, beside, target, 0, zero)
    else:
        for task in prange(tasks):
            _scaled_sum(zero, 0, task, planes, lines, runs, steps, source, beside, target, 0, zero)
