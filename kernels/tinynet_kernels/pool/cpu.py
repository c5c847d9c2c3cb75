"""Pooling on the CPU: one task per line of outputs forwards, one per line of inputs backwards.

Every line gathers all that it is made of, so no two threads write to one place, and each result is
written once. How the windows lie is worked out once per geometry, see `tinynet_kernels.sweeps`.
"""

from functools import lru_cache
from math import prod
from typing import NamedTuple

import numpy as np

from tinynet_kernels.compile import inner
from tinynet_kernels.memory import empty
from tinynet_kernels.pool.early import EarlyScaledSum
from tinynet_kernels.pool.spread import ChosenSpread, ScaledSpread
from tinynet_kernels.pool.winners import winner_dtype
from tinynet_kernels.simd.parts import part
from tinynet_kernels.simd.run import TAP, TAPS, make_line_of_runs
from tinynet_kernels.simd.streaming import LARGE, finish_streaming
from tinynet_kernels.simd.vectors import VECTOR_BYTES
from tinynet_kernels.simd.window import ChosenSum, Maximum
from tinynet_kernels.strips import ALONE
from tinynet_kernels.sweeps import backward_axis, contiguous, forward_axis, make_sweep
from tinynet_kernels.tasks import run
from tinynet_kernels.windows import Volume, window_counts

_WIDE_BYTES = 4 * VECTOR_BYTES  # from so many channels on, memory is read pixel by pixel, from front to back
_WIDE_PIXELS = 2


def max_forward(x, window, stride, padding, dilation):
    plan = _plan("maximum", forward_axis, x.shape[1:], window, stride, padding, dilation, x.dtype)
    shape = (x.shape[0], *plan.shape)
    y, winners = empty(shape, x.dtype), empty(shape, winner_dtype(window))
    if y.size:
        x = np.ascontiguousarray(x)
        task = _maximum_with_bytes if winners.itemsize == 1 else _maximum_with_integers
        _run(task, plan, x, None, y, winners, is_small=x.size < ALONE)
    return y, winners


def max_backward(gy, indices, input_size, window, stride, padding, dilation):
    size, dtype = (*input_size, gy.shape[-1]), winner_dtype(window)
    if dtype.itemsize == 1 and _is_disjoint(window, stride, padding, dilation):
        plan = _plan("spread chosen", forward_axis, size, window, stride, padding, dilation, gy.dtype)
        return _spread(_spread_chosen, plan, window, gy, np.ascontiguousarray(indices, dtype), size)
    plan = _plan("chosen", backward_axis, size, window, stride, padding, dilation, gy.dtype)
    return _sum_of_chosen(plan, gy, indices, dtype)


def max_gather(values, indices, window, stride, padding, dilation):
    size = values.shape[1:]
    plan = _plan("chosen", forward_axis, size, window, stride, padding, dilation, values.dtype)
    return _sum_of_chosen(plan, values, indices, winner_dtype(window))


def average_forward(x, window, stride, padding, count_padding):
    dilation = (1,) * len(window)
    plan = _plan("scaled", forward_axis, x.shape[1:], window, stride, padding, dilation, x.dtype)
    return _scaled_sum(plan, x, _scale(x.shape[1:-1], window, stride, padding, count_padding, x.dtype))


def average_backward(gy, input_size, window, stride, padding, count_padding):
    size, dilation = (*input_size, gy.shape[-1]), (1,) * len(window)
    scale = _scale(input_size, window, stride, padding, count_padding, gy.dtype)
    if _is_disjoint(window, stride, padding, dilation):
        plan = _plan("spread scaled", forward_axis, size, window, stride, padding, dilation, gy.dtype)
        return _spread(_spread_scaled, plan, window, gy, scale, size)
    plan = _plan("scaled", backward_axis, size, window, stride, padding, dilation, gy.dtype)
    return _scaled_sum(plan, gy, scale)


def _is_disjoint(window, stride, padding, dilation):
    """Whether no two windows overlap, and none hangs over the edge."""
    axes = zip(window, stride, padding, dilation, strict=True)
    return all(w <= s and before == 0 and after == 0 and d == 1 for w, s, (before, after), d in axes)


def _spread(task, plan, window, gy, extra, size):
    """Writes gy to the windows in an array (N, *size), see `tinynet_kernels.pool.spread`."""
    gx = empty((gy.shape[0], *size), gy.dtype)
    if prod(size[:-1]) != prod(window) * prod(plan.shape[:-1]):
        gx.fill(0)
    if gy.size:
        values, past_cache = np.ascontiguousarray(gy), gx.nbytes >= LARGE and _is_aligned(gx)
        _run(task, plan, gx, None, values, extra, is_small=gx.size < ALONE, past_cache=past_cache)
    return gx


def _is_aligned(array):
    """Whether every pixel begins at a multiple of a vector's size."""
    return array.ctypes.data % VECTOR_BYTES == array.strides[-2] % VECTOR_BYTES == 0


def _sum_of_chosen(plan, values, winners, dtype):
    y = empty((values.shape[0], *plan.shape), values.dtype)
    if y.size:
        values, winners = np.ascontiguousarray(values), np.ascontiguousarray(winners, dtype)
        task = _sum_chosen_by_bytes if winners.itemsize == 1 else _sum_chosen_by_integers
        _run(task, plan, values, winners, y, None, is_small=y.size < ALONE)
    return y


def _scaled_sum(plan, values, scale):
    y = empty((values.shape[0], *plan.shape), values.dtype)
    if y.size:
        values = np.ascontiguousarray(values)
        _run(_sum_scaled, plan, values, scale, y, None, is_small=max(values.size, y.size) < ALONE)
    return y


def _run(task, plan, source, beside, target, extra, is_small, past_cache=False):
    """Computes `target` from the other arrays, all contiguous, or None where there is none.

    `past_cache` is for tasks that spread: whether they write past the cache.
    """
    lines = len(source) * plan.lines
    arguments = plan.table.copy()
    addresses = [0 if array is None else array.ctypes.data for array in (source, beside, target, extra)]
    together = lines if is_small else -(-lines // _TASKS)
    arguments[:_OWN] = *addresses, lines, together, past_cache
    if is_small:
        task(target.dtype.type(0), arguments, 0)
    else:
        run(task, target.dtype, -(-lines // together), arguments)


class _Plan(NamedTuple):
    """What depends on the geometry alone.

    Attributes:
        shape: that of one sample of the result, (*spatial, C).
        lines: how many a sample of the result has.
        table: the arguments of the tasks: space for the first `_OWN`, which differ from call to call,
            the numbers of taps of a window and of planes, lines and runs of the `Sweep`, and the sweep.
    """

    shape: tuple
    lines: int
    table: np.ndarray


@lru_cache(maxsize=512)
def _plan(operation, make_axis, size, window, stride, padding, dilation, dtype):
    """The `_Plan` for a geometry; `size` is that of the larger array, (*spatial, C)."""
    *size, channels = size
    volume = Volume(size, window, stride, padding, dilation)
    axes = [make_axis(*axis) for axis in volume.axes]
    sizes, at_outputs = (volume.input, volume.output), "target"
    if make_axis is backward_axis:
        sizes, at_outputs = (volume.output, volume.input), "position"
    source = contiguous("position", sizes[0], channels, dtype.itemsize)
    target = contiguous("target", sizes[1], channels, dtype.itemsize)
    winners = contiguous(at_outputs, volume.output, channels, winner_dtype(window).itemsize)
    scale = contiguous(at_outputs, volume.output, None, dtype.itemsize, per_image=False)
    at_every_output = contiguous("target", volume.output, None, dtype.itemsize, per_image=False)
    others = {
        "maximum": {"extra": winners},
        "chosen": {"beside": winners},
        "scaled": {"beside": scale},
        "spread chosen": {"extra": winners},
        "spread scaled": {"extra": at_every_output},
    }
    is_wide = channels * dtype.itemsize >= _WIDE_BYTES
    pixels = _WIDE_PIXELS if is_wide else max(volume.input[2], volume.output[2])
    sweep = make_sweep(axes, volume.kernel, channels, source, target, **others[operation], pixels=pixels)
    fixed = prod(volume.kernel), len(sweep.planes), len(sweep.lines), len(sweep.runs)
    table = np.concatenate(
        [np.zeros(_OWN, np.int64), np.array(fixed, np.int64), *(part.reshape(-1) for part in sweep)]
    )
    return _Plan((*sizes[1][3 - len(size) :], channels), len(sweep.planes) * len(sweep.lines), table)


@lru_cache(maxsize=512)
def _scale(input_size, window, stride, padding, count_padding, dtype):
    """What the sum over each window is multiplied with, contiguous."""
    return np.ascontiguousarray(
        1.0 / window_counts(input_size, window, stride, padding, count_padding), dtype
    )


_OWN = 7  # arguments of a task that are not the same in all calls with one geometry
_FIXED = 4  # numbers of taps, planes, lines and runs
_TASKS = 64  # of one call, at most about so many


def _make_lines(operation):
    """A function for Numba code that computes the lines of one task, see `tasks.run`."""
    line = make_line_of_runs(operation, _WIDE_PIXELS)

    # Not cached by itself: its code is part of the task that calls it, which is.
    @inner(cache=False)
    def compute_lines(zero, mark, arguments, index):
        source, beside, target, extra, total, together, past_cache, most_taps = arguments[: _OWN + 1]
        floor = type(zero)(past_cache)  # which nothing else here has a use for
        planes, lines, runs, steps = _tables(arguments)
        taps = np.empty(TAPS + TAP * most_taps, np.int64)
        taps[:TAPS] = -1
        image, h = divmod(index * together, len(planes) * len(lines))
        d, h = divmod(h, len(lines))
        for _ in range(index * together, min((index + 1) * together, total)):
            tables = planes, lines, runs, steps, taps
            line(zero, mark, image, d, h, tables, source, beside, target, extra, floor)
            h += 1
            if h == len(lines):
                d, h = d + 1, 0
            if d == len(planes):
                image, d = image + 1, 0
        if past_cache:
            finish_streaming()

    return compute_lines


_maximum, _chosen_sum, _weighted_sum, _chosen_spread, _scaled_spread = map(
    _make_lines, (Maximum, ChosenSum, EarlyScaledSum, ChosenSpread, ScaledSpread)
)


@inner
def _maximum_with_bytes(zero, arguments, index):
    _maximum(zero, np.uint8(0), arguments, index)


@inner
def _maximum_with_integers(zero, arguments, index):
    _maximum(zero, np.int32(0), arguments, index)


@inner
def _sum_chosen_by_bytes(zero, arguments, index):
    _chosen_sum(zero, np.uint8(0), arguments, index)


@inner
def _sum_chosen_by_integers(zero, arguments, index):
    _chosen_sum(zero, np.int32(0), arguments, index)


@inner
def _sum_scaled(zero, arguments, index):
    _weighted_sum(zero, 0, arguments, index)


@inner
def _spread_chosen(zero, arguments, index):
    _chosen_spread(zero, np.uint8(0), arguments, index)


@inner
def _spread_scaled(zero, arguments, index):
    _scaled_spread(zero, 0, arguments, index)


@inner(cache=False)
def _tables(arguments):
    """The four arrays of the `Sweep` among the arguments of a task, not counted as references to these."""
    _, planes, lines, runs = arguments[_OWN : _OWN + _FIXED]
    planes_at = _OWN + _FIXED
    lines_at = planes_at + planes * 6
    runs_at = lines_at + lines * 6
    steps_at = runs_at + runs * 7
    return (
        part(arguments, planes_at, lines_at).reshape((planes, 6)),
        part(arguments, lines_at, runs_at).reshape((lines, 6)),
        part(arguments, runs_at, steps_at).reshape((runs, 7)),
        part(arguments, steps_at, arguments.size),
    )
