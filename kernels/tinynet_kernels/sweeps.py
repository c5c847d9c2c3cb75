"""How the windows of one array sweep over another: tables of counts and addresses for the CPU takes.

Pooling, depthwise convolution and their gradients have one pattern. Every *target* position gathers from
the *source* positions that its window meets, each at a number called its *tap*:

==================  ===============  ==========================  ====================
                    target           source                      tap
==================  ===============  ==========================  ====================
forward             output position  input positions             position in the window
input gradient      input position   outputs whose window        position in the window
                                     covers it
weight gradient     position in the  input positions             output position
                    window
==================  ===============  ==========================  ====================

On each axis the taps that a target sees are evenly spaced, and so are their source positions: it is
enough to know how many there are and where the first one is. Windows that hang over the edge just see
fewer taps, so there is no padding and there are no special cases.
"""

from math import gcd
from typing import NamedTuple

import numpy as np

__all__ = ["PIXELS", "Axis", "Layout", "Sweep", "backward_axis", "contiguous", "forward_axis", "make_sweep"]

PIXELS = 4  # side by side at most, in what one call of the microkernel computes


class Axis(NamedTuple):
    """One spatial axis of a sweep. The arrays have one entry per target position.

    Attributes:
        counts: how many taps are seen.
        taps, positions: the first tap and its source position.
        tap_step, position_step: from one tap to the next.
        period, shift: of two targets that are `period` apart, the second sees the same taps (but for the
            edges), at source positions that are `shift` further on.
    """

    counts: np.ndarray
    taps: np.ndarray
    positions: np.ndarray
    tap_step: int
    position_step: int
    period: int
    shift: int

    @classmethod
    def of(cls, positions, is_seen, *steps):
        """From the source positions (targets, taps), and which of them are seen."""
        first = is_seen.argmax(axis=1)
        return cls(is_seen.sum(axis=1), first, positions[np.arange(len(first)), first], *steps)


def forward_axis(size, window, stride, before, dilation, output):
    """Each of the `output` windows sees the elements under it."""
    positions = np.arange(output)[:, None] * stride - before + np.arange(window) * dilation
    return Axis.of(positions, (positions >= 0) & (positions < size), 1, dilation, 1, stride)


def backward_axis(size, window, stride, before, dilation, output):
    """Each of the `size` elements sees the windows that cover it."""
    offsets = np.arange(size)[:, None] + before - np.arange(window) * dilation
    positions = offsets // stride
    is_seen = (offsets % stride == 0) & (positions >= 0) & (positions < output)
    common = gcd(stride, dilation)
    return Axis.of(positions, is_seen, stride // common, -dilation // common, stride, 1)


class Layout(NamedTuple):
    """How an array (images, *three axes, channels) lies in memory: what a step adds to the address, in bytes.

    The axes count source positions, or taps, or targets; the steps of the other two are 0.
    """

    position: tuple = (0, 0, 0)
    tap: tuple = (0, 0, 0)
    target: tuple = (0, 0, 0)
    image: int = 0
    channel: int = 0


def contiguous(axes, size, channels, itemsize, per_image=True):
    """The `Layout` of a C-contiguous array, whose axes are "position", "tap" or "target".

    With ``channels = None`` it has no axis of channels, without `per_image` none of images.
    """
    pixel = (channels or 1) * itemsize
    steps = (size[1] * size[2] * pixel, size[2] * pixel, pixel)
    image = size[0] * steps[0] if per_image else 0
    return Layout(image=image, channel=itemsize if channels else 0, **{axes: steps})


class Sweep(NamedTuple):
    """A sweep in the form that `tinynet_kernels.simd.sweep` takes: arrays of int64.

    Attributes:
        planes, lines: a row for each target position on the first and second axis: how many taps it sees,
            the number of the first one, and the offsets of source, beside, target and extra, in bytes.
        runs: the same for the third axis, where some neighbours that see the same taps are taken together;
            a seventh column tells how many. Some targets are computed twice.
        steps: what is added to the number of the tap, and to each of the four addresses, from one tap,
            pixel, channel or image to the next; at the end the number of channels.
    """

    planes: np.ndarray
    lines: np.ndarray
    runs: np.ndarray
    steps: np.ndarray


_NOTHING = Layout()


def make_sweep(axes, window, channels, source, target, beside=_NOTHING, extra=_NOTHING, pixels=PIXELS):
    """The `Sweep` of three axes over arrays of these layouts.

    Args:
        axes: three `Axis`.
        window: the number of taps per axis; taps are numbered row by row.
        channels: how many there are.
        source: the layout of what is summed up, or whose maximum is taken.
        target: that of the result.
        beside: that of what is looked at as well, for each tap.
        extra: that of what else there is for each target.
        pixels: how many neighbours are taken together, if there are as many.
    """
    numbering = (window[1] * window[2], window[2], 1)
    operands = (source, beside, target, extra)
    tables = [_table(axes[at], at, numbering[at], operands) for at in range(3)]
    steps = [axis.tap_step * number for axis, number in zip(axes, numbering, strict=True)]
    for operand in operands:
        steps += [_bytes_per_tap(operand, axes[at], at) for at in range(3)]
        steps += [_bytes_per_pixel(operand, axes[2]), operand.channel, operand.image]
    steps.append(channels)
    return Sweep(tables[0], tables[1], _runs(axes[2], tables[2], pixels), np.array(steps, np.int64))


def _table(axis, at, number, operands):
    columns = [axis.counts, axis.taps * number]
    for operand in operands:
        offsets = axis.positions * operand.position[at] + axis.taps * operand.tap[at]
        columns.append(offsets + np.arange(len(axis.counts)) * operand.target[at])
    return np.stack(columns, axis=1).astype(np.int64)


def _bytes_per_tap(operand, axis, at):
    return axis.position_step * operand.position[at] + axis.tap_step * operand.tap[at]


def _bytes_per_pixel(operand, axis):
    """From one pixel to the next of the same run, which is `period` further on."""
    return axis.shift * operand.position[2] + axis.period * operand.target[2]


def _runs(axis, table, together):
    """The rows of `table`, with neighbours of the same phase that see the same taps taken together.

    Where the last of many neighbours don't fill a block, it begins earlier: computing a pixel twice is faster
    than computing it alone. The order is that of the targets, so that memory is written nearly from front to
    back.
    """
    runs = []
    for phase in range(min(axis.period, len(table))):
        places = range(phase, len(table), axis.period)
        start = 0
        for end in range(1, len(places) + 1):
            if end == len(places) or (table[places[end], :2] != table[places[start], :2]).any():
                runs += [(places[first], pixels) for first, pixels in _blocks(start, end, together)]
                start = end
    return np.array([[*table[place], pixels] for place, pixels in sorted(runs)], np.int64).reshape(-1, 7)


def _blocks(start, end, together):
    """Cuts a range into (first, length), of the length `together` or, where it is shorter, as it is."""
    if end - start < together:
        return [(start, end - start)]
    return [(min(first, end - together), together) for first in range(start, end, together)]
