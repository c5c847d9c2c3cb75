"""What forward and backward tasks share: kinds of layers, work memory, and where a step's numbers lie."""

from typing import NamedTuple

import numpy as np

from tinynet_kernels.compile import inner
from tinynet_kernels.simd.memory import element_bytes
from tinynet_kernels.simd.packing import copy_rows, copy_transposed
from tinynet_kernels.simd.vectors import WIDTH_BYTES
from tinynet_kernels.simd.views import view

__all__ = [
    "GATES",
    "GRU",
    "LSTM",
    "RELU",
    "TANH",
    "Task",
    "active_rows",
    "initial_place",
    "pack_columns",
    "pack_transposed",
    "padded",
    "place",
    "strips",
    "task_of",
]

TANH, RELU, LSTM, GRU = range(4)

GATES = {TANH: 1, RELU: 1, LSTM: 4, GRU: 3}

_CACHE_LINE = 64


@inner(cache=False)
def padded(zero, count):
    """The number of elements between rows of `count` that begin at cache lines of different sets."""
    line = _CACHE_LINE // element_bytes(zero)
    return (count + line - 1) // line * line + line


@inner(cache=False)
def strips(zero, columns):
    """How many strips of a tile's width hold so many columns."""
    width = WIDTH_BYTES // element_bytes(zero)
    return (columns + width - 1) // width


@inner(cache=False)
def pack_columns(zero, weight, gates, hidden, target):
    """Copies a weight (H, G·H) into strips (G, H / width, H, width), each as a tile reads it."""
    size = element_bytes(zero)
    width = WIDTH_BYTES // size
    row = gates * hidden * size
    for gate in range(gates):
        for n in range(0, hidden, width):
            source = weight + (gate * hidden + n) * size
            copy_rows(zero, source, row, target, WIDTH_BYTES, hidden, min(width, hidden - n))
            target += hidden * WIDTH_BYTES


@inner(cache=False)
def pack_transposed(zero, weight, gates, hidden, target):
    """Copies the transpose of a weight (H, G·H) into strips (H / width, G·H, width)."""
    size = element_bytes(zero)
    width = WIDTH_BYTES // size
    row = gates * hidden * size
    for n in range(0, hidden, width):
        copy_transposed(
            zero, weight + n * row, row, target, WIDTH_BYTES, min(width, hidden - n), gates * hidden
        )
        target += gates * hidden * WIDTH_BYTES


class Task(NamedTuple):
    """What a task does: one direction of `rows` sequences, from place `first` in the order of falling length.

    Attributes:
        kind, gates: of the layer.
        segments: numbers per unit, of the terms of a step and of what is kept of it.
        sequences, steps, directions, hidden: N, T, D and H.
        direction, first, rows: what part of the layer this is.
        order: the address of the sequences in the order of falling length.
        lengths: the address of their lengths.
        band: see `simd.rows.band_address`.
    """

    kind: int
    gates: int
    segments: int
    sequences: int
    steps: int
    directions: int
    hidden: int
    direction: int
    first: int
    rows: int
    order: int
    lengths: int
    band: int


@inner(cache=False)
def task_of(arguments, index):
    """A task from the first arguments of all tasks."""
    kind, band, gates, sequences, steps, directions, hidden = arguments[:7]
    most_rows, blocks, order, lengths = arguments[7:11]
    first = index % blocks * most_rows
    return Task(
        kind,
        gates,
        4 if kind == GRU else gates,
        sequences,
        steps,
        directions,
        hidden,
        index // blocks,
        first,
        min(most_rows, sequences - first),
        order,
        lengths,
        band,
    )


@inner(cache=False)
def active_rows(task, step):
    """How many sequences of a task have this step; they are the first ones."""
    order = view(np.int64(0), task.order, task.sequences)
    lengths = view(np.int64(0), task.lengths, task.sequences)
    active = task.rows
    while active > 0 and lengths[order[task.first + active - 1]] <= step:
        active -= 1
    return active


@inner(cache=False)
def place(task, row, step):
    """Where the numbers of a step lie in an array (N, T, D, …), in units of the axes behind."""
    sequence = view(np.int64(0), task.order, task.sequences)[task.first + row]
    length = view(np.int64(0), task.lengths, task.sequences)[sequence]
    time = length - 1 - step if task.direction else step
    return (sequence * task.steps + time) * task.directions + task.direction


@inner(cache=False)
def initial_place(task, row):
    """Where the numbers of a state at the beginning or end lie in an array (D, N, …)."""
    return task.direction * task.sequences + view(np.int64(0), task.order, task.sequences)[task.first + row]
