"""The backward pass on the CPU: one task takes one direction of some sequences back through all steps.

See `tinynet_kernels.recurrent.forward`, whose order of sequences and cut into tasks are used here as well.
"""

from typing import NamedTuple

from tinynet_kernels.compile import inner
from tinynet_kernels.recurrent.cells import gru_step_backward, lstm_step_backward, rnn_step_backward
from tinynet_kernels.recurrent.work import (
    GRU,
    LSTM,
    RELU,
    active_rows,
    initial_place,
    pack_transposed,
    padded,
    place,
    strips,
    task_of,
)
from tinynet_kernels.simd.memory import add_run, address_of, copy_run, element_bytes, keep_alive, new_matrix
from tinynet_kernels.simd.prefetch import ask_for
from tinynet_kernels.simd.rows import call_band
from tinynet_kernels.simd.streaming import finish_streaming, stream_run
from tinynet_kernels.simd.tile import ADD
from tinynet_kernels.simd.vectors import WIDTH_BYTES
from tinynet_kernels.simd.views import view

__all__ = ["run_backward"]

_DEPTH = 256  # of the sum over gates and units that is added at once: a strip of it stays in the cache


class Arrays(NamedTuple):
    """The addresses of what a backward pass reads and, from `gp` on, of what it writes.

    `is_large` tells that they are more than the caches hold.
    """

    gy: int
    y: int
    gates: int
    cells: int
    weight: int
    h: int
    c: int
    gp: int
    gproduct: int
    before: int
    gh: int
    gc: int
    is_large: int


class Gradients(NamedTuple):
    """The work memory of a task, a row for each sequence: those by state and cell, and those by the gates."""

    gh: int
    gc: int
    state_row: int
    gz: int
    gz_row: int


@inner
def run_backward(zero, arguments, index):
    """One task, see `tasks.run`."""
    task = task_of(arguments, index)
    gy, y, gates, cells, weight, h, c, gp, gproduct, before, gh, gc, is_large = arguments[11:24]
    arrays = Arrays(gy, y, gates, cells, weight, h, c, gp, gproduct, before, gh, gc, is_large)
    size, hidden, rows = element_bytes(zero), task.hidden, task.rows
    depth = task.gates * hidden
    packed = new_matrix(zero, strips(zero, hidden) * depth, WIDTH_BYTES // size)
    weight_strips = address_of(packed)
    first_weight = weight + task.direction * depth * hidden * size
    pack_transposed(zero, first_weight, task.gates, hidden, weight_strips)
    states = new_matrix(zero, 2 * rows, padded(zero, hidden))
    gates_memory = new_matrix(zero, rows, padded(zero, task.segments * hidden))
    start, state_row = address_of(states), states.strides[0]
    gz, gz_row = address_of(gates_memory), gates_memory.strides[0]
    gradients = Gradients(start, start + rows * state_row, state_row, gz, gz_row)
    _copy_states(zero, task, arrays, gradients, False)
    for step in range(task.steps - 1, -1, -1):
        active = active_rows(task, step)
        for row in range(active):
            if arrays.is_large and row + 1 < active:
                _ask_for(zero, task, arrays, row + 1, step)
            _differentiate(zero, task, arrays, gradients, row, step)
        _multiply_by_weight(zero, task, active, gradients, weight_strips)
    _copy_states(zero, task, arrays, gradients, True)
    keep_alive(packed)
    keep_alive(states)
    keep_alive(gates_memory)
    finish_streaming()


@inner
def _copy_states(zero, task, arrays, gradients, is_end):
    """Copies the gradients by the states at the end to the work memory, or those at the beginning from it."""
    state_bytes = task.hidden * element_bytes(zero)
    for row in range(task.rows):
        outside, inside = initial_place(task, row) * state_bytes, row * gradients.state_row
        h_source, h_target = arrays.gh + outside, gradients.gh + inside
        c_source, c_target = arrays.gc + outside, gradients.gc + inside
        if is_end:
            h_source, h_target = h_target, h_source
            c_source, c_target = c_target, c_source
        copy_run(zero, h_source, h_target, task.hidden)
        if task.kind == LSTM:
            copy_run(zero, c_source, c_target, task.hidden)


@inner
def _ask_for(zero, task, arrays, row, step):
    """Asks for what a step of one sequence reads from the memory."""
    state_bytes = task.hidden * element_bytes(zero)
    here = place(task, row, step) * state_bytes
    ask_for(arrays.gy + here, state_bytes)
    if arrays.gates:
        ask_for(arrays.gates + 4 * here, 4 * state_bytes)
    if step > 0:
        earlier = place(task, row, step - 1) * state_bytes
        ask_for(arrays.y + earlier, state_bytes)
        if arrays.cells:
            ask_for(arrays.cells + earlier, state_bytes)


@inner
def _differentiate(zero, task, arrays, gradients, row, step):
    """The gradients by the gates of one step of one sequence, and the state before it, which they meet."""
    hidden, state_bytes = task.hidden, task.hidden * element_bytes(zero)
    here = place(task, row, step) * state_bytes
    if step == 0:
        start = initial_place(task, row) * state_bytes
        h_before, c_before = arrays.h + start, arrays.c + start
    else:
        earlier = place(task, row, step - 1) * state_bytes
        h_before, c_before = arrays.y + earlier, arrays.cells + earlier
    gh = gradients.gh + row * gradients.state_row
    gc = gradients.gc + row * gradients.state_row
    gz = gradients.gz + row * gradients.gz_row
    stream_run(zero, h_before, arrays.before + here, hidden, arrays.is_large)
    add_run(zero, arrays.gy + here, gh, hidden)
    if task.kind == LSTM:
        _lstm(zero, arrays.gates + 4 * here, arrays.cells + here, c_before, gh, gc, gz, hidden)
    elif task.kind == GRU:
        _gru(zero, arrays.gates + 4 * here, h_before, gh, gz, hidden)
    else:
        _rnn(zero, arrays.y + here, gh, gz, hidden, task.kind == RELU)
    gp, gproduct = arrays.gp + task.gates * here, arrays.gproduct + task.gates * here
    _keep_gradients(zero, task, gz, gp, gproduct, arrays.is_large)


@inner
def _keep_gradients(zero, task, gz, gp, gproduct, is_large):
    """Copies the gradients of a step to those by the input terms and, for a GRU, by the product."""
    hidden, depth = task.hidden, task.gates * task.hidden
    candidate = 2 * hidden * element_bytes(zero)
    if task.kind == GRU:
        stream_run(zero, gz, gproduct, depth, is_large)
        stream_run(zero, gz, gp, 2 * hidden, is_large)
        stream_run(zero, gz + 3 * hidden * element_bytes(zero), gp + candidate, hidden, is_large)
    else:
        stream_run(zero, gz, gp, depth, is_large)


@inner
def _multiply_by_weight(zero, task, active, gradients, weight_strips):
    """Sets gh to the gradients by the states before; a GRU's have another part, which passes the gates by."""
    size = element_bytes(zero)
    width = WIDTH_BYTES // size
    depth = task.gates * task.hidden
    for k in range(0, depth, _DEPTH):
        for n in range(0, task.hidden, width):
            call_band(
                task.band,
                gradients.gz + k * size,
                gradients.gz_row,
                size,
                weight_strips + (n // width * depth + k) * WIDTH_BYTES,
                WIDTH_BYTES,
                min(_DEPTH, depth - k),
                gradients.gh + n * size,
                gradients.state_row,
                active,
                min(width, task.hidden - n),
                ADD if k > 0 or task.kind == GRU else 0,
            )


@inner
def _rnn(zero, output, gh, gz, hidden, is_relu):
    rnn_step_backward(view(zero, gh, hidden), view(zero, output, hidden), view(zero, gz, hidden), is_relu)


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
