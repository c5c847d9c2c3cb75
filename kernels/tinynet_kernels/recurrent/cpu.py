"""Recurrent layers on the CPU: prepares arrays for `forward` and `backward`, which hold the loops over steps.

The gradients by the weights are one product over all steps, made afterwards.
"""

import numpy as np
from numba import get_num_threads

from tinynet_kernels import matmul, memory
from tinynet_kernels.recurrent.backward import run_backward
from tinynet_kernels.recurrent.forward import run_forward
from tinynet_kernels.recurrent.work import GATES, GRU, LSTM, RELU, TANH
from tinynet_kernels.simd.rows import band_address
from tinynet_kernels.simd.streaming import LARGE
from tinynet_kernels.tasks import run

__all__ = ["gru_backward", "gru_forward", "lstm_backward", "lstm_forward", "rnn_backward", "rnn_forward"]

_MOST_ROWS = 96  # sequences of a task, whose terms of one step stay in a second-level cache
_LEAST_ROWS = 6  # with fewer, reading the weight takes longer than multiplying by it


def rnn_forward(p, weight, h, lengths, activation):
    kind = TANH if activation == "tanh" else RELU
    return _forward(kind, p, weight, h, lengths)[:2]


def rnn_backward(gy, gh, y, weight, h, lengths, activation):
    kind = TANH if activation == "tanh" else RELU
    gp, _, gweight, gh, _ = _backward(kind, gy, gh, y, weight, h, lengths)
    return gp, gweight, gh


def lstm_forward(p, weight, h, c, lengths, keep):
    y, h, gates, c, cells = _forward(LSTM, p, weight, h, lengths, c=c, keep=keep)
    return y, h, c, gates, cells


def lstm_backward(gy, gh, gc, y, gates, cells, weight, h, c, lengths):
    gp, _, gweight, gh, gc = _backward(LSTM, gy, gh, y, weight, h, lengths, gates, cells, c, gc)
    return gp, gweight, gh, gc


def gru_forward(p, weight, bias, h, lengths, keep):
    return _forward(GRU, p, weight, h, lengths, bias=bias, keep=keep)[:3]


def gru_backward(gy, gh, y, gates, weight, h, lengths):
    gp, gproduct, gweight, gh, _ = _backward(GRU, gy, gh, y, weight, h, lengths, gates)
    return gp, gweight, gproduct.sum(axis=(0, 1)), gh


def _forward(kind, p, weight, h, lengths, c=None, bias=None, keep=False):
    """Outputs, state at the end, gates, cell at the end, cells; None for what there is not."""
    sequences, steps, directions, _ = p.shape
    hidden = h.shape[-1]
    new = _allocator(lengths, steps)
    p, weight, h, bias = map(_contiguous, (p, weight, h, bias))
    y, h_end = new((sequences, steps, directions, hidden), p.dtype), h.copy()
    c, c_end = _contiguous(c), None if c is None else c.copy(order="C")
    gates = new((*y.shape[:3], 4 * hidden), p.dtype) if keep else None
    cells = new(y.shape, p.dtype) if keep and kind == LSTM else None
    order, count, sizes = _tasks(kind, y, lengths)
    arrays = (order, lengths, p, weight, bias, h, c, y, h_end, c_end, gates, cells)
    if y.size:
        run(run_forward, y.dtype, count, (*sizes, *map(_address, arrays), p.nbytes >= LARGE))
    return y, h_end, gates, c_end, cells


def _backward(kind, gy, gh, y, weight, h, lengths, gates=None, cells=None, c=None, gc=None):
    """Gradients by the input terms, the products of the state, the weight, the state, and the cell."""
    steps, hidden = y.shape[1], y.shape[3]
    new = _allocator(lengths, steps)
    gy, y, weight, h, gates, cells, c = map(_contiguous, (gy, y, weight, h, gates, cells, c))
    gh, gc = (None if array is None else array.copy(order="C") for array in (gh, gc))
    gp = new((*y.shape[:3], GATES[kind] * hidden), y.dtype)
    gproduct = new(gp.shape, y.dtype) if kind == GRU else gp
    before = new(y.shape, y.dtype)
    order, count, sizes = _tasks(kind, y, lengths)
    arrays = (order, lengths, gy, y, gates, cells, weight, h, c, gp, gproduct, before, gh, gc)
    if y.size:
        run(run_backward, y.dtype, count, (*sizes, *map(_address, arrays), gp.nbytes >= LARGE))
    return gp, gproduct, _weight_gradient(before, gproduct), gh, gc


def _tasks(kind, y, lengths):
    """The order of the sequences, how many tasks there are, and their first arguments."""
    sequences, steps, directions, hidden = y.shape
    blocks = max(-(-sequences // _MOST_ROWS), -(-get_num_threads() // directions))
    most_rows = max(-(-sequences // blocks), _LEAST_ROWS)
    blocks = -(-sequences // most_rows)
    order = np.argsort(-lengths, kind="stable")
    sizes = (GATES[kind], sequences, steps, directions, hidden, most_rows, blocks)
    return order, directions * blocks, (kind, band_address(y.dtype), *sizes)


def _weight_gradient(states, gproduct):
    """The product of all states (N, T, D, H) and gradients (N, T, D, G·H), for each direction."""
    return matmul.product(_rows(states), _rows(gproduct), transpose_a=True)


def _rows(array):
    """(N, T, D, C) → (D, N·T, C)."""
    sequences, steps, *rest = array.shape
    return array.reshape(sequences * steps, *rest).swapaxes(0, 1)


def _allocator(lengths, steps):
    """What makes arrays over all steps: with zeros if the tasks leave some of them out."""
    return memory.empty if (lengths == steps).all() else memory.zeros


def _contiguous(array):
    return None if array is None else np.ascontiguousarray(array)


def _address(array):
    return 0 if array is None else array.ctypes.data
