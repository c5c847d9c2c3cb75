"""Pooling on the CPU: one task per output line forwards, one per input line backwards.

Backwards, each input line gathers from all windows that cover it, so no two threads write to one place.
"""

import numpy as np
from numba import prange

from tinynet_kernels.compile import inner, kernel
from tinynet_kernels.windows import Volume, window_counts


def max_forward(x, window, stride, padding, dilation):
    geometry = Volume(x.shape[1:-1], window, stride, padding, dilation)
    shape = (x.shape[0], *geometry.output, x.shape[-1])
    y, indices = np.empty(shape, x.dtype), np.empty(shape, np.int32)
    if y.size:
        _max_forward(_as_volumes(x, geometry.input), y, indices, geometry.kernel, *geometry.window)
    shape = _drop_leading(shape, window)
    return y.reshape(shape), indices.reshape(shape)


def max_backward(gy, indices, input_size, window, stride, padding, dilation):
    geometry = Volume(input_size, window, stride, padding, dilation)
    gx = np.empty((gy.shape[0], *geometry.input, gy.shape[-1]), gy.dtype)
    if gx.size:
        indices = _as_volumes(indices.astype(np.int32, copy=False), geometry.output)
        _max_backward(_as_volumes(gy, geometry.output), indices, gx, geometry.kernel, *geometry.window)
    return gx.reshape(_drop_leading(gx.shape, window))


def max_gather(values, indices, window, stride, padding, dilation):
    geometry = Volume(values.shape[1:-1], window, stride, padding, dilation)
    y = np.empty((values.shape[0], *geometry.output, values.shape[-1]), values.dtype)
    if y.size:
        indices = _as_volumes(indices.astype(np.int32, copy=False), geometry.output)
        _max_gather(_as_volumes(values, geometry.input), indices, y, geometry.kernel, *geometry.window)
    return y.reshape(_drop_leading(y.shape, window))


def average_forward(x, window, stride, padding, count_padding):
    geometry, scale = _average_geometry(x, x.shape[1:-1], window, stride, padding, count_padding)
    y = np.empty((x.shape[0], *geometry.output, x.shape[-1]), x.dtype)
    if y.size:
        volumes = _as_volumes(x, geometry.input)
        _average_forward(volumes, y, scale, geometry.kernel, geometry.stride, geometry.before)
    return y.reshape(_drop_leading(y.shape, window))


def average_backward(gy, input_size, window, stride, padding, count_padding):
    geometry, scale = _average_geometry(gy, input_size, window, stride, padding, count_padding)
    gx = np.empty((gy.shape[0], *geometry.input, gy.shape[-1]), gy.dtype)
    if gx.size:
        volumes = _as_volumes(gy, geometry.output)
        _average_backward(volumes, gx, scale, geometry.kernel, geometry.stride, geometry.before)
    return gx.reshape(_drop_leading(gx.shape, window))


def _as_volumes(array, size):
    return np.ascontiguousarray(array).reshape(array.shape[0], *size, array.shape[-1])


def _drop_leading(shape, window):
    return (shape[0], *shape[4 - len(window) :])


def _average_geometry(array, input_size, window, stride, padding, count_padding):
    geometry = Volume(input_size, window, stride, padding, (1,) * len(window))
    counts = window_counts(input_size, window, stride, padding, count_padding)
    return geometry, (1.0 / counts).astype(array.dtype).reshape(geometry.output)


@kernel
def _max_forward(x, y, indices, window, stride, before, dilation):
    D, H = x.shape[1:3]
    N, OD, OH = y.shape[:3]
    KD, KH, KW = window
    for line in prange(N * OD * OH):
        oh, od, n = line % OH, line // OH % OD, line // (OH * OD)
        best, winner = y[n, od, oh], indices[n, od, oh]
        best[:, :] = -np.inf
        winner[:, :] = -1
        for kd in range(KD):
            d = od * stride[0] - before[0] + kd * dilation[0]
            for kh in range(KH):
                h = oh * stride[1] - before[1] + kh * dilation[1]
                if 0 <= d < D and 0 <= h < H:
                    first = (kd * KH + kh) * KW
                    _max_line(x[n, d, h], best, winner, first, KW, stride[2], before[2], dilation[2])


@inner
def _max_line(x, best, winner, first, KW, stride, before, dilation):
    for ow in range(best.shape[0]):
        for kw in range(KW):
            w = ow * stride - before + kw * dilation
            if 0 <= w < x.shape[0]:
                _compete(x[w], best[ow], winner[ow], np.int32(first + kw))


@inner
def _compete(x, best, winner, k):
    for c in range(x.size):
        is_new_nan = (x[c] != x[c]) & (best[c] == best[c])
        wins = (winner[c] < 0) | (x[c] > best[c]) | is_new_nan
        best[c] = x[c] if wins else best[c]
        winner[c] = k if wins else winner[c]


@kernel
def _max_backward(gy, indices, gx, window, stride, before, dilation):
    N, D, H = gx.shape[:3]
    OD, OH = gy.shape[1:3]
    KD, KH, KW = window
    for line in prange(N * D * H):
        h, d, n = line % H, line // H % D, line // (H * D)
        target = gx[n, d, h]
        target[:, :] = 0
        for kd in range(KD):
            od = _output_position(d + before[0] - kd * dilation[0], stride[0], OD)
            for kh in range(KH):
                oh = _output_position(h + before[1] - kh * dilation[1], stride[1], OH)
                if od >= 0 and oh >= 0:
                    first = (kd * KH + kh) * KW
                    winner = indices[n, od, oh]
                    _scatter_line(gy[n, od, oh], winner, target, first, KW, stride[2], before[2], dilation[2])


@inner
def _scatter_line(gy, winner, gx, first, KW, stride, before, dilation):
    for ow in range(gy.shape[0]):
        for kw in range(KW):
            w = ow * stride - before + kw * dilation
            if 0 <= w < gx.shape[0]:
                _add_where(gy[ow], winner[ow], gx[w], np.int32(first + kw))


@inner
def _add_where(gy, winner, gx, k):
    for c in range(gx.size):
        gx[c] = gx[c] + gy[c] if winner[c] == k else gx[c]


@kernel
def _max_gather(values, indices, y, window, stride, before, dilation):
    D, H = values.shape[1:3]
    N, OD, OH = y.shape[:3]
    KD, KH, KW = window
    for line in prange(N * OD * OH):
        oh, od, n = line % OH, line // OH % OD, line // (OH * OD)
        target, winner = y[n, od, oh], indices[n, od, oh]
        target[:, :] = 0
        for kd in range(KD):
            d = od * stride[0] - before[0] + kd * dilation[0]
            for kh in range(KH):
                h = oh * stride[1] - before[1] + kh * dilation[1]
                if 0 <= d < D and 0 <= h < H:
                    first = (kd * KH + kh) * KW
                    _gather_line(
                        values[n, d, h], winner, target, first, KW, stride[2], before[2], dilation[2]
                    )


@inner
def _gather_line(values, winner, y, first, KW, stride, before, dilation):
    for ow in range(y.shape[0]):
        for kw in range(KW):
            w = ow * stride - before + kw * dilation
            if 0 <= w < values.shape[0]:
                _copy_where(values[w], winner[ow], y[ow], np.int32(first + kw))


@inner
def _copy_where(values, winner, y, k):
    for c in range(y.size):
        y[c] = values[c] if winner[c] == k else y[c]


@kernel
def _average_forward(x, y, scale, window, stride, before):
    D, H = x.shape[1:3]
    N, OD, OH = y.shape[:3]
    KD, KH, KW = window
    for line in prange(N * OD * OH):
        oh, od, n = line % OH, line // OH % OD, line // (OH * OD)
        target = y[n, od, oh]
        target[:, :] = 0
        for d in range(max(od * stride[0] - before[0], 0), min(od * stride[0] - before[0] + KD, D)):
            for h in range(max(oh * stride[1] - before[1], 0), min(oh * stride[1] - before[1] + KH, H)):
                _sum_line(x[n, d, h], target, KW, stride[2], before[2])
        _scale_line(target, scale[od, oh])


@inner
def _sum_line(x, total, KW, stride, before):
    for ow in range(total.shape[0]):
        first = ow * stride - before
        for w in range(max(first, 0), min(first + KW, x.shape[0])):
            _add(x[w], total[ow])


@inner
def _scale_line(y, scale):
    for ow in range(y.shape[0]):
        for c in range(y.shape[1]):
            y[ow, c] *= scale[ow]


@kernel
def _average_backward(gy, gx, scale, window, stride, before):
    N, D, H = gx.shape[:3]
    OD, OH = gy.shape[1:3]
    KD, KH, KW = window
    for line in prange(N * D * H):
        h, d, n = line % H, line // H % D, line // (H * D)
        target = gx[n, d, h]
        target[:, :] = 0
        for kd in range(KD):
            od = _output_position(d + before[0] - kd, stride[0], OD)
            for kh in range(KH):
                oh = _output_position(h + before[1] - kh, stride[1], OH)
                if od >= 0 and oh >= 0:
                    _spread_line(gy[n, od, oh], scale[od, oh], target, KW, stride[2], before[2])


@inner
def _spread_line(gy, scale, gx, KW, stride, before):
    for ow in range(gy.shape[0]):
        first = ow * stride - before
        for w in range(max(first, 0), min(first + KW, gx.shape[0])):
            _add_scaled(gy[ow], scale[ow], gx[w])


@inner
def _add(source, total):
    for c in range(total.size):
        total[c] += source[c]


@inner
def _add_scaled(source, scale, total):
    for c in range(total.size):
        total[c] += source[c] * scale


@inner
def _output_position(offset, stride, size):
    """The output position whose window starts `offset` away from the input's first element, or -1."""
    position = offset // stride
    return position if offset >= 0 and position * stride == offset and position < size else -1
