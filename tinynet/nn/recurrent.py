"""Recurrent layers for whole sequences: plain ones, LSTM and GRU."""

from tinynet import functional as F
from tinynet.autograd import as_tensor
from tinynet.errors import ArgumentError, ShapeError
from tinynet.nn.arguments import count, fraction
from tinynet.nn.module import Module
from tinynet.nn.recurrent_cells import add_weights, fill_forget_bias

__all__ = ["GRU", "LSTM", "RNN"]


class _Recurrent(Module):
    """
    Layers may be stacked, each reading the output of the one before, and may read the sequences in both
    directions. The parameters of layer k are ``weight_ih_lk`` (in, G·H), ``weight_hh_lk`` (H, G·H),
    ``bias_ih_lk`` and ``bias_hh_lk`` (G·H,), with ``_reverse`` behind the names for the second direction: the
    names and the order of gates of PyTorch, whose weights are the transposes. Input weights start
    Glorot-uniform, recurrent ones orthogonal, biases at zero.

    Args:
        input_size: C, the size of the last axis of the input.
        hidden_size: H, the number of hidden units of each direction.
        num_layers: how many layers are stacked.
        bias: whether there are biases.
        dropout: the probability with which outputs that go to the next layer are dropped in training.
        bidirectional: whether each layer reads the sequences in both directions.
        generator: the source of the initial weights and of dropout; the default generator if None.

    Raises:
        ArgumentError: a size is not an integer of at least 1, or the probability lies outside [0, 1].
        ShapeError: in forward, when the shapes don't fit.
    """

    gates = 1

    def __init__(
        self,
        input_size,
        hidden_size,
        num_layers=1,
        bias=True,
        dropout=0.0,
        bidirectional=False,
        *,
        generator=None,
    ):
        self.input_size = count(self, "input_size", input_size)
        self.hidden_size = count(self, "hidden_size", hidden_size)
        self.num_layers = count(self, "num_layers", num_layers)
        self.bias = bool(bias)
        self.dropout = fraction(self, "dropout", dropout)
        self.bidirectional = bool(bidirectional)
        self.generator = generator
        columns = self.gates * self.hidden_size
        for layer in range(self.num_layers):
            inputs = self.input_size if layer == 0 else self.directions * self.hidden_size
            for ending in self._endings(layer):
                add_weights(self, (inputs, self.hidden_size, columns), self.bias, ending, generator)

    @property
    def directions(self):
        """How many directions the sequences are read in."""
        return 2 if self.bidirectional else 1

    def _endings(self, layer):
        """How the names of a layer's parameters end, for each direction."""
        return (f"_l{layer}", f"_l{layer}_reverse")[: self.directions]

    def _weights(self, layer):
        """The parameters of a layer as the functions take them, with the direction as first axis."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh") if self.bias else ("weight_ih", "weight_hh")
        return [
            F.stack([getattr(self, name + ending) for ending in self._endings(layer)]) for name in names
        ] + [None] * (4 - len(names))

    def _run(self, x, states, lengths):
        """The output of the last layer, and for each kind of state those at the end, stacked."""
        x = as_tensor(x)
        if x.ndim != 3 or x.shape[-1] != self.input_size:
            raise ShapeError(
                f"{type(self).__name__}: x must have the shape (N, T, {self.input_size}), not {x.shape}"
            )
        self._check_states(x, states)
        ends = []
        for layer in range(self.num_layers):
            rows = slice(layer * self.directions, (layer + 1) * self.directions)
            begin = [None if state is None else state[rows] for state in states]
            x, *end = self._layer(x, self._weights(layer), begin, lengths)
            ends.append(end)
            if layer < self.num_layers - 1:
                x = F.dropout(x, self.dropout, self.training, self.generator)
        return x, [F.concatenate(parts) for parts in zip(*ends, strict=True)]

    def _check_states(self, x, states):
        shape = self.num_layers * self.directions, x.shape[0], self.hidden_size
        for state in states:
            if state is not None and state.shape != shape:
                raise ShapeError(
                    f"{type(self).__name__}: a state must have the shape {shape}, "
                    f"(layers · directions, N, H), not {state.shape}"
                )

    def _layer(self, x, weights, states, lengths):
        raise NotImplementedError

    def multiply_adds(self, input_shape, output_shape):
        """Multiplications with a following addition, for arrays of these shapes."""
        weights = [p.size for name, p in self.named_parameters() if name.startswith("weight")]
        return input_shape[0] * input_shape[1] * sum(weights)

    def extra_repr(self):
        text = f"{self.input_size}, {self.hidden_size}"
        text += f", num_layers={self.num_layers}" if self.num_layers > 1 else ""
        text += "" if self.bias else ", bias=False"
        text += f", dropout={self.dropout}" if self.dropout else ""
        return text + (", bidirectional=True" if self.bidirectional else "")


class RNN(_Recurrent):
    __doc__ = f"""A plain recurrent layer: h' = tanh(x · W_ih + b_ih + h · W_hh + b_hh) at every step.

    {_Recurrent.__doc__}
    Besides, ``nonlinearity`` is "tanh" or "relu". Source: Elman, "Finding structure in time", 1990.
    """

    def __init__(self, input_size, hidden_size, num_layers=1, nonlinearity="tanh", **options):
        if nonlinearity not in ("tanh", "relu"):
            raise ArgumentError(f"RNN: nonlinearity must be 'tanh' or 'relu', not {nonlinearity!r}")
        self.nonlinearity = nonlinearity
        super().__init__(input_size, hidden_size, num_layers, **options)

    def _layer(self, x, weights, states, lengths):
        return F.rnn(x, *weights, *states, lengths=lengths, activation=self.nonlinearity)

    def forward(self, x, state=None, lengths=None):
        """(N, T, C) → the output of the last layer (N, T, D·H) and all states at the end.

        Args:
            x: sequences (N, T, C).
            state: (layers · D, N, H), zeros if None.
            lengths: integers (N,): steps beyond neither change the state nor receive a gradient, and their
                output is 0. None if all sequences have T steps.
        """
        y, (end,) = self._run(x, (_as_state(state),), lengths)
        return y, end

    def extra_repr(self):
        return super().extra_repr() + ("" if self.nonlinearity == "tanh" else ", nonlinearity='relu'")


class LSTM(_Recurrent):
    __doc__ = f"""Long short-term memory; see `functional.lstm_cell` for what happens at every step.

    The gates are in the order input, forget, candidate, output, so G = 4.

    {_Recurrent.__doc__}
    Besides, ``forget_bias`` is what the biases of the forget gates start with; 1 lets the cells remember in
    the beginning. Sources: Hochreiter & Schmidhuber, "Long short-term memory", 1997; Jozefowicz, Zaremba &
    Sutskever, "An empirical exploration of recurrent network architectures", 2015, for the bias.
    """

    gates = 4

    def __init__(self, input_size, hidden_size, num_layers=1, forget_bias=1.0, **options):
        super().__init__(input_size, hidden_size, num_layers, **options)
        self.forget_bias = float(forget_bias)
        if self.bias:
            for layer in range(self.num_layers):
                for ending in self._endings(layer):
                    fill_forget_bias(getattr(self, "bias_ih" + ending), forget_bias)

    def _layer(self, x, weights, states, lengths):
        return F.lstm(x, *weights, *states, lengths=lengths)

    def forward(self, x, state=None, lengths=None):
        """(N, T, C) → the output of the last layer (N, T, D·H), and all states and all cells at the end.

        Args:
            x: sequences (N, T, C).
            state: a pair (h, c), (layers · D, N, H) each; zeros if None.
            lengths: integers (N,): steps beyond neither change the state nor receive a gradient, and their
                output is 0. None if all sequences have T steps.
        """
        h, c = (None, None) if state is None else state
        y, (h, c) = self._run(x, (_as_state(h), _as_state(c)), lengths)
        return y, (h, c)


class GRU(_Recurrent):
    __doc__ = f"""Gated recurrent units; see `functional.gru_cell` for what happens at every step.

    The gates are in the order reset, update, candidate, so G = 3.

    {_Recurrent.__doc__}
    Source: Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014.
    """

    gates = 3

    def _layer(self, x, weights, states, lengths):
        return F.gru(x, *weights, *states, lengths=lengths)

    def forward(self, x, state=None, lengths=None):
        """(N, T, C) → the output of the last layer (N, T, D·H) and all states at the end.

        Args:
            x: sequences (N, T, C).
            state: (layers · D, N, H), zeros if None.
            lengths: integers (N,): steps beyond neither change the state nor receive a gradient, and their
                output is 0. None if all sequences have T steps.
        """
        y, (end,) = self._run(x, (_as_state(state),), lengths)
        return y, end


def _as_state(state):
    return None if state is None else as_tensor(state)
