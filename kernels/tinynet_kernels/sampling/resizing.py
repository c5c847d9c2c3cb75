"""An axis made longer or shorter, on the CPU.

What remains is to add up rows: the runs of elements behind the axis. Where they come from, and with which
weights, is worked out beforehand and the same for all indices before the axis. Some rows make a task. Where
they only have to be copied, NumPy is as fast.
"""

import numpy as np
from numba import prange

from tinynet_kernels.compile import inner, kernel
from tinynet_kernels.memory import empty
from tinynet_kernels.sampling.scales import first_at, table

__all__ = ["resize", "resize_backward"]

_BLOCK = 16384  # elements of the result that make a task
_ALONE = 65536  # elements: with fewer, waking another thread takes longer than it helps


def resize(x, scale):
    lower, share = table(scale)
    if not scale.interpolates:
        return x.take(lower, axis=1)
    y = empty((x.shape[0], scale.new, x.shape[2]), x.dtype)
    if y.size:
        x = np.ascontiguousarray(x).reshape(-1)
        _resize(x, lower, share.astype(x.dtype), scale.old, y.shape[2], y.reshape(-1), _rows_per_task(y))
    return y


def resize_backward(gy, scale):
    gx = empty((gy.shape[0], scale.old, gy.shape[2]), gy.dtype)
    if gx.size:
        share, first = table(scale)[1].astype(gy.dtype), first_at(scale)
        gy = np.ascontiguousarray(gy).reshape(-1)
        _gather(gy, first, share, scale.interpolates, gx.shape[2], gx.reshape(-1), _rows_per_task(gx))
    return gx


def _rows_per_task(result):
    return max(1, _BLOCK // result.shape[2])


@kernel
def _resize(x, lower, share, before, run, y, rows_per_task):
    """Fills y (outer · after · run,); x is (outer · before · run,)."""
    rows = y.size // run
    if y.size < _ALONE:
        _resize_rows(x, lower, share, before, run, y, 0, rows)
    else:
        for task in prange((rows + rows_per_task - 1) // rows_per_task):
            start = task * rows_per_task
            _resize_rows(x, lower, share, before, run, y, start, min(start + rows_per_task, rows))


@kernel
def _gather(gy, first, share, interpolates, run, gx, rows_per_task):
    """Fills gx (outer · before · run,); gy is (outer · after · run,)."""
    rows = gx.size // run
    if max(gx.size, gy.size) < _ALONE:
        _gather_rows(gy, first, share, interpolates, run, gx, 0, rows)
    else:
        for task in prange((rows + rows_per_task - 1) // rows_per_task):
            start = task * rows_per_task
            _gather_rows(gy, first, share, interpolates, run, gx, start, min(start + rows_per_task, rows))


@inner
def _resize_rows(x, lower, share, before, run, y, first_row, end_row):
    one, run = (
        x.dtype.type(1),
        np.uint64(run),
    )  # unsigned, since Numba looks at signed indices for those below 0
    for row in range(first_row, end_row):
        outer, j = divmod(row, lower.size)
        source = np.uint64(outer * before + lower[j]) * run
        target, above = np.uint64(row) * run, share[j]
        if above == 0:
            for i in range(run):
                y[target + i] = x[source + i]
        else:
            for i in range(run):
                y[target + i] = (one - above) * x[source + i] + above * x[source + run + i]


@inner
def _gather_rows(gy, first, share, interpolates, run, gx, first_row, end_row):
    """`first` holds the first new element at or above each old one, and above the last."""
    zero, one, run = gx.dtype.type(0), gx.dtype.type(1), np.uint64(run)
    for row in range(first_row, end_row):
        outer, k = divmod(row, first.size - 1)
        target = np.uint64(row) * run
        for i in range(run):
            gx[target + i] = zero
        for j in range(first[max(k - 1, 0)] if interpolates else first[k], first[k + 1]):
            weight = share[j] if j < first[k] else one - share[j]
            source = np.uint64(outer * share.size + j) * run
            if weight != 0:
                for i in range(run):
                    gx[target + i] += weight * gy[source + i]
