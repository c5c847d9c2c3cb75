"""What forward and backward tasks share: kinds of layers, work memory, and where a step's numbers lie."""

from tinynet_kernels.compile import inner
from tinynet_kernels.simd.memory import element_bytes
from tinynet_kernels.simd.packing import copy_rows, copy_transposed
from tinynet_kernels.simd.vectors import WIDTH_BYTES

__all__ = [
    "GATES",
    "GRU",
    "LSTM",
    "RELU",
    "TANH",
    "active_rows",
    "aligned",
    "pack_columns",
    "pack_transposed",
    "padded",
    "position",
    "strips",
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
def aligned(address):
    """The first beginning of a cache line at an address or behind it."""
    return (address + _CACHE_LINE - 1) // _CACHE_LINE * _CACHE_LINE


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


@inner(cache=False)
def active_rows(lengths, order, first, rows, step):
    """How many of `rows` sequences, from place `first` in the order of falling length, have this step."""
    active = rows
    while active > 0 and lengths[order[first + active - 1]] <= step:
        active -= 1
    return active


@inner(cache=False)
def position(sequence, time, steps, direction, directions):
    """The place of a step in an array (N, T, D, …), in units of the axes behind."""
    return (sequence * steps + time) * directions + direction
