"""The tasks in DeZero."""

import dezero
import dezero.functions as F
import dezero.layers as L
from dezero import optimizers
from dezero.models import Sequential

from benchmarks.engines.tasks import FLATTEN, LEARNING_RATE, POOL, RELU, Convolution

__all__ = ["chain", "training_step"]

PLAIN = {RELU: F.relu, POOL: lambda x: F.pooling(x, 2, 2), FLATTEN: F.flatten}


def training_step(network):
    """A function that trains the network by one step and returns the loss."""
    weights = iter(network.weights())
    layers = [PLAIN.get(layer) or _layer(layer, *next(weights)) for layer in network.layers]
    model = Sequential(*layers)
    examples, labels = network.batch()
    optimizer = optimizers.SGD(lr=LEARNING_RATE).setup(model)

    def step():
        loss = F.softmax_cross_entropy(model(examples), labels)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return loss.data

    return step


def chain(chain):
    """A function that runs the chain forward and backward and returns the gradients of start and x."""
    start, x = (dezero.Variable(array) for array in chain.values())

    def run():
        start.cleargrad()
        x.cleargrad()
        chain.run(start, x).backward()  # from a gradient of ones
        return start.grad.data, x.grad.data

    return run


def _layer(layer, weight, bias):
    if isinstance(layer, Convolution):
        made = L.Conv2d(layer.channels, layer.window, pad=layer.padding, in_channels=layer.in_channels)
    else:
        made = L.Linear(layer.features, in_size=layer.in_features)
    made.W.data, made.b.data = weight, bias
    return made
