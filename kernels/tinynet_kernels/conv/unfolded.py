"""Convolution as it is taught: unfold the input into a matrix (im2col), multiply, and fold back (col2im).

Unfolding and folding are Numba kernels, the product is NumPy's matmul. The unfolded matrix is built and used
piece by piece, so that it stays in the cache and the memory in use does not grow with the batch. The layers
use faster methods, see `plan`; this one is here to be read, and as something to compare the others with.

Source: Chellapilla, Puri & Simard, High Performance Convolutional Neural Networks for Document Processing
(2006).
"""

from math import prod

import numpy as np
from numba import prange

from tinynet_kernels.compile import inner, kernel
from tinynet_kernels.windows import Volume, output_size

_PIECE_BYTES = 8 << 20  # fits the second-level caches of a few cores; larger pieces gain nothing


def forward(x, weight, stride, padding, dilation, groups):
    if groups > 1:
        parts = [
            forward(x_group, w_group, stride, padding, dilation, 1)
            for x_group, w_group in zip(_split(x, groups), _split(weight, groups), strict=True)
        ]
        return np.concatenate(parts, axis=-1)
    output = output_size(x.shape[1:-1], weight.shape[:-2], stride, padding, dilation)
    matrix = weight.reshape(-1, weight.shape[-1])
    y = np.empty((x.shape[0] * prod(output), weight.shape[-1]), x.dtype)
    for rows, columns in _unfolded_pieces(x, weight.shape[:-2], stride, padding, dilation):
        np.matmul(columns, matrix, out=y[rows])
    return y.reshape(x.shape[0], *output, weight.shape[-1])


def input_gradient(gy, weight, input_size, stride, padding, dilation, groups):
    if groups > 1:
        parts = [
            input_gradient(gy_group, w_group, input_size, stride, padding, dilation, 1)
            for gy_group, w_group in zip(_split(gy, groups), _split(weight, groups), strict=True)
        ]
        return np.concatenate(parts, axis=-1)
    kernel_size, channels = weight.shape[:-2], weight.shape[-2]
    matrix = weight.reshape(-1, weight.shape[-1]).T
    gx = np.empty((gy.shape[0], *input_size, channels), gy.dtype)
    if _is_pointwise(kernel_size, stride, padding):
        np.matmul(gy.reshape(-1, gy.shape[-1]), matrix, out=gx.reshape(-1, channels))
        return gx
    geometry = Volume(input_size, kernel_size, stride, padding, dilation)
    positions = prod(geometry.output)
    images = max(1, _PIECE_BYTES // max(1, positions * matrix.shape[1] * gy.itemsize))
    for first in range(0, gy.shape[0], images):
        piece = slice(first, first + images)
        columns = gy[piece].reshape(-1, gy.shape[-1]) @ matrix
        _fold_into(gx[piece], columns, geometry)
    return gx


def weight_gradient(x, gy, kernel_size, stride, padding, dilation, groups):
    if groups > 1:
        parts = [
            weight_gradient(x_group, gy_group, kernel_size, stride, padding, dilation, 1)
            for x_group, gy_group in zip(_split(x, groups), _split(gy, groups), strict=True)
        ]
        return np.concatenate(parts, axis=-1)
    flat_gy = gy.reshape(-1, gy.shape[-1])
    gradient = np.zeros((prod(kernel_size) * x.shape[-1], gy.shape[-1]), x.dtype)
    for rows, columns in _unfolded_pieces(x, kernel_size, stride, padding, dilation):
        gradient += columns.T @ flat_gy[rows]
    return gradient.reshape(*kernel_size, x.shape[-1], gy.shape[-1])


def im2col(x, kernel_size, stride, padding, dilation):
    geometry = Volume(x.shape[1:-1], kernel_size, stride, padding, dilation)
    shape = (x.shape[0] * prod(geometry.output), prod(kernel_size) * x.shape[-1])
    columns = np.empty(shape, x.dtype)
    if columns.size:
        _unfold_rows(_as_volumes(x, geometry), columns, 0, geometry)
    return columns


def col2im(columns, input_size, kernel_size, stride, padding, dilation):
    geometry = Volume(input_size, kernel_size, stride, padding, dilation)
    images = columns.shape[0] // prod(geometry.output)
    x = np.empty((images, *input_size, columns.shape[1] // prod(kernel_size)), columns.dtype)
    _fold_into(x, np.ascontiguousarray(columns), geometry)
    return x


def _is_pointwise(kernel_size, stride, padding):
    return prod(kernel_size) == 1 and prod(stride) == 1 and not any(map(any, padding))


def _split(array, groups):
    return [np.ascontiguousarray(part) for part in np.split(array, groups, axis=-1)]


def _as_volumes(x, geometry):
    return np.ascontiguousarray(x).reshape(x.shape[0], *geometry.input, x.shape[-1])


def _unfolded_pieces(x, kernel_size, stride, padding, dilation):
    """Yields ``(rows, columns)``: a slice of output positions and their part of the unfolded matrix.

    `columns` is overwritten when the next piece is asked for.
    """
    channels = x.shape[-1]
    if _is_pointwise(kernel_size, stride, padding):
        yield slice(None), x.reshape(-1, channels)
        return
    geometry = Volume(x.shape[1:-1], kernel_size, stride, padding, dilation)
    volumes = _as_volumes(x, geometry)
    line = geometry.output[2]
    width = prod(kernel_size) * channels
    lines = x.shape[0] * geometry.output[0] * geometry.output[1]
    lines_per_piece = max(1, _PIECE_BYTES // max(1, line * width * x.itemsize))
    buffer = np.empty((min(lines, lines_per_piece) * line, width), x.dtype)
    for first in range(0, lines, lines_per_piece):
        last = min(first + lines_per_piece, lines)
        columns = buffer[: (last - first) * line]
        if columns.size:
            _unfold_rows(volumes, columns, first, geometry)
        yield slice(first * line, last * line), columns


def _unfold_rows(volumes, columns, first_line, geometry):
    _unfold(volumes, columns, first_line, geometry.output, geometry.kernel, *geometry.window)


def _fold_into(x, columns, geometry):
    if not x.size:
        return
    volumes = x.reshape(x.shape[0], *geometry.input, x.shape[-1])
    _fold(columns, volumes, geometry.output, geometry.kernel, *geometry.window)


@kernel
def _unfold(x, columns, first_line, output, window, stride, before, dilation):
    """Fills the rows of `columns` that belong to the output lines from `first_line` on."""
    D, H, W, C = x.shape[1:]
    OD, OH, OW = output
    KD, KH, KW = window
    for line in prange(columns.shape[0] // OW):
        index = first_line + line
        oh, od, n = index % OH, index // OH % OD, index // (OH * OD)
        target = columns[line * OW : (line + 1) * OW]
        for kd in range(KD):
            d = od * stride[0] - before[0] + kd * dilation[0]
            for kh in range(KH):
                h = oh * stride[1] - before[1] + kh * dilation[1]
                start = (kd * KH + kh) * KW * C
                part = target[:, start : start + KW * C]
                if 0 <= d < D and 0 <= h < H:
                    _unfold_line(x[n, d, h].reshape(W * C), part, W, KW, stride[2], before[2], dilation[2])
                else:
                    for ow in range(OW):
                        _clear(part[ow])


@inner
def _unfold_line(source, target, W, KW, stride, before, dilation):
    """One line (W * C) of the input to one kernel row of the columns, target (OW, KW * C)."""
    C = source.size // W
    for ow in range(target.shape[0]):
        w = ow * stride - before
        if dilation == 1 and w >= 0 and w + KW <= W:
            _copy(source[w * C : (w + KW) * C], target[ow])
            continue
        for kw in range(KW):
            at = w + kw * dilation
            cell = target[ow, kw * C : (kw + 1) * C]
            if 0 <= at < W:
                _copy(source[at * C : (at + 1) * C], cell)
            else:
                _clear(cell)


@kernel
def _fold(columns, x, output, window, stride, before, dilation):
    """Gathers, for each line of x, all that `columns` holds for it: no two threads write to one place."""
    N, D, H, W, C = x.shape
    OD, OH, OW = output
    KD, KH, KW = window
    for line in prange(N * D * H):
        h, d, n = line % H, line // H % D, line // (H * D)
        target = x[n, d, h].reshape(W * C)
        _clear(target)
        for kd in range(KD):
            od = _output_position(d + before[0] - kd * dilation[0], stride[0], OD)
            for kh in range(KH):
                oh = _output_position(h + before[1] - kh * dilation[1], stride[1], OH)
                if od < 0 or oh < 0:
                    continue
                first = ((n * OD + od) * OH + oh) * OW
                start = (kd * KH + kh) * KW * C
                part = columns[first : first + OW, start : start + KW * C]
                _fold_line(part, target, W, KW, stride[2], before[2], dilation[2])


@inner
def _fold_line(source, target, W, KW, stride, before, dilation):
    """Adds one kernel row of the columns, source (OW, KW * C), to one line (W * C) of the input."""
    C = target.size // W
    for ow in range(source.shape[0]):
        w = ow * stride - before
        if dilation == 1 and w >= 0 and w + KW <= W:
            _add(source[ow], target[w * C : (w + KW) * C])
            continue
        for kw in range(KW):
            at = w + kw * dilation
            if 0 <= at < W:
                _add(source[ow, kw * C : (kw + 1) * C], target[at * C : (at + 1) * C])


@inner
def _output_position(offset, stride, size):
    """The output position whose window starts `offset` away from the input's first element, or -1."""
    position = offset // stride
    return position if offset >= 0 and position * stride == offset and position < size else -1


@inner
def _copy(source, target):
    for i in range(target.size):
        target[i] = source[i]


@inner
def _add(source, target):
    for i in range(target.size):
        target[i] += source[i]


@inner
def _clear(target):
    for i in range(target.size):
        target[i] = 0
