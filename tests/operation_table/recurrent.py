"""Recurrent layers and their single steps, by loops over sequences and steps."""

import numpy as np

from operation_table.core import Operation, normal, sample
from tinynet import functional

LENGTHS = np.array([3, 1, 4])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def no_bias(*weights):
    """Weights and biases of one direction, with zeros for biases that are not there."""
    return [*weights, *[0.0] * (4 - len(weights))]


def rnn_cell(x, h, *weights, activation="tanh"):
    weight_ih, weight_hh, bias_ih, bias_hh = no_bias(*weights)
    z = x @ weight_ih + bias_ih + h @ weight_hh + bias_hh
    return np.tanh(z) if activation == "tanh" else np.maximum(z, 0)


def lstm_cell(x, h, c, *weights):
    weight_ih, weight_hh, bias_ih, bias_hh = no_bias(*weights)
    i, f, g, o = np.split(x @ weight_ih + bias_ih + h @ weight_hh + bias_hh, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_cell(x, h, *weights):
    weight_ih, weight_hh, bias_ih, bias_hh = no_bias(*weights)
    r, u, n = np.split(x @ weight_ih + bias_ih, 3, axis=-1)
    r_state, u_state, n_state = np.split(h @ weight_hh + bias_hh, 3, axis=-1)
    r, u = sigmoid(r + r_state), sigmoid(u + u_state)
    return (1 - u) * np.tanh(n + r * n_state) + u * h


def layer(cell, x, weights, states, lengths):
    """Outputs and states at the end, one sequence and one direction after the other."""
    (sequences, steps), (directions, hidden) = x.shape[:2], weights[1].shape[:2]
    y = np.zeros((sequences, steps, directions * hidden), x.dtype)
    ends = [state.copy() for state in states]
    for n in range(sequences):
        length = steps if lengths is None else lengths[n]
        for d in range(directions):
            state = tuple(end[d, n] for end in ends)
            for t in reversed(range(length)) if d else range(length):
                state = cell(x[n, t], *state, *[weight[d] for weight in weights])
                state = state if isinstance(state, tuple) else (state,)
                y[n, t, d * hidden : (d + 1) * hidden] = state[0]
            for end, value in zip(ends, state, strict=True):
                end[d, n] = value
    return y, *ends


def rnn(x, h, *weights, lengths=None, activation="tanh"):
    def cell(*arguments):
        return rnn_cell(*arguments, activation=activation)

    return layer(cell, x, weights, (h,), lengths)


def lstm(x, h, c, *weights, lengths=None):
    return layer(lstm_cell, x, weights, (h, c), lengths)


def gru(x, h, *weights, lengths=None):
    return layer(gru_cell, x, weights, (h,), lengths)


def transposed(array):
    return array.T if array.ndim == 2 else array


def torch_cell(name):
    """The cell of PyTorch, whose weights are the transposes of ours."""

    def call(torch, x, *inputs, activation="tanh"):
        states = 2 if name == "lstm" else 1
        weights = [transposed(array) for array in inputs[states:]]
        function = getattr(torch, f"rnn_{activation}_cell" if name == "rnn" else f"{name}_cell")
        return function(x, inputs[:states] if states == 2 else inputs[0], *weights)

    return call


def torch_layer(name):
    """The layer of PyTorch, on packed sequences if there are lengths."""

    def call(torch, x, *inputs, lengths=None, activation="tanh"):
        states = 2 if name == "lstm" else 1
        begin = inputs[:states] if states == 2 else inputs[0]
        weights = [transposed(a[d]) for d in range(inputs[states].shape[0]) for a in inputs[states:]]
        function = getattr(torch, f"rnn_{activation}" if name == "rnn" else name)
        options = len(inputs) > states + 2, 1, 0.0, False, inputs[states].shape[0] == 2
        # Dense sequences take x and an option for its order of axes, packed ones the data and sizes.
        if lengths is None:
            return function(x, begin, weights, *options, True)
        utilities = torch.nn.utils.rnn
        packed = utilities.pack_padded_sequence(
            x, torch.tensor(lengths), batch_first=True, enforce_sorted=False
        )
        order, back = packed.sorted_indices, packed.unsorted_indices
        begin = tuple(b[:, order] for b in begin) if states == 2 else begin[:, order]
        data, *ends = function(packed.data, packed.batch_sizes, begin, weights, *options)
        packed = utilities.PackedSequence(data, packed.batch_sizes, order, back)
        y, _ = utilities.pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
        return y, *[end[:, back] for end in ends]

    return call


def states_first(function, states):
    """The operation with its states before the weights, so that these may be left out from the end."""

    def call(x, *inputs, **options):
        weights = [*inputs[states:], *[None] * (4 - len(inputs) + states)]
        return function(x, *weights, *inputs[:states], **options)

    return call


def cell_samples(states, gates, **options):
    state, columns = [normal(3, 2)] * states, gates * 2
    weights = normal(4, columns), normal(2, columns)
    return (
        sample(normal(3, 4), *state, *weights, normal(columns), normal(columns), **options),
        sample(normal(3, 4), *state, *weights, **options),
    )


def layer_samples(states, gates, **options):
    def one(directions, steps, with_bias, **more):
        columns = gates * 2
        weights = [normal(directions, 3, columns), normal(directions, 2, columns)]
        weights += [normal(directions, columns)] * 2 * with_bias
        state = [normal(directions, 3, 2)] * states
        return sample(normal(3, steps, 3), *state, *weights, **more, **options)

    return (
        one(1, 3, True),
        one(2, 2, False),
        one(2, 4, True, lengths=LENGTHS),
        one(1, 4, True, lengths=LENGTHS),
    )


OPERATIONS = [
    Operation(
        "rnn_cell",
        cell_samples(1, 1) + cell_samples(1, 1, activation="relu"),
        rnn_cell,
        torch_cell("rnn"),
    ),
    Operation("lstm_cell", cell_samples(2, 4), lstm_cell, torch_cell("lstm")),
    Operation("gru_cell", cell_samples(1, 3), gru_cell, torch_cell("gru")),
    Operation(
        "rnn",
        layer_samples(1, 1) + layer_samples(1, 1, activation="relu"),
        rnn,
        torch_layer("rnn"),
        states_first(functional.rnn, 1),
        empty=None,
    ),
    Operation(
        "lstm", layer_samples(2, 4), lstm, torch_layer("lstm"), states_first(functional.lstm, 2), empty=None
    ),
    Operation(
        "gru", layer_samples(1, 3), gru, torch_layer("gru"), states_first(functional.gru, 1), empty=None
    ),
]
