"""Recurrent layers over whole sequences, one operation each: plain ones, LSTM and GRU.

A layer has one direction or two, D. Everything that belongs to a direction has D as its first axis: weights,
biases and states. The second direction reads each sequence from its last step to its first.
"""

import numpy as np

from tinynet.autograd import Function, Tensor, as_tensor, grad, precision
from tinynet.autograd.versions import changed_since
from tinynet.backend import array_module, as_array, is_on_gpu
from tinynet.errors import ArgumentError, DTypeError, GraphError, ShapeError
from tinynet.functional.array_products import product
from tinynet.functional.conversion import as_factors
from tinynet.functional.recurrent_cells import check_activation, gru_cell, lstm_cell, rnn_cell, run_cell
from tinynet_kernels import activation as activation_kernels
from tinynet_kernels import recurrent as kernels

__all__ = ["gru", "lstm", "rnn"]

_ALL = tuple(range(7))


class _Recurrent(Function):
    """Inputs: x, weight_ih, weight_hh, bias_ih, bias_hh, and one or two states.

    A subclass computes all steps from the input terms p (N, T, D, G·H), see `tinynet_kernels.recurrent`, and
    back again to them.
    """

    __slots__ = ("lengths",)
    reads = (_ALL,) * 7

    def __init__(self, lengths):
        self.lengths = lengths

    def input_terms(self, x, weight_ih, bias):
        """The products of all steps' inputs and both directions, in one."""
        directions, features, columns = weight_ih.shape
        weight = weight_ih.swapaxes(0, 1).reshape(features, directions * columns)
        terms = product(_as_rows(x), weight, bias=bias.reshape(-1))
        return terms.reshape(*x.shape[:2], directions, columns)

    def input_gradients(self, gp, x, weight_ih):
        """The gradients by x, weight_ih and bias_ih."""
        directions, features, columns = weight_ih.shape
        gp = gp.reshape(len(x) * x.shape[1], directions * columns)
        gx = gweight = gbias = None
        if self.needs(0):
            weight = weight_ih.swapaxes(0, 1).reshape(features, directions * columns)
            gx = product(gp, weight, transpose_y=True).reshape(x.shape)
        if self.needs(1):
            gweight = product(_as_rows(x), gp, transpose_x=True)
            gweight = gweight.reshape(features, directions, columns).swapaxes(0, 1)
        if self.needs(3) or self.needs(4):
            gbias = activation_kernels.column_sums(gp).reshape(directions, columns)
        return gx, gweight, gbias

    def flat_output(self, y):
        return y.reshape(*y.shape[:2], y.shape[2] * y.shape[3])

    def backward(self, *gradients):
        # The graph is that of the composed layer, on aliases at which it ends.
        inputs = [tensor[...] for tensor in self.inputs]
        outputs = self.composed(*inputs)
        wanted = [index for index in range(len(inputs)) if self.needs(index)]
        found = grad(
            outputs, [inputs[index] for index in wanted], gradients, create_graph=True, allow_unused=True
        )
        results = [None] * len(inputs)
        for index, gradient in zip(wanted, found, strict=True):
            results[index] = gradient
        return tuple(results)

    def kept_arrays(self):
        """What forward kept, of which the first is the output."""
        if self.kept is None:
            raise GraphError(self.freed_message())
        if changed_since(self.kept[0], self.saved_at):
            raise GraphError(self._changed_message("the output", self.kept[0]))
        return self.kept


class RecurrentLayer(_Recurrent):
    """The states of a plain recurrent layer at all steps, and at the end."""

    __slots__ = ("activation",)
    operation = "rnn"

    def __init__(self, lengths, activation):
        super().__init__(lengths)
        self.activation = activation

    def forward(self, x, weight_ih, weight_hh, bias_ih, bias_hh, h):
        p = self.input_terms(x, weight_ih, bias_ih + bias_hh)
        y, end = kernels.rnn_forward(p, weight_hh, h, self.lengths, self.activation)
        self.kept = (y,)
        return self.flat_output(y), end

    def backward_arrays(self, gy, gh):
        x, weight_ih, weight_hh, _, _, h = self.input_arrays
        (y,) = self.kept_arrays()
        gp, gweight, gh = kernels.rnn_backward(
            gy.reshape(y.shape), gh, y, weight_hh, h, self.lengths, self.activation
        )
        gx, gweight_ih, gbias = self.input_gradients(gp, x, weight_ih)
        return gx, gweight_ih, gweight, gbias, gbias, gh

    def composed(self, x, *rest):
        def cell(x, states, weights):
            return (rnn_cell(x, *states, *weights, activation=self.activation),)

        return run_cell(cell, x, rest[:4], rest[4:], self.lengths)


class LongShortTermMemory(_Recurrent):
    """The states of an LSTM layer at all steps, state and cell at the end."""

    __slots__ = ()
    operation = "lstm"

    def forward(self, x, weight_ih, weight_hh, bias_ih, bias_hh, h, c):
        p = self.input_terms(x, weight_ih, bias_ih + bias_hh)
        keep = self.edges is not None
        y, h, c, gates, cells = kernels.lstm_forward(p, weight_hh, h, c, self.lengths, keep)
        self.kept = y, gates, cells
        return self.flat_output(y), h, c

    def backward_arrays(self, gy, gh, gc):
        x, weight_ih, weight_hh, _, _, h, c = self.input_arrays
        y, gates, cells = self.kept_arrays()
        gp, gweight, gh, gc = kernels.lstm_backward(
            gy.reshape(y.shape), gh, gc, y, gates, cells, weight_hh, h, c, self.lengths
        )
        gx, gweight_ih, gbias = self.input_gradients(gp, x, weight_ih)
        return gx, gweight_ih, gweight, gbias, gbias, gh, gc

    def composed(self, x, *rest):
        def cell(x, states, weights):
            return lstm_cell(x, *states, *weights)

        return run_cell(cell, x, rest[:4], rest[4:], self.lengths)


class GatedRecurrentUnits(_Recurrent):
    """The states of a GRU layer at all steps, and at the end."""

    __slots__ = ()
    operation = "gru"

    def forward(self, x, weight_ih, weight_hh, bias_ih, bias_hh, h):
        p = self.input_terms(x, weight_ih, bias_ih)
        y, h, gates = kernels.gru_forward(p, weight_hh, bias_hh, h, self.lengths, self.edges is not None)
        self.kept = y, gates
        return self.flat_output(y), h

    def backward_arrays(self, gy, gh):
        x, weight_ih, weight_hh, _, _, h = self.input_arrays
        y, gates = self.kept_arrays()
        gp, gweight, gbias_hh, gh = kernels.gru_backward(
            gy.reshape(y.shape), gh, y, gates, weight_hh, h, self.lengths
        )
        gx, gweight_ih, gbias_ih = self.input_gradients(gp, x, weight_ih)
        return gx, gweight_ih, gweight, gbias_ih, gbias_hh, gh

    def composed(self, x, *rest):
        def cell(x, states, weights):
            return (gru_cell(x, *states, *weights),)

        return run_cell(cell, x, rest[:4], rest[4:], self.lengths)


def rnn(x, weight_ih, weight_hh, bias_ih=None, bias_hh=None, h=None, lengths=None, activation="tanh"):
    """A plain recurrent layer: `rnn_cell` at every step, in one direction or two.

    Args:
        x: sequences (N, T, C).
        weight_ih: (D, C, H), with D = 1 or 2 directions.
        weight_hh: (D, H, H).
        bias_ih, bias_hh: (D, H) each, or None.
        h: the state at the beginning (D, N, H); None for zeros.
        lengths: integers (N,) from 0 to T: the steps beyond neither change the state nor receive a gradient,
            their output is 0, and the second direction begins at the last step of each sequence. None if all
            are T.
        activation: "tanh" or "relu".

    Returns:
        The states after all steps (N, T, D·H), and the state at the end (D, N, H).

    Raises:
        ArgumentError: there is no such activation, or a length is not from 0 to T.
        ShapeError: the shapes don't fit.
        DTypeError: the dtypes differ, or the lengths are no integers.
    """
    check_activation("rnn", activation)
    inputs, lengths = _inputs("rnn", 1, x, weight_ih, weight_hh, bias_ih, bias_hh, {"h": h}, lengths)
    return RecurrentLayer(lengths, activation)(*inputs)


def lstm(x, weight_ih, weight_hh, bias_ih=None, bias_hh=None, h=None, c=None, lengths=None):
    """A layer of long short-term memory: `lstm_cell` at every step, in one direction or two.

    Args:
        x: sequences (N, T, C).
        weight_ih: (D, C, 4·H), with D = 1 or 2 directions; the gates are in the order of `lstm_cell`.
        weight_hh: (D, H, 4·H).
        bias_ih, bias_hh: (D, 4·H) each, or None.
        h, c: state and cell at the beginning (D, N, H); None for zeros.
        lengths: integers (N,) from 0 to T, see `rnn`; None if all are T.

    Returns:
        The states after all steps (N, T, D·H), state and cell at the end (D, N, H).

    Raises:
        ArgumentError: a length is not from 0 to T.
        ShapeError: the shapes don't fit.
        DTypeError: the dtypes differ, or the lengths are no integers.
    """
    states = {"h": h, "c": c}
    inputs, lengths = _inputs("lstm", 4, x, weight_ih, weight_hh, bias_ih, bias_hh, states, lengths)
    return LongShortTermMemory(lengths)(*inputs)


def gru(x, weight_ih, weight_hh, bias_ih=None, bias_hh=None, h=None, lengths=None):
    """A layer of gated recurrent units: `gru_cell` at every step, in one direction or two.

    Args:
        x: sequences (N, T, C).
        weight_ih: (D, C, 3·H), with D = 1 or 2 directions; the gates are in the order of `gru_cell`.
        weight_hh: (D, H, 3·H).
        bias_ih, bias_hh: (D, 3·H) each, or None.
        h: the state at the beginning (D, N, H); None for zeros.
        lengths: integers (N,) from 0 to T, see `rnn`; None if all are T.

    Returns:
        The states after all steps (N, T, D·H), and the state at the end (D, N, H).

    Raises:
        ArgumentError: a length is not from 0 to T.
        ShapeError: the shapes don't fit.
        DTypeError: the dtypes differ, or the lengths are no integers.
    """
    inputs, lengths = _inputs("gru", 3, x, weight_ih, weight_hh, bias_ih, bias_hh, {"h": h}, lengths)
    return GatedRecurrentUnits(lengths)(*inputs)


def _as_rows(x):
    return x.reshape(x.shape[0] * x.shape[1], x.shape[2])


def _inputs(operation, gates, x, weight_ih, weight_hh, bias_ih, bias_hh, states, lengths):
    """All inputs as tensors, zeros in place of None, and the lengths as an array; all of it checked."""
    x, weight_ih, weight_hh = as_tensor(x), as_tensor(weight_ih), as_tensor(weight_hh)
    if x.ndim != 3:
        raise ShapeError(f"{operation}: x must be (N, T, C), but has shape {x.shape}")
    if (
        weight_hh.ndim != 3
        or weight_hh.shape[0] not in (1, 2)
        or weight_hh.shape[2] != gates * weight_hh.shape[1]
    ):
        raise ShapeError(
            f"{operation}: weight_hh must have shape (1 or 2 directions, H, {gates}·H), not {weight_hh.shape}"
        )
    directions, hidden, columns = weight_hh.shape
    if weight_ih.shape != (directions, x.shape[2], columns):
        raise ShapeError(
            f"{operation}: x has {x.shape[2]} features (shape {x.shape}), so weight_ih must have shape "
            f"{(directions, x.shape[2], columns)}, not {weight_ih.shape}"
        )
    others = [None if value is None else as_tensor(value) for value in (bias_ih, bias_hh, *states.values())]
    if precision.open_blocks:
        x, weight_ih, weight_hh, *others = as_factors(x, weight_ih, weight_hh, *others)
    xp = array_module(x.data)
    shapes = {"bias_ih": (directions, columns), "bias_hh": (directions, columns)}
    shapes |= dict.fromkeys(states, (directions, x.shape[0], hidden))
    inputs = [x, weight_ih, weight_hh]
    for (name, shape), value in zip(shapes.items(), others, strict=True):
        value = Tensor(xp.zeros(shape, x.dtype)) if value is None else value
        if value.shape != shape:
            raise ShapeError(f"{operation}: {name} must have shape {shape}, not {value.shape}")
        inputs.append(value)
    names = ("x", "weight_ih", "weight_hh", *shapes)
    for name, value in zip(names, inputs, strict=True):
        if value.dtype != x.dtype or value.dtype.kind != "f":
            raise DTypeError(
                f"{operation}: {name} is {value.dtype}; x ({x.dtype}), weights and states must have one "
                "floating-point dtype"
            )
    return inputs, _lengths(operation, xp, lengths, x)


def _lengths(operation, xp, lengths, x):
    if lengths is None:
        return xp.full(x.shape[0], x.shape[1], np.int64)
    lengths = as_array(lengths.data if isinstance(lengths, Tensor) else lengths)
    if lengths.dtype.kind not in "iu":
        raise DTypeError(f"{operation}: lengths must be integers, not {lengths.dtype}")
    if lengths.shape != x.shape[:1]:
        raise ShapeError(f"{operation}: lengths must have shape {x.shape[:1]}, not {lengths.shape}")
    on_gpu = is_on_gpu(lengths)  # there they are not looked at: the kernels keep within bounds
    if lengths.size and not on_gpu and (lengths.min() < 0 or lengths.max() > x.shape[1]):
        raise ArgumentError(f"{operation}: lengths must lie from 0 to {x.shape[1]}, the number of steps")
    return xp.asarray(lengths).astype(np.int64)
