"""The backward pass on the CPU: one task takes one direction of some sequences back through all steps.

See `tinynet_kernels.recurrent.forward`, whose order of sequences and cut into tasks are used here as well.
"""

import numpy as np

from tinynet_kernels.compile import inner
from tinynet_kernels.recurrent.cells import gru_step_backward, lstm_step_backward, rnn_step_backward
from tinynet_kernels.recurrent.work import (
    GRU,
    LSTM,
    RELU,
    active_rows,
    aligned,
    pack_transposed,
    padded,
    position,
    strips,
)
from tinynet_kernels.simd.memory import add_run, copy_run, element_bytes, keep_alive, new_matrix
from tinynet_kernels.simd.rows import call_band
from tinynet_kernels.simd.tile import ADD
from tinynet_kernels.simd.vectors import WIDTH_BYTES
from tinynet_kernels.simd.views import view

__all__ = ["run_backward"]

_DEPTH = 256  # of the sum over gates and units that is added at once: a strip of it stays in the cache


@inner
def run_backward(zero, arguments, index):
    """One task, see `tasks.run`."""
    kind, band, gates, sequences, steps, directions, hidden, most_rows, blocks = arguments[:9]
    gy, y, kept_gates, kept_cells, weight, h_start, c_start = arguments[9:16]
    order_address, lengths_address, gp, gproduct, before, gh_start, gc_start = arguments[16:23]
    size = element_bytes(zero)
    width = WIDTH_BYTES // size
    state_bytes, depth = hidden * size, gates * hidden
    segments = 4 if kind == GRU else gates
    order = view(np.int64(0), order_address, sequences)
    lengths = view(np.int64(0), lengths_address, sequences)
    direction, first = index // blocks, index % blocks * most_rows
    rows = min(most_rows, sequences - first)

    packed = new_matrix(zero, strips(zero, hidden) * depth + 1, width)
    strip_base = aligned(packed.ctypes.data)
    pack_transposed(zero, weight + direction * depth * state_bytes, gates, hidden, strip_base)
    states = new_matrix(zero, 2 * rows + 1, padded(zero, hidden))
    gh, state_row = aligned(states.ctypes.data), states.strides[0]
    gc = gh + rows * state_row
    gradients = new_matrix(zero, rows + 1, padded(zero, segments * hidden))
    gz, gz_row = aligned(gradients.ctypes.data), gradients.strides[0]
    for r in range(rows):
        start = (direction * sequences + order[first + r]) * state_bytes
        copy_run(zero, gh_start + start, gh + r * state_row, hidden)
        if kind == LSTM:
            copy_run(zero, gc_start + start, gc + r * state_row, hidden)

    for step in range(steps - 1, -1, -1):
        active = active_rows(lengths, order, first, rows, step)
        for r in range(active):
            sequence = order[first + r]
            time = lengths[sequence] - 1 - step if direction else step
            place = position(sequence, time, steps, direction, directions)
            earlier = position(sequence, time + 1 if direction else time - 1, steps, direction, directions)
            start = (direction * sequences + sequence) * state_bytes
            h_before = h_start + start if step == 0 else y + earlier * state_bytes
            c_before = c_start + start if step == 0 else kept_cells + earlier * state_bytes
            copy_run(zero, h_before, before + place * state_bytes, hidden)
            add_run(zero, gy + place * state_bytes, gh + r * state_row, hidden)
            target = gz + r * gz_row
            if kind == LSTM:
                _lstm(
                    *(zero, kept_gates + place * 4 * state_bytes, kept_cells + place * state_bytes, c_before),
                    *(gh + r * state_row, gc + r * state_row, target, hidden),
                )
            elif kind == GRU:
                _gru(zero, kept_gates + place * 4 * state_bytes, h_before, gh + r * state_row, target, hidden)
            else:
                arrays = view(zero, gh + r * state_row, hidden), view(zero, y + place * state_bytes, hidden)
                rnn_step_backward(arrays[0], arrays[1], view(zero, target, hidden), kind == RELU)
            copy_run(zero, target, gp + place * depth * size, depth)
            if kind == GRU:
                copy_run(zero, target, gproduct + place * depth * size, depth)
                copy_run(zero, target + 3 * state_bytes, gp + (place * depth + 2 * hidden) * size, hidden)
        for k in range(0, depth, _DEPTH):
            for n in range(0, hidden, width):
                strip = strip_base + (n // width * depth + k) * WIDTH_BYTES
                call_band(
                    band,
                    gz + k * size,
                    gz_row,
                    size,
                    strip,
                    WIDTH_BYTES,
                    min(_DEPTH, depth - k),
                    gh + n * size,
                    state_row,
                    active,
                    min(width, hidden - n),
                    ADD if k > 0 or kind == GRU else 0,
                )
    for r in range(rows):
        start = (direction * sequences + order[first + r]) * state_bytes
        copy_run(zero, gh + r * state_row, gh_start + start, hidden)
        if kind == LSTM:
            copy_run(zero, gc + r * state_row, gc_start + start, hidden)
    keep_alive(packed)
    keep_alive(states)
    keep_alive(gradients)


@inner
def _lstm(zero, gates, cell, before, gh, gc, gz, hidden):
    step = hidden * element_bytes(zero)
    lstm_step_backward(
        view(zero, gates, hidden),
        view(zero, gates + step, hidden),
        view(zero, gates + 2 * step, hidden),
        view(zero, gates + 3 * step, hidden),
        view(zero, cell, hidden),
        view(zero, before, hidden),
        view(zero, gh, hidden),
        view(zero, gc, hidden),
        view(zero, gz, hidden),
        view(zero, gz + step, hidden),
        view(zero, gz + 2 * step, hidden),
        view(zero, gz + 3 * step, hidden),
    )


@inner
def _gru(zero, gates, before, gh, gz, hidden):
    """The gradients of reset, update, the part to be reset, and candidate go to gz, in this order."""
    step = hidden * element_bytes(zero)
    gru_step_backward(
        view(zero, gates, hidden),
        view(zero, gates + step, hidden),
        view(zero, gates + 2 * step, hidden),
        view(zero, gates + 3 * step, hidden),
        view(zero, before, hidden),
        view(zero, gh, hidden),
        view(zero, gz, hidden),
        view(zero, gz + step, hidden),
        view(zero, gz + 3 * step, hidden),
        view(zero, gz + 2 * step, hidden),
    )
