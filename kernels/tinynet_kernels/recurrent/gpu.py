"""Recurrent layers on the GPU: a matrix product and one launch for every step. See gpu.cu.

Every step is launched for all sequences, since how many of them are long enough is not known without waiting
for the GPU. float16 is computed with as float32.
"""

from tinynet_kernels import matmul
from tinynet_kernels.cuda import Source, blocks_for, contiguous, empty, launch, zeros

_source = Source(__package__)

_THREADS = 128


def rnn_forward(p, weight, h, lengths, activation):
    layer = _Layer(p.shape, h, weight, lengths)
    p, y = contiguous(p), layer.over_steps(1)

    def step(number, product, state):
        layer.launch("rnn_step", (p, product, state, y, activation == "tanh"), number)

    return y, layer.forward(h, step)


def rnn_backward(gy, gh, y, weight, h, lengths, activation):
    layer = _Layer(y.shape, h, weight, lengths)
    gp, y = layer.over_steps(1), contiguous(y)
    given = contiguous(gy), y

    def step(number, *carried):
        layer.launch("rnn_step_backward", (*given, *carried, gp, activation == "tanh"), number)

    gh = layer.backward(gh, step)
    return gp, layer.weight_gradient(y, h, gp), gh


def lstm_forward(p, weight, h, c, lengths, keep):
    layer = _Layer(p.shape, h, weight, lengths)
    p, y, cell = contiguous(p), layer.over_steps(1), layer.accumulators(c)
    gates, cells = (layer.over_steps(4), layer.over_steps(1)) if keep else (None, None)

    def step(number, product, state):
        layer.launch("lstm_step", (p, product, state, cell, y, gates, cells), number)

    state = layer.forward(h, step)
    return y, state, cell.astype(c.dtype, copy=False), gates, cells


def lstm_backward(gy, gh, gc, y, gates, cells, weight, h, c, lengths):
    layer = _Layer(y.shape, h, weight, lengths)
    gp, carried_cell = layer.over_steps(4), layer.accumulators(gc)
    given = (*map(contiguous, (gy, gates, cells, c)),)

    def step(number, carried, product, gz):
        arrays = *given, carried, carried_cell, product, gz, gp
        layer.launch("lstm_step_backward", arrays, number)

    gh = layer.backward(gh, step)
    return gp, layer.weight_gradient(y, h, gp), gh, carried_cell.astype(gc.dtype, copy=False)


def gru_forward(p, weight, bias, h, lengths, keep):
    layer = _Layer(p.shape, h, weight, lengths)
    p, bias, y = contiguous(p), contiguous(bias), layer.over_steps(1)
    gates = layer.over_steps(4) if keep else None

    def step(number, product, state):
        layer.launch("gru_step", (p, product, bias, state, y, gates), number)

    return y, layer.forward(h, step), gates


def gru_backward(gy, gh, y, gates, weight, h, lengths):
    layer = _Layer(y.shape, h, weight, lengths)
    gp, gproduct = layer.over_steps(3), layer.over_steps(3)
    given = (*map(contiguous, (gy, y, gates, h)),)

    def step(number, *carried):
        layer.launch("gru_step_backward", (*given, *carried, gp, gproduct), number)

    gh = layer.backward(gh, step)
    gbias = gproduct.sum(axis=(0, 1), dtype=layer.accumulator).astype(h.dtype, copy=False)
    return gp, layer.weight_gradient(y, h, gproduct), gbias, gh


class _Layer:
    """The sizes and the weights of one call, and what all kinds of layers do with them."""

    def __init__(self, shape, h, weight, lengths):
        self.sequences, self.steps, self.directions = shape[:3]
        self.hidden = h.shape[2]
        self.dtype = h.dtype
        self.accumulator = "float32" if h.dtype == "float16" else h.dtype
        self.weight = weight.astype(self.accumulator, copy=False)
        self.lengths = contiguous(lengths)

    def over_steps(self, gates):
        """An array (N, T, D, gates·H), into which the steps write all there is."""
        return empty((self.sequences, self.steps, self.directions, gates * self.hidden), self.dtype)

    def accumulators(self, states):
        """A copy of the states (D, N, H) that goes from step to step."""
        return states.astype(self.accumulator, order="C")

    def forward(self, h, step):
        """Takes all steps; returns the state at the end."""
        state = self.accumulators(h)
        product = empty((*h.shape[:2], self.weight.shape[2]), self.accumulator)
        for number in range(self.steps):
            matmul.product(state, self.weight, out=product)
            step(number, product, state)
        return state.astype(self.dtype, copy=False)

    def backward(self, gh, step):
        """Takes all steps back; returns the gradient by the state at the beginning."""
        carried = self.accumulators(gh)
        product = empty(gh.shape, self.accumulator)
        gz = empty((*gh.shape[:2], self.weight.shape[2]), self.accumulator)
        turned = contiguous(self.weight.swapaxes(1, 2))
        for number in reversed(range(self.steps)):
            step(number, carried, product, gz)
            matmul.product(gz, turned, out=product)
        result = empty(gh.shape, self.dtype)
        if result.size and self.steps:
            arguments = carried, product, result, self.lengths, self.sequences, self.directions, self.hidden
            function = _source.function("finish_backward", self.dtype)
            launch(function, blocks_for(result.size, _THREADS), _THREADS, arguments)
        else:
            result[...] = carried
        return result

    def weight_gradient(self, y, h, gproduct):
        """From the gradient by the product of state and weight of all steps, (N, T, D, gates·H)."""
        if not gproduct.size:
            return zeros((self.directions, self.hidden, gproduct.shape[3]), self.dtype)
        rows = self.sequences * self.steps
        before = empty((self.directions, rows, self.hidden), self.accumulator)
        function = _source.function("states_before", self.dtype)
        sizes = self.sequences, self.steps, self.directions, self.hidden
        arguments = contiguous(y), contiguous(h), before, self.lengths, *sizes
        launch(function, blocks_for(before.size, _THREADS), _THREADS, arguments)
        gradients = gproduct.reshape(rows, *gproduct.shape[2:]).swapaxes(0, 1)
        gradients = gradients.astype(self.accumulator, copy=False)
        return matmul.product(before, gradients, transpose_a=True).astype(self.dtype, copy=False)

    def launch(self, name, arrays, step):
        """Launches one of the kernels that make a step."""
        units = self.directions * self.sequences * self.hidden
        if units:
            sizes = self.lengths, step, self.sequences, self.steps, self.directions, self.hidden
            function = _source.function(name, self.dtype)
            launch(function, blocks_for(units, _THREADS), _THREADS, (*arrays, *sizes))
