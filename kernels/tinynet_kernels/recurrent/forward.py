"""The forward pass on the CPU: one task takes one direction of some sequences through all steps.

No task waits for another. What a task uses in every step stays in its caches: the recurrent weight, cut into
strips as a register tile reads them, the states of its sequences, and the terms of the step that is computed.
Its sequences are ordered by falling length, so that those which still have a step are the first ones.
"""

import numpy as np

from tinynet_kernels.compile import inner
from tinynet_kernels.recurrent.cells import gru_step, lstm_step, rnn_step
from tinynet_kernels.recurrent.work import (
    GRU,
    LSTM,
    RELU,
    active_rows,
    aligned,
    pack_columns,
    padded,
    position,
    strips,
)
from tinynet_kernels.simd.memory import add_run, copy_run, element_bytes, keep_alive, new_matrix
from tinynet_kernels.simd.rows import call_band
from tinynet_kernels.simd.tile import ADD
from tinynet_kernels.simd.vectors import WIDTH_BYTES
from tinynet_kernels.simd.views import view

__all__ = ["run_forward"]

_STRIPS_AT_ONCE = 4  # so many strips of every gate are computed, then their gates applied in the cache

_CANDIDATE, _RESET_PART = 2, 3  # of the GRU, the terms that the reset gate scales are kept apart


@inner
def run_forward(zero, arguments, index):
    """One task, see `tasks.run`."""
    kind, band, gates, sequences, steps, directions, hidden, most_rows, blocks = arguments[:9]
    p, weight, bias, h_start, c_start, order_address, lengths_address = arguments[9:16]
    y, h_end, c_end, kept_gates, kept_cells = arguments[16:21]
    size = element_bytes(zero)
    width = WIDTH_BYTES // size
    state_bytes = hidden * size
    order = view(np.int64(0), order_address, sequences)
    lengths = view(np.int64(0), lengths_address, sequences)
    direction, first = index // blocks, index % blocks * most_rows
    rows = min(most_rows, sequences - first)
    segments = 4 if kind == GRU else gates  # per unit, of the terms and of what is kept

    packed = new_matrix(zero, gates * strips(zero, hidden) * hidden + 1, width)
    strip_base = aligned(packed.ctypes.data)
    pack_columns(zero, weight + direction * hidden * gates * state_bytes, gates, hidden, strip_base)
    states = new_matrix(zero, 3 * rows + 1, padded(zero, hidden))
    state_row = states.strides[0]
    h, h_next = aligned(states.ctypes.data), aligned(states.ctypes.data) + rows * state_row
    c = h + 2 * rows * state_row
    chunk = min(_STRIPS_AT_ONCE, strips(zero, hidden)) * width
    terms = new_matrix(zero, rows + 1, padded(zero, segments * chunk))
    z, z_row, segment_bytes = aligned(terms.ctypes.data), terms.strides[0], chunk * size
    for r in range(rows):
        start = (direction * sequences + order[first + r]) * state_bytes
        copy_run(zero, h_start + start, h + r * state_row, hidden)
        if kind == LSTM:
            copy_run(zero, c_start + start, c + r * state_row, hidden)

    for step in range(steps):
        active = active_rows(lengths, order, first, rows, step)
        for column in range(0, hidden, chunk):
            count = min(chunk, hidden - column)
            for r in range(active):
                sequence = order[first + r]
                time = lengths[sequence] - 1 - step if direction else step
                place = position(sequence, time, steps, direction, directions)
                source = p + place * gates * state_bytes + column * size
                extra = bias + direction * gates * state_bytes + column * size
                target = z + r * z_row
                for gate in range(gates):
                    copy_run(zero, source + gate * state_bytes, target + gate * segment_bytes, count)
                    if kind == GRU:
                        if gate == _CANDIDATE:
                            copy_run(
                                zero, extra + gate * state_bytes, target + _RESET_PART * segment_bytes, count
                            )
                        else:
                            add_run(zero, extra + gate * state_bytes, target + gate * segment_bytes, count)
            for gate in range(gates):
                segment = _RESET_PART if kind == GRU and gate == _CANDIDATE else gate
                for n in range(0, count, width):
                    strip = gate * strips(zero, hidden) + (column + n) // width
                    call_band(
                        band,
                        h,
                        state_row,
                        size,
                        strip_base + strip * hidden * WIDTH_BYTES,
                        WIDTH_BYTES,
                        hidden,
                        z + segment * segment_bytes + n * size,
                        z_row,
                        active,
                        min(width, count - n),
                        ADD,
                    )
            for r in range(active):
                sequence = order[first + r]
                time = lengths[sequence] - 1 - step if direction else step
                place = position(sequence, time, steps, direction, directions)
                offset = r * state_row + column * size
                _apply_gates(
                    zero, kind, z + r * z_row, segment_bytes, h + offset, c + offset, h_next + offset, count
                )
                copy_run(zero, h_next + offset, y + place * state_bytes + column * size, count)
                if kept_gates:
                    target = kept_gates + place * segments * state_bytes + column * size
                    for segment in range(segments):
                        source = z + r * z_row + segment * segment_bytes
                        copy_run(zero, source, target + segment * state_bytes, count)
                if kept_cells:
                    copy_run(zero, c + offset, kept_cells + place * state_bytes + column * size, count)
        for r in range(active):
            sequence = order[first + r]
            if step == lengths[sequence] - 1:
                end = (direction * sequences + sequence) * state_bytes
                copy_run(zero, h_next + r * state_row, h_end + end, hidden)
                if kind == LSTM:
                    copy_run(zero, c + r * state_row, c_end + end, hidden)
        h, h_next = h_next, h
    keep_alive(packed)
    keep_alive(states)
    keep_alive(terms)


@inner
def _apply_gates(zero, kind, z, segment_bytes, h, c, h_next, count):
    """One step of `count` units of one sequence, whose terms lie `segment_bytes` apart."""
    first = view(zero, z, count)
    new = view(zero, h_next, count)
    if kind in (LSTM, GRU):
        second = view(zero, z + segment_bytes, count)
        third = view(zero, z + 2 * segment_bytes, count)
        fourth = view(zero, z + 3 * segment_bytes, count)
        if kind == LSTM:
            lstm_step(first, second, third, fourth, view(zero, c, count), new)
        else:
            gru_step(first, second, third, fourth, view(zero, h, count), new)
    else:
        rnn_step(first, new, kind == RELU)
