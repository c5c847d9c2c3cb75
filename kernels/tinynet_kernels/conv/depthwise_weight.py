"""The weight gradient of a depthwise convolution on the CPU.

It is the sum that the forward pass computes, with exchanged roles: gy is the window, as large as the
output, and it is moved over x to as many places as the kernel has elements::

    gweight[k, c] = sum over n, o of x[n, o * stride - before + k * dilation, c] * gy[n, o, c]

The places side by side form the block that stays in the registers, see `tinynet_kernels.simd.window`. At
the edges they see different outputs; so first come the columns of the output that all of them see, then
for each place by itself the few others. Some rows of gy, and the rows of x that they meet, stay in the
cache for all places of the kernel. The blocks of the sum depend on the shape only.
"""

from functools import lru_cache

import numpy as np
from numba import prange

from tinynet_kernels.compile import inner, kernel
from tinynet_kernels.simd.memory import address_of, element_bytes
from tinynet_kernels.simd.vectors import VECTOR_BYTES
from tinynet_kernels.simd.window import ProductSum, make_window
from tinynet_kernels.strips import ALONE
from tinynet_kernels.sweeps import contiguous, forward_axis
from tinynet_kernels.windows import Volume

__all__ = ["gradient"]

_ROWS = 8  # of gy that are handled together
_BLOCKS = 64  # partial sums at most
_PLACES, _VECTORS, _FEW_VECTORS = 3, 4, 2  # blocks in registers, for many and for few channels


def gradient(x, gy, kernel_size, stride, padding, dilation, out=None):
    """The gradient (*kernel_size, 1, C) from x (N, *spatial, C), contiguous, and gy, flat; `out` if given."""
    result = np.empty((*kernel_size, 1, x.shape[-1]), x.dtype) if out is None else out
    result[...] = 0
    if x.size and gy.size:
        plan = _plan(x.shape[1:], kernel_size, stride, padding, dilation, x.dtype)
        _sum_over_outputs(x.shape[0], x.reshape(-1), gy, result.reshape(-1), *plan)
    return result


@lru_cache(maxsize=256)
def _plan(size, kernel_size, stride, padding, dilation, dtype):
    """Arrays of int64, offsets in bytes.

    Returns:
        planes, lines: for each place of the kernel on the first and second axis, the outputs that see an
            element of x there, from the first to behind the last, and where x lies for output 0.
        columns: for a group of places on the third axis, the number of outputs, where x, gy and the gradient
            lie for the first one, and how many places it is.
        steps: the numbers of output planes and lines; what is added to the address of x per image, output
            plane, line and column, and place; to that of gy per image, plane, line and column; the size of
            a line of the kernel, and the number of channels.
    """
    *size, channels = size
    volume = Volume(size, kernel_size, stride, padding, dilation)
    x = contiguous("position", volume.input, channels, dtype.itemsize)
    gy = contiguous("position", volume.output, channels, dtype.itemsize)
    arguments = (volume.input, volume.output, volume.dilation, volume.before, volume.stride, volume.kernel)
    axes = [forward_axis(*axis) for axis in zip(*arguments, strict=True)]
    planes, lines = (_table(axis, bytes_) for axis, bytes_ in zip(axes[:2], x.position[:2], strict=True))
    pixel = x.position[2]
    columns = [
        (count, position * pixel, output * pixel, place * pixel, places)
        for count, position, output, place, places in _columns(axes[2])
    ]
    steps = [*volume.output[:2], x.image]
    steps += [step * bytes_ for step, bytes_ in zip(volume.stride, x.position, strict=True)]
    steps += [volume.dilation[2] * pixel, gy.image, *gy.position, volume.kernel[2] * pixel, channels]
    return planes, lines, np.array(columns, np.int64).reshape(-1, 5), np.array(steps, np.int64)


def _table(axis, step):
    origins = (axis.positions - axis.taps * axis.position_step) * step
    return np.stack([axis.taps, axis.taps + axis.counts, origins], axis=1).astype(np.int64)


def _columns(axis):
    """Groups of places: number of outputs, position in x, first output, first place, number of places."""
    first, last = axis.taps, axis.taps + axis.counts
    origins = axis.positions - axis.taps * axis.position_step
    shared_first, shared_last = int(first.max()), int(last.min())
    groups = []

    def add(place, places, begin, end):
        if end > begin:
            groups.append((end - begin, origins[place] + begin * axis.position_step, begin, place, places))

    for place in range(0, len(first), _PLACES):
        add(place, min(_PLACES, len(first) - place), shared_first, shared_last)
    for place in range(len(first)):
        begin, end = int(first[place]), int(last[place])
        if shared_last <= shared_first:
            add(place, 1, begin, end)
        else:
            add(place, 1, begin, shared_first)
            add(place, 1, shared_last, end)
    return groups


_wide = make_window(ProductSum, _PLACES, _VECTORS, masked=False)
_narrow = make_window(ProductSum, _PLACES, _FEW_VECTORS, masked=True)
_single = make_window(ProductSum, 1, _VECTORS, masked=True)


@kernel
def _sum_over_outputs(images, x, gy, gradient, planes, lines, columns, steps):
    groups = images * steps[0] * ((steps[1] + _ROWS - 1) // _ROWS)
    blocks = min(groups, _BLOCKS)
    partial = np.zeros((blocks, gradient.size), gradient.dtype)
    if gy.size < ALONE:
        for block in range(blocks):
            _sum_block(block, blocks, groups, x, gy, partial[block], planes, lines, columns, steps)
    else:
        for block in prange(blocks):
            _sum_block(block, blocks, groups, x, gy, partial[block], planes, lines, columns, steps)
    for block in range(blocks):
        row = partial[block]
        for i in range(gradient.size):
            gradient[i] += row[i]


@inner
def _sum_block(block, blocks, groups, x, gy, total, planes, lines, columns, steps):
    # The index of a parallel loop is unsigned, and Numba makes floats of unsigned with signed numbers.
    block = np.int64(block)
    per_plane = (steps[1] + _ROWS - 1) // _ROWS
    for group in range(groups * block // blocks, groups * (block + 1) // blocks):
        image, rest = divmod(group, steps[0] * per_plane)
        plane, rest = divmod(rest, per_plane)
        row = rest * _ROWS
        for kd in range(planes.shape[0]):
            if not planes[kd, 0] <= plane < planes[kd, 1]:
                continue
            for kh in range(lines.shape[0]):
                first, last = max(row, lines[kh, 0]), min(row + _ROWS, lines[kh, 1])
                if first >= last:
                    continue
                source = address_of(x) + image * steps[2] + plane * steps[3] + first * steps[4]
                source += planes[kd, 2] + lines[kh, 2]
                beside = address_of(gy) + image * steps[7] + plane * steps[8] + first * steps[9]
                target = address_of(total) + (kd * lines.shape[0] + kh) * steps[11]
                _sum_rows(total.dtype.type(0), last - first, source, beside, target, columns, steps)


@inner
def _sum_rows(zero, rows, x, gy, total, columns, steps):
    """One line of the kernel: the products with some rows of gy are added to `total`."""
    size, channels = element_bytes(zero), steps[12]
    lanes = VECTOR_BYTES // size
    taps, floor = (0, 0, 0, 0), -np.inf
    for c in range(columns.shape[0]):
        group = columns[c]
        counts, places = (1, rows, group[0]), group[4]
        channel = 0
        while channel < channels:
            rest = channels - channel
            s = x + group[1] + channel * size, 0, steps[4], steps[5], steps[6]
            b = gy + group[2] + channel * size, 0, steps[9], steps[10], 0
            t = total + group[3] + channel * size, steps[10]
            if places < _PLACES:
                count = min(rest, _VECTORS * lanes)
                for place in range(places):
                    at = s[0] + place * s[4], s[1], s[2], s[3], s[4]
                    t_at = t[0] + place * t[1], t[1]
                    _single(zero, 0, counts, taps, at, b, t_at, t_at, floor, count)
                channel += _VECTORS * lanes
            elif rest >= _VECTORS * lanes:
                _wide(zero, 0, counts, taps, s, b, t, t, floor, rest)
                channel += _VECTORS * lanes
            else:
                _narrow(zero, 0, counts, taps, s, b, t, t, floor, min(rest, _FEW_VECTORS * lanes))
                channel += _FEW_VECTORS * lanes
