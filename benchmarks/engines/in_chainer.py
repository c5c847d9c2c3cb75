"""The tasks in Chainer, its checks of types switched off."""

import chainer
import chainer.functions as F
import chainer.links as L
import numpy as np

from benchmarks.engines.tasks import FLATTEN, LEARNING_RATE, POOL, RELU, Convolution

__all__ = ["chain", "training_step"]

chainer.global_config.type_check = False

PLAIN = {
    RELU: F.relu,
    POOL: lambda x: F.max_pooling_2d(x, 2, 2),
    FLATTEN: lambda x: F.reshape(x, (len(x), -1)),
}


def training_step(network):
    """A function that trains the network by one step and returns the loss."""
    weights = iter(network.weights())
    layers = [PLAIN.get(layer) or _link(layer, *next(weights)) for layer in network.layers]
    model = chainer.Sequential(*layers)
    examples, labels = network.batch()
    labels = labels.astype(np.int32)
    optimizer = chainer.optimizers.SGD(lr=LEARNING_RATE).setup(model)

    def step():
        model.cleargrads()
        loss = F.softmax_cross_entropy(model(examples), labels)
        loss.backward()
        optimizer.update()
        return loss.array

    return step


def chain(chain):
    """A function that runs the chain forward and backward and returns the gradients of start and x."""
    start, x = (chainer.Variable(array) for array in chain.values())
    gradient = np.ones(start.shape, np.float32)

    def run():
        start.cleargrad()
        x.cleargrad()
        y = chain.run(start, x)
        y.grad = gradient
        y.backward()
        return start.grad, x.grad

    return run


def _link(layer, weight, bias):
    if isinstance(layer, Convolution):
        return L.Convolution2D(
            layer.in_channels,
            layer.channels,
            layer.window,
            pad=layer.padding,
            initialW=weight,
            initial_bias=bias,
        )
    return L.Linear(*layer, initialW=np.ascontiguousarray(weight.T), initial_bias=bias)
