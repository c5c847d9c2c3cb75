"""The forward pass on the CPU: one task takes one direction of some sequences through all steps.

No task waits for another. What a task uses in every step stays in its caches: the recurrent weight, cut into
strips as a register tile reads them, the states of its sequences, and the terms of the step that is computed.
Its sequences are ordered by falling length, so that those which still have a step are the first ones.
"""

from tinynet_kernels.compile import inner
from tinynet_kernels.recurrent.cells import gru_step, lstm_step, rnn_step
from tinynet_kernels.recurrent.work import (
    GRU,
    LSTM,
    RELU,
    active_rows,
    initial_place,
    pack_columns,
    padded,
    place,
    strips,
    task_of,
)
from tinynet_kernels.simd.memory import add_run, address_of, copy_run, element_bytes, keep_alive, new_matrix
from tinynet_kernels.simd.rows import call_band
from tinynet_kernels.simd.streaming import finish_streaming, stream_run
from tinynet_kernels.simd.tile import ADD
from tinynet_kernels.simd.vectors import WIDTH_BYTES
from tinynet_kernels.simd.views import view

__all__ = ["run_forward"]

_STRIPS_AT_ONCE = 4  # so many strips of every gate are computed, then their gates applied in the cache

_CANDIDATE, _RESET_PART = 2, 3  # of the GRU, the terms that the reset gate scales are kept apart


@inner
def run_forward(zero, arguments, index):
    """One task, see `tasks.run`."""
    task = task_of(arguments, index)
    p, weight, bias, h_start, c_start, y, h_end, c_end, kept_gates, kept_cells, is_large = arguments[11:22]
    size, hidden, rows = element_bytes(zero), task.hidden, task.rows
    width = WIDTH_BYTES // size
    packed = new_matrix(zero, task.gates * strips(zero, hidden) * hidden, width)
    weight_strips = address_of(packed)
    direction_bytes = hidden * task.gates * hidden * size
    pack_columns(zero, weight + task.direction * direction_bytes, task.gates, hidden, weight_strips)
    states = new_matrix(zero, 3 * rows, padded(zero, hidden))
    state_row = states.strides[0]
    h, h_next = address_of(states), address_of(states) + rows * state_row
    c = h + 2 * rows * state_row
    chunk = min(_STRIPS_AT_ONCE, strips(zero, hidden)) * width
    terms = new_matrix(zero, rows, padded(zero, task.segments * chunk))
    z, z_row, segment_bytes = address_of(terms), terms.strides[0], chunk * size
    for row in range(rows):
        _copy_state(zero, task, row, 0, h_start, c_start, h + row * state_row, c + row * state_row)

    for step in range(task.steps):
        active = active_rows(task, step)
        for column in range(0, hidden, chunk):
            count, offset = min(chunk, hidden - column), column * size
            _take_terms(zero, task, step, active, p + offset, bias + offset, z, z_row, segment_bytes, count)
            _add_products(
                zero, task, active, h, state_row, weight_strips, column, z, z_row, segment_bytes, count
            )
            for row in range(active):
                units, here = row * state_row + offset, place(task, row, step) * hidden * size
                z_now, gates = z + row * z_row, kept_gates + task.segments * here + offset
                _apply_gates(
                    zero, task.kind, z_now, segment_bytes, h + units, c + units, h_next + units, count
                )
                copy_run(zero, h_next + units, y + here + offset, count)
                if kept_gates:
                    for segment in range(task.segments):
                        source, target = z_now + segment * segment_bytes, gates + segment * hidden * size
                        stream_run(zero, source, target, count, is_large)
                if kept_cells:
                    stream_run(zero, c + units, kept_cells + here + offset, count, is_large)
        for row in range(active_rows(task, step + 1), active):
            _copy_state(zero, task, row, 1, h_next + row * state_row, c + row * state_row, h_end, c_end)
        h, h_next = h_next, h
    keep_alive(packed)
    keep_alive(states)
    keep_alive(terms)
    finish_streaming()


@inner
def _copy_state(zero, task, row, is_end, h_source, c_source, h_target, c_target):
    """The state of a sequence from all states at the beginning, or to those at the end."""
    all_states = initial_place(task, row) * task.hidden * element_bytes(zero)
    source, target = (0, all_states) if is_end else (all_states, 0)
    copy_run(zero, h_source + source, h_target + target, task.hidden)
    if task.kind == LSTM:
        copy_run(zero, c_source + source, c_target + target, task.hidden)


@inner
def _take_terms(zero, task, step, active, p, bias, z, z_row, segment_bytes, count):
    """Sets z to the input terms of `count` units; those of a GRU also to the bias of the product."""
    state_bytes = task.hidden * element_bytes(zero)
    bias += task.direction * task.gates * state_bytes
    for row in range(active):
        source, target = p + place(task, row, step) * task.gates * state_bytes, z + row * z_row
        _copy_segments(zero, task.gates, source, state_bytes, target, segment_bytes, count)
        if task.kind == GRU:
            for gate in range(_CANDIDATE):
                add_run(zero, bias + gate * state_bytes, target + gate * segment_bytes, count)
            copy_run(zero, bias + _CANDIDATE * state_bytes, target + _RESET_PART * segment_bytes, count)


@inner
def _copy_segments(zero, segments, source, source_step, target, target_step, count):
    """Copies `count` elements of every segment, each of which is some bytes behind the one before."""
    for segment in range(segments):
        copy_run(zero, source + segment * source_step, target + segment * target_step, count)


@inner
def _add_products(zero, task, active, h, state_row, weight_strips, column, z, z_row, segment_bytes, count):
    """Adds to z the products of the states with `count` columns of each gate's weight."""
    size = element_bytes(zero)
    width = WIDTH_BYTES // size
    for gate in range(task.gates):
        segment = _RESET_PART if task.kind == GRU and gate == _CANDIDATE else gate
        for n in range(0, count, width):
            strip = gate * strips(zero, task.hidden) + (column + n) // width
            call_band(
                task.band,
                h,
                state_row,
                size,
                weight_strips + strip * task.hidden * WIDTH_BYTES,
                WIDTH_BYTES,
                task.hidden,
                z + segment * segment_bytes + n * size,
                z_row,
                active,
                min(width, count - n),
                ADD,
            )


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
