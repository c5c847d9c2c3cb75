"""A line of targets, made of the blocks of `tinynet_kernels.simd.window`.

Where everything lies was worked out beforehand, see `tinynet_kernels.sweeps`.
"""

import numpy as np

from tinynet_kernels.compile import inner
from tinynet_kernels.simd.memory import element_bytes
from tinynet_kernels.simd.vectors import VECTOR_BYTES
from tinynet_kernels.simd.window import make_window
from tinynet_kernels.sweeps import PIXELS

__all__ = ["make_line"]

_VECTORS = 4  # side by side in the widest blocks


def make_line(operation, wide_pixels, narrow_vectors):
    """A function for Numba code that computes one line of a sweep, for all its pixels and channels.

    The function ``line(zero, mark, task, planes, lines, runs, steps, source, beside, target, extra, floor)``
    takes the number of the line, counted over all images, the four tables of a `Sweep`, and the addresses of
    the four arrays; for all else see `make_window`.

    Args:
        operation: an `Operation`.
        wide_pixels: how many pixels the blocks have that are 4 vectors wide. Few pixels with many channels
            are adjacent in memory, which is read fastest from front to back; with more pixels less has to be
            read, where they share something.
        narrow_vectors: how wide blocks of `PIXELS` pixels are, where there are fewer channels than that.
    """
    wide = make_window(operation, wide_pixels, _VECTORS, masked=False)
    narrow = make_window(operation, PIXELS, narrow_vectors, masked=True)
    single = make_window(operation, 1, _VECTORS, masked=True)

    # Neither function is cached by itself: their code is part of the kernel that calls them, which is.
    @inner(cache=False)
    def line(zero, mark, task, planes, lines, runs, steps, source, beside, target, extra, floor):
        # The index of a parallel loop is unsigned, and Numba makes floats of unsigned with signed numbers.
        image, h = divmod(np.int64(task), lines.shape[0])
        image, d = divmod(image, planes.shape[0])
        plane, row = planes[d], lines[h]
        source += image * steps[8] + plane[2] + row[2]
        beside += image * steps[14] + plane[3] + row[3]
        target += image * steps[20] + plane[4] + row[4]
        extra += image * steps[26] + plane[5] + row[5]
        for r in range(runs.shape[0]):
            run = runs[r]
            counts = plane[0], row[0], run[0]
            tap = plane[1] + row[1] + run[1]
            s, b, t, e = source + run[2], beside + run[3], target + run[4], extra + run[5]
            pixels = run[6] if run[6] == PIXELS or run[6] == wide_pixels else 1
            for pixel in range(0, run[6], pixels):
                at = s + pixel * steps[6], b + pixel * steps[12], t + pixel * steps[18], e + pixel * steps[24]
                block(zero, mark, counts, tap, steps, pixels, at[0], at[1], at[2], at[3], floor)

    @inner(cache=False)
    def block(zero, mark, counts, tap, steps, pixels, source, beside, target, extra, floor):
        """`PIXELS` pixels, or `wide_pixels`, or one, with all their channels."""
        lanes, channels = VECTOR_BYTES // element_bytes(zero), steps[27]
        taps = tap, steps[0], steps[1], steps[2]
        channel = 0
        while channel < channels:
            rest = channels - channel
            s = source + channel * steps[7], steps[3], steps[4], steps[5], steps[6]
            b = beside + channel * steps[13], steps[9], steps[10], steps[11], steps[12]
            t = target + channel * steps[19], steps[18]
            e = extra + channel * steps[25], steps[24]
            if pixels == wide_pixels and rest >= _VECTORS * lanes:
                wide(zero, mark, counts, taps, s, b, t, e, floor, rest)
                channel += _VECTORS * lanes
            elif pixels == PIXELS:
                narrow(zero, mark, counts, taps, s, b, t, e, floor, min(rest, narrow_vectors * lanes))
                channel += narrow_vectors * lanes
            else:
                for pixel in range(pixels):
                    s_at = s[0] + pixel * s[4], s[1], s[2], s[3], s[4]
                    b_at = b[0] + pixel * b[4], b[1], b[2], b[3], b[4]
                    t_at, e_at = (t[0] + pixel * t[1], t[1]), (e[0] + pixel * e[1], e[1])
                    count = min(rest, _VECTORS * lanes)
                    single(zero, mark, counts, taps, s_at, b_at, t_at, e_at, floor, count)
                channel += _VECTORS * lanes

    return line
