"""The tasks in autograd, which has neither layers nor an optimiser that works step by step.

Convolution is its own, `autograd.scipy.signal.convolve`, and pooling as in its example of a network.
"""

import autograd.numpy as np
from autograd.scipy.signal import convolve
from autograd.scipy.special import logsumexp

from autograd import make_vjp, value_and_grad
from benchmarks.engines.tasks import FLATTEN, LEARNING_RATE, POOL, RELU, Convolution

__all__ = ["chain", "training_step"]


def training_step(network):
    """A function that trains the network by one step and returns the loss."""
    parameters = network.weights()
    examples, labels = network.batch()
    rows = np.arange(len(labels))

    def loss_of(parameters):
        x, pairs = examples, iter(parameters)
        for layer in network.layers:
            x = PLAIN[layer](x) if layer in PLAIN else _apply(layer, x, *next(pairs))
        return np.mean(logsumexp(x, axis=1) - x[rows, labels])

    loss_and_gradients = value_and_grad(loss_of)

    def step():
        loss, gradients = loss_and_gradients(parameters)
        for pair, gradients_of_pair in zip(parameters, gradients, strict=True):
            for parameter, gradient in zip(pair, gradients_of_pair, strict=True):
                parameter -= LEARNING_RATE * gradient
        return loss

    return step


def chain(chain):
    """A function that runs the chain forward and backward and returns the gradients of start and x."""
    start, x = chain.values()
    gradient = np.ones(start.shape, np.float32)

    def run():
        backward, _ = make_vjp(lambda values: chain.run(*values))((start, x))
        return backward(gradient)

    return run


def _apply(layer, x, weight, bias):
    if not isinstance(layer, Convolution):
        return np.dot(x, weight) + bias
    if layer.padding:
        x = np.pad(x, ((0, 0), (0, 0), (layer.padding,) * 2, (layer.padding,) * 2), mode="constant")
    # Convolution in the strict sense: the window is turned round.
    turned = weight[:, :, ::-1, ::-1]
    y = convolve(x, turned, axes=([2, 3], [2, 3]), dot_axes=([1], [1]), mode="valid")
    return y + bias.reshape(1, -1, 1, 1)


def _pool(x):
    images, channels, height, width = x.shape
    return np.max(np.reshape(x, (images, channels, height // 2, 2, width // 2, 2)), axis=(3, 5))


PLAIN = {
    RELU: lambda x: np.maximum(x, 0),
    POOL: _pool,
    FLATTEN: lambda x: np.reshape(x, (len(x), -1)),
}
