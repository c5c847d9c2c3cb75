"""Recurrent layers over whole sequences: what happens from one step to the next, in both directions.

What a step adds to its input does not depend on the steps before, so the products of all inputs with the
input weights are one matrix product, made beforehand. The functions here take its result, the *input terms*
p (N, T, D, G·H), and do the rest: the product of the state with the recurrent weight, and the gates.

N is the number of sequences, T that of steps, H that of hidden units, G that of gates. D is the number of
directions, 1 or 2: direction 0 reads the steps from first to last, direction 1 from last to first. With h the
state before a step, W the recurrent weight (H, G·H), and * element by element:

* `rnn_forward` (Elman, "Finding structure in time", 1990), G = 1:
  ``h' = tanh(p + h·W)``, or relu in place of tanh;
* `lstm_forward` (Hochreiter & Schmidhuber, "Long short-term memory", 1997; with the forget gate of Gers,
  Schmidhuber & Cummins, "Learning to forget", 2000), gates in the order input, forget, candidate, output:
  ``(i, f, g, o) = p + h·W``, ``c' = σ(f) * c + σ(i) * tanh(g)``, ``h' = σ(o) * tanh(c')``;
* `gru_forward` (Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014, in the form
  that lets the product come before the reset), gates in the order reset, update, candidate; there is a bias b
  (3·H,) of the recurrent product since a part of it is scaled by the reset gate:
  ``r = σ(p_r + h·W_r + b_r)``, ``u = σ(p_u + h·W_u + b_u)``, ``n = tanh(p_n + r * (h·W_n + b_n))``,
  ``h' = (1 − u) * n + u * h``.

Sequences may have lengths (N,): the steps beyond neither change the state nor receive a gradient, their
output is 0, and direction 1 begins at the last step of each sequence. Lengths on a GPU are not looked at,
which would make the program wait: wrong ones are taken for the nearest possible length.
"""

import numpy as np

from tinynet_kernels.dispatch import FLOATS, Family, array_module

__all__ = ["gru_backward", "gru_forward", "lstm_backward", "lstm_forward", "rnn_backward", "rnn_forward"]

ACTIVATIONS = ("tanh", "relu")

_family = Family(__name__, gpu=FLOATS, widens=True)


def rnn_forward(p, weight, h, lengths=None, activation="tanh"):
    """A plain recurrent layer; see above.

    Args:
        p: the input terms (N, T, D, H).
        weight: (D, H, H).
        h: the state at the beginning (D, N, H).
        lengths: integers (N,) from 0 to T, or None if all are T.
        activation: ``"tanh"`` or ``"relu"``.

    Returns:
        The outputs (N, T, D, H) and the state at the end (D, N, H).

    Raises:
        ValueError: the shapes do not fit, a length is not from 0 to T, or there is no such activation.
    """
    lengths = _checked("rnn_forward", 1, p, weight, {"h": h}, lengths)
    _check_activation("rnn_forward", activation)
    return _family.take(p, weight, h).rnn_forward(p, weight, h, lengths, activation)


def rnn_backward(gy, gh, y, weight, h, lengths=None, activation="tanh"):
    """The gradients by p, weight and h, from those by the two results of `rnn_forward`, of which y is one."""
    lengths = _checked("rnn_backward", 1, y, weight, {"h": h, "gh": gh}, lengths, y=y, gy=gy)
    _check_activation("rnn_backward", activation)
    return _family.take(gy, gh, y, weight, h).rnn_backward(gy, gh, y, weight, h, lengths, activation)


def lstm_forward(p, weight, h, c, lengths=None, keep=True):
    """A layer of long short-term memory; see above.

    Args:
        p: the input terms (N, T, D, 4·H).
        weight: (D, H, 4·H).
        h, c: state and cell at the beginning (D, N, H).
        lengths: integers (N,) from 0 to T, or None if all are T.
        keep: whether to return what `lstm_backward` needs.

    Returns:
        The outputs (N, T, D, H), state and cell at the end (D, N, H), and either the gates (N, T, D, 4·H) and
        the cells (N, T, D, H) of all steps, or None and None.

    Raises:
        ValueError: the shapes do not fit, or a length is not from 0 to T.
    """
    lengths = _checked("lstm_forward", 4, p, weight, {"h": h, "c": c}, lengths)
    return _family.take(p, weight, h, c).lstm_forward(p, weight, h, c, lengths, keep)


def lstm_backward(gy, gh, gc, y, gates, cells, weight, h, c, lengths=None):
    """The gradients by p, weight, h and c, from those by the first three results of `lstm_forward`."""
    states = {"h": h, "c": c, "gh": gh, "gc": gc}
    lengths = _checked("lstm_backward", 4, gates, weight, states, lengths, y=y, gy=gy, cells=cells)
    take = _family.take(gy, gh, gc, y, gates, cells, weight, h, c)
    return take.lstm_backward(gy, gh, gc, y, gates, cells, weight, h, c, lengths)


def gru_forward(p, weight, bias, h, lengths=None, keep=True):
    """A layer of gated recurrent units; see above.

    Args:
        p: the input terms (N, T, D, 3·H).
        weight: (D, H, 3·H).
        bias: of the recurrent product (D, 3·H).
        h: the state at the beginning (D, N, H).
        lengths: integers (N,) from 0 to T, or None if all are T.
        keep: whether to return what `gru_backward` needs.

    Returns:
        The outputs (N, T, D, H), the state at the end (D, N, H), and either the gates of all steps
        (N, T, D, 4·H), reset, update, candidate and ``h·W_n + b_n``, or None.

    Raises:
        ValueError: the shapes do not fit, or a length is not from 0 to T.
    """
    lengths = _checked("gru_forward", 3, p, weight, {"h": h}, lengths)
    _check_bias("gru_forward", bias, weight)
    return _family.take(p, weight, bias, h).gru_forward(p, weight, bias, h, lengths, keep)


def gru_backward(gy, gh, y, gates, weight, h, lengths=None):
    """The gradients by p, weight, bias and h, from those by the first two results of `gru_forward`."""
    lengths = _checked("gru_backward", 3, gates[..., : weight.shape[-1]], weight, {"h": h, "gh": gh}, lengths,
                       y=y, gy=gy)  # fmt: skip
    return _family.take(gy, gh, y, gates, weight, h).gru_backward(gy, gh, y, gates, weight, h, lengths)


def _checked(name, gates, p, weight, states, lengths, **outputs):
    """The lengths as an int64 array, after everything else was checked."""
    if p.ndim != 4 or p.shape[2] not in (1, 2) or p.shape[3] % gates:
        raise ValueError(
            f"recurrent.{name}: the input terms must be (N, T, 1 or 2 directions, {gates}·H), not {p.shape}"
        )
    sequences, steps, directions, columns = p.shape
    hidden = columns // gates
    if weight.shape != (directions, hidden, columns):
        raise ValueError(
            f"recurrent.{name}: weight must have shape {(directions, hidden, columns)}, not {weight.shape}"
        )
    expected = {key: ((directions, sequences, hidden), array) for key, array in states.items()}
    expected |= {key: ((sequences, steps, directions, hidden), array) for key, array in outputs.items()}
    for key, (shape, array) in expected.items():
        if array.shape != shape:
            raise ValueError(f"recurrent.{name}: {key} must have shape {shape}, not {array.shape}")
    xp = array_module(p)
    if lengths is None:
        return xp.full(sequences, steps, xp.int64)
    is_on_device = xp is not np and isinstance(lengths, type(p))
    lengths = lengths if is_on_device else np.asarray(lengths)
    if lengths.shape != (sequences,) or lengths.dtype.kind not in "iu":
        raise ValueError(
            f"recurrent.{name}: lengths must be integers of shape {(sequences,)}, not {lengths.dtype} of "
            f"shape {lengths.shape}"
        )
    if not is_on_device and lengths.size and (lengths.min() < 0 or lengths.max() > steps):
        raise ValueError(f"recurrent.{name}: lengths must lie from 0 to {steps}, the number of steps")
    lengths = xp.asarray(lengths).astype(xp.int64)  # a copy that is contiguous, as the takes need it
    return xp.clip(lengths, 0, steps) if is_on_device else lengths


def _check_bias(name, bias, weight):
    shape = weight.shape[0], weight.shape[2]
    if bias.shape != shape:
        raise ValueError(f"recurrent.{name}: bias must have shape {shape}, not {bias.shape}")


def _check_activation(name, activation):
    if activation not in ACTIVATIONS:
        raise ValueError(f"recurrent.{name}: activation must be 'tanh' or 'relu', not {activation!r}")
