"""Single steps of recurrent layers, for loops that are written out."""

from tinynet import functional as F
from tinynet.autograd import Tensor, as_tensor, versions
from tinynet.backend import array_module
from tinynet.errors import ArgumentError
from tinynet.nn import init
from tinynet.nn.arguments import count, empty_parameter
from tinynet.nn.module import Module

__all__ = ["GRUCell", "LSTMCell", "RNNCell"]


class _Cell(Module):
    """
    The parameters ``weight_ih`` (in, G·H), ``weight_hh`` (H, G·H), ``bias_ih`` and ``bias_hh`` (G·H,) have
    the names and the order of gates of PyTorch, whose weights are the transposes. The input weight starts
    Glorot-uniform, the recurrent one orthogonal, biases at zero.

    Args:
        input_size: C, the size of the last axis of the input.
        hidden_size: H, the number of hidden units.
        bias: whether there are biases.
        generator: the source of the initial weights; the default generator if None.

    Raises:
        ArgumentError: a size is not an integer of at least 1.
        ShapeError: in forward, when the shapes don't fit.
    """

    gates = 1

    def __init__(self, input_size, hidden_size, bias=True, *, generator=None):
        self.input_size = count(self, "input_size", input_size)
        self.hidden_size = count(self, "hidden_size", hidden_size)
        sizes = self.input_size, self.hidden_size, self.gates * self.hidden_size
        add_weights(self, sizes, bias, "", generator)

    @property
    def _weights(self):
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def _state(self, x, state):
        if state is not None:
            return state
        return Tensor(array_module(x.data).zeros((x.shape[0], self.hidden_size), x.dtype))

    def multiply_adds(self, input_shape, output_shape):
        """Multiplications with a following addition, for arrays of these shapes."""
        return input_shape[0] * (self.weight_ih.size + self.weight_hh.size)

    def extra_repr(self):
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias_ih is not None else ", bias=False")


class RNNCell(_Cell):
    __doc__ = f"""One step of a plain recurrent layer: h' = tanh(x · W_ih + b_ih + h · W_hh + b_hh).

    {_Cell.__doc__}
    Besides, ``nonlinearity`` is "tanh" or "relu".
    """

    def __init__(self, input_size, hidden_size, bias=True, nonlinearity="tanh", *, generator=None):
        if nonlinearity not in ("tanh", "relu"):
            raise ArgumentError(f"RNNCell: nonlinearity must be 'tanh' or 'relu', not {nonlinearity!r}")
        self.nonlinearity = nonlinearity
        super().__init__(input_size, hidden_size, bias, generator=generator)

    def forward(self, x, state=None):
        """(N, C) and the state (N, H), zeros if None → the new state (N, H)."""
        x = as_tensor(x)
        return F.rnn_cell(x, self._state(x, state), *self._weights, activation=self.nonlinearity)


class LSTMCell(_Cell):
    __doc__ = f"""One step of long short-term memory; see `functional.lstm_cell`. G = 4.

    {_Cell.__doc__}
    Besides, ``forget_bias`` is what the biases of the forget gate start with.
    """

    gates = 4

    def __init__(self, input_size, hidden_size, bias=True, forget_bias=1.0, *, generator=None):
        super().__init__(input_size, hidden_size, bias, generator=generator)
        if bias:
            fill_forget_bias(self.bias_ih, forget_bias)

    def forward(self, x, state=None):
        """(N, C) and the pair of state and cell (N, H), zeros if None → the new pair."""
        x = as_tensor(x)
        h, c = (None, None) if state is None else state
        return F.lstm_cell(x, self._state(x, h), self._state(x, c), *self._weights)


class GRUCell(_Cell):
    __doc__ = f"""One step of gated recurrent units; see `functional.gru_cell`. G = 3.

    {_Cell.__doc__}"""

    gates = 3

    def forward(self, x, state=None):
        """(N, C) and the state (N, H), zeros if None → the new state (N, H)."""
        x = as_tensor(x)
        return F.gru_cell(x, self._state(x, state), *self._weights)


def add_weights(layer, sizes, bias, ending, generator):
    """Gives a layer the weights and biases of one direction, under names that end with `ending`.

    `sizes` are those of the input, of the state, and of all gates together.
    """
    inputs, hidden, columns = sizes
    weight_ih = init.glorot_uniform(empty_parameter(inputs, columns), generator=generator)
    setattr(layer, f"weight_ih{ending}", weight_ih)
    weight_hh = init.orthogonal(empty_parameter(hidden, columns), generator=generator)
    setattr(layer, f"weight_hh{ending}", weight_hh)
    for name in ("bias_ih", "bias_hh"):
        setattr(layer, name + ending, init.zeros(empty_parameter(columns)) if bias else None)


def fill_forget_bias(bias, value):
    """Sets the second of the four parts of an LSTM's bias, which belongs to the forget gate."""
    hidden = bias.shape[0] // 4
    bias.data[hidden : 2 * hidden] = value
    versions.mark_changed(bias.data)
