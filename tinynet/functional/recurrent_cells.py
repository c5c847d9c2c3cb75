"""One step of recurrent layers, and whole sequences made of such steps, from basic operations.

The functions of `recurrent` compute the same in one operation. These are its definition: they are what it is
tested against, and how its second derivatives are computed.
"""

from tinynet.autograd import Tensor, as_tensor, precision
from tinynet.backend import array_module
from tinynet.errors import ArgumentError, DTypeError, ShapeError
from tinynet.functional.activations import relu, sigmoid, tanh
from tinynet.functional.conversion import as_factors
from tinynet.functional.elementwise import where
from tinynet.functional.joining import concatenate, split, stack
from tinynet.functional.linear import linear

__all__ = ["gru_cell", "lstm_cell", "rnn_cell"]

ACTIVATIONS = {"tanh": tanh, "relu": relu}


def rnn_cell(x, h, weight_ih, weight_hh, bias_ih=None, bias_hh=None, activation="tanh"):
    """One step of a plain recurrent layer: h' = tanh(x · weight_ih + bias_ih + h · weight_hh + bias_hh).

    Args:
        x: the input (N, C).
        h: the state (N, H).
        weight_ih: (C, H).
        weight_hh: (H, H).
        bias_ih, bias_hh: (H,) each, or None.
        activation: "tanh" or "relu".

    Returns:
        The new state (N, H).

    Raises:
        ArgumentError: there is no such activation.
        ShapeError: the shapes don't fit.
        DTypeError: the dtypes differ.

    Source: Elman, "Finding structure in time", 1990.
    """
    check_activation("rnn_cell", activation)
    x, h = _checked("rnn_cell", 1, x, h, weight_hh)
    return ACTIVATIONS[activation](linear(x, weight_ih, bias_ih) + linear(h, weight_hh, bias_hh))


def lstm_cell(x, h, c, weight_ih, weight_hh, bias_ih=None, bias_hh=None):
    """One step of long short-term memory.

    (i, f, g, o) = x · weight_ih + bias_ih + h · weight_hh + bias_hh, then c' = σ(f) · c + σ(i) · tanh(g) and
    h' = σ(o) · tanh(c'), element by element.

    Args:
        x: the input (N, C).
        h, c: state and cell (N, H).
        weight_ih: (C, 4·H), columns in the order input gate, forget gate, candidate, output gate.
        weight_hh: (H, 4·H), in the same order.
        bias_ih, bias_hh: (4·H,) each, or None.

    Returns:
        The new state and the new cell, (N, H) each.

    Raises:
        ShapeError: the shapes don't fit.
        DTypeError: the dtypes differ.

    Sources: Hochreiter & Schmidhuber, "Long short-term memory", 1997; Gers, Schmidhuber & Cummins, "Learning
    to forget", 2000, for the forget gate.
    """
    x, h = _checked("lstm_cell", 4, x, h, weight_hh)
    c = as_tensor(c)
    if c.shape != h.shape:
        raise ShapeError(f"lstm_cell: c must have the shape of h, {h.shape}, not {c.shape}")
    i, f, g, o = split(linear(x, weight_ih, bias_ih) + linear(h, weight_hh, bias_hh), 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def gru_cell(x, h, weight_ih, weight_hh, bias_ih=None, bias_hh=None):
    """One step of gated recurrent units.

    With (p_r, p_u, p_n) = x · weight_ih + bias_ih and (q_r, q_u, q_n) = h · weight_hh + bias_hh, the gates
    are r = σ(p_r + q_r) and u = σ(p_u + q_u), the candidate is n = tanh(p_n + r · q_n), and
    h' = (1 − u) · n + u · h, element by element.

    Args:
        x: the input (N, C).
        h: the state (N, H).
        weight_ih: (C, 3·H), columns in the order reset gate, update gate, candidate.
        weight_hh: (H, 3·H), in the same order.
        bias_ih, bias_hh: (3·H,) each, or None.

    Returns:
        The new state (N, H).

    Raises:
        ShapeError: the shapes don't fit.
        DTypeError: the dtypes differ.

    Source: Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014; the reset comes
    behind the product here, as in PyTorch and in Keras' ``reset_after``.
    """
    x, h = _checked("gru_cell", 3, x, h, weight_hh)
    p_r, p_u, p_n = split(linear(x, weight_ih, bias_ih), 3, axis=-1)
    q_r, q_u, q_n = split(linear(h, weight_hh, bias_hh), 3, axis=-1)
    r, u = sigmoid(p_r + q_r), sigmoid(p_u + q_u)
    n = tanh(p_n + r * q_n)
    return (1.0 - u) * n + u * h


def run_cell(cell, x, weights, states, lengths):
    """A layer of one or two directions, step by step.

    Args:
        cell: the step: called with x (N, C), the states (N, H) and the weights of one direction; gives the
            new states as a tuple.
        x: (N, T, C).
        weights: tensors whose first axis is the direction.
        states: tensors (D, N, H), of which the first is also the output.
        lengths: an array (N,).

    Returns:
        The output (N, T, D·H) and the states at the end (D, N, H).
    """
    outputs, ends = [], []
    for direction in range(weights[0].shape[0]):
        output, end = _run_direction(
            cell,
            x,
            [weight[direction] for weight in weights],
            tuple([state[direction] for state in states]),
            lengths,
            is_reverse=direction == 1,
        )
        outputs.append(output)
        ends.append(end)
    together = [stack(states, axis=0) for states in zip(*ends, strict=True)]
    return (concatenate(outputs, axis=-1), *together)


def _run_direction(cell, x, weights, states, lengths, is_reverse):
    steps = x.shape[1]
    xp = array_module(x.data)
    zeros = Tensor(xp.zeros(states[0].shape, x.dtype))
    outputs = [zeros] * steps
    for time in reversed(range(steps)) if is_reverse else range(steps):
        is_active = Tensor((lengths > time)[:, None])
        new = cell(x[:, time], states, weights)
        outputs[time] = where(is_active, new[0], zeros)
        states = tuple([where(is_active, *pair) for pair in zip(new, states, strict=True)])
    empty = Tensor(xp.zeros((x.shape[0], 0, *zeros.shape[1:]), x.dtype))
    return stack(outputs, axis=1) if steps else empty, states


def check_activation(operation, activation):
    """Raises ArgumentError unless there is such an activation."""
    if activation not in ACTIVATIONS:
        raise ArgumentError(f"{operation}: activation must be 'tanh' or 'relu', not {activation!r}")


def _checked(operation, gates, x, h, weight_hh):
    """x and h as tensors; what else there is to check is checked by `linear`."""
    x, h, weight_hh = as_tensor(x), as_tensor(h), as_tensor(weight_hh)
    hidden = weight_hh.shape[0] if weight_hh.ndim == 2 else None
    if hidden is None or weight_hh.shape[1] != gates * hidden:
        raise ShapeError(f"{operation}: weight_hh must have shape (H, {gates}·H), not {weight_hh.shape}")
    if x.ndim != 2 or h.shape != (x.shape[0], hidden):
        raise ShapeError(
            f"{operation}: x must be (N, C) and h (N, {hidden}), not {x.shape} and {h.shape}; weight_hh has "
            f"shape {weight_hh.shape}"
        )
    if precision.open_blocks:
        x, h = as_factors(x, h)
    if x.dtype != h.dtype:
        raise DTypeError(f"{operation}: x is {x.dtype} but h is {h.dtype}")
    return x, h
