"""How the windows of one array sweep over another: what convolution, pooling and their gradients share.

All have one pattern. Every *target* position gathers from the *source* positions that its window meets, each
at a number called its *tap*:

==================  ===============  ==========================  ====================
                    target           source                      tap
==================  ===============  ==========================  ====================
forward             output position  input positions             position in the window
input gradient      input position   outputs whose window        position in the window
                                     covers it
weight gradient     position in the  input positions             output position
                    window
==================  ===============  ==========================  ====================

On each axis the taps that a target sees are evenly spaced, and so are their source positions. Walking
backwards through windows with stride s, an input is reached only by those taps that agree with its position
modulo s: the targets fall into s *phases*, in each of which the taps are regular again (Dumoulin & Visin, A
guide to convolution arithmetic for deep learning, 2016). A `Phase` says so by a formula, where taps outside
the source count as zeros. An `Axis` lists for each target how many taps there are inside and where the first
one is: windows that hang over the edge just see fewer taps, so there is no padding and there are no special
cases. A `Sweep` is made of three of them, as tables of counts and addresses.
"""

from math import gcd
from typing import NamedTuple

import numpy as np

__all__ = [
    "PIXELS",
    "Axis",
    "Layout",
    "Phase",
    "Sweep",
    "backward_axis",
    "backward_phases",
    "contiguous",
    "forward_axis",
    "forward_phases",
    "make_sweep",
]

PIXELS = 4  # side by side at most, in what one call of the microkernel computes


class Phase(NamedTuple):
    """Some targets on one axis: target i and tap j meet at the source ``i * step + start + j * spacing``.

    Attributes:
        source: how many source positions there are; others count as zeros.
        grid: how many targets the phase has.
        step: source positions from one target to the next.
        start: the source position of target 0 at tap 0.
        spacing: source positions from one tap to the next, at least 1.
        taps: how many there are.
        first_tap, tap_hop: the number of tap 0 in the window, and what is added to it from tap to tap.
        target: how many targets all phases have together.
        first_target, target_hop: the place of target 0 among these, and what is added to it.
        window: how many taps all phases have together.
    """

    source: int
    grid: int
    step: int
    start: int
    spacing: int
    taps: int
    first_tap: int
    tap_hop: int
    target: int
    first_target: int
    target_hop: int
    window: int


def forward_phases(size, window, stride, before, dilation, output):
    """Each of the `output` windows sees the elements under it: one phase, in a list."""
    return [Phase(size, output, stride, -before, dilation, window, 0, 1, output, 0, 1, window)]


def backward_phases(size, window, stride, before, dilation, output):
    """Each of the `size` elements sees the windows that cover it; phases that see none are left out."""
    phases = []
    for first in range(min(stride, size)):
        taps = [tap for tap in range(window) if (first + before - tap * dilation) % stride == 0]
        if taps:
            # The last tap comes first, so that the source positions come in increasing order.
            start = (first + before - taps[-1] * dilation) // stride
            hop, spacing = stride // gcd(stride, dilation), dilation // gcd(stride, dilation)
            grid = -(-(size - first) // stride)
            sizes = size, first, stride, window
            phases.append(Phase(output, grid, 1, start, spacing, len(taps), taps[-1], -hop, *sizes))
    return phases


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
    def of(cls, targets, phases):
        """From all phases of so many targets."""
        counts, taps, positions = np.zeros((3, targets), np.int64)
        for phase in phases:
            places = np.arange(phase.grid)[:, None] * phase.step + phase.start
            places = places + np.arange(phase.taps) * phase.spacing
            is_seen = (places >= 0) & (places < phase.source)
            first, own = is_seen.argmax(axis=1), slice(phase.first_target, None, phase.target_hop)
            counts[own] = is_seen.sum(axis=1)
            taps[own] = phase.first_tap + first * phase.tap_hop
            positions[own] = places[np.arange(phase.grid), first]
        if not phases:
            return cls(counts, taps, positions, 1, 1, 1, 1)
        return cls(counts, taps, positions, phase.tap_hop, phase.spacing, phase.target_hop, phase.step)


def forward_axis(size, window, stride, before, dilation, output):
    """The `Axis` of `forward_phases`."""
    return Axis.of(output, forward_phases(size, window, stride, before, dilation, output))


def backward_axis(size, window, stride, before, dilation, output):
    """The `Axis` of `backward_phases`."""
    return Axis.of(size, backward_phases(size, window, stride, before, dilation, output))


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
