"""The tasks in MyGrad, which has no optimiser: NumPy updates the weights. Its guarding of memory is off."""

import mygrad as mg
import numpy as np
from mygrad.nnet.activations import relu
from mygrad.nnet.layers import conv_nd, max_pool
from mygrad.nnet.losses import softmax_crossentropy

from benchmarks.engines.tasks import FLATTEN, LEARNING_RATE, POOL, RELU, Convolution

__all__ = ["chain", "training_step"]

mg.turn_memory_guarding_off()

PLAIN = {
    RELU: relu,
    POOL: lambda x: max_pool(x, (2, 2), 2),
    FLATTEN: lambda x: x.reshape(len(x), -1),
}


def training_step(network):
    """A function that trains the network by one step and returns the loss."""
    parameters = [tuple(mg.tensor(array) for array in pair) for pair in network.weights()]
    examples, labels = network.batch()

    def step():
        x, pairs = examples, iter(parameters)
        for layer in network.layers:
            x = PLAIN[layer](x) if layer in PLAIN else _apply(layer, x, *next(pairs))
        loss = softmax_crossentropy(x, labels)
        loss.backward()
        for parameter in (parameter for pair in parameters for parameter in pair):
            parameter.data -= LEARNING_RATE * parameter.grad
        return loss.item()

    return step


def chain(chain):
    """A function that runs the chain forward and backward and returns the gradients of start and x."""
    start, x = (mg.tensor(array) for array in chain.values())
    gradient = np.ones(start.shape, np.float32)

    def run():
        chain.run(start, x).backward(gradient)
        return start.grad, x.grad

    return run


def _apply(layer, x, weight, bias):
    if isinstance(layer, Convolution):
        return conv_nd(x, weight, stride=1, padding=layer.padding) + bias.reshape(1, -1, 1, 1)
    return x @ weight + bias
