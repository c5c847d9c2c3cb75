"""The tasks in tinynet."""

import numpy as np

import tinynet as tn
from benchmarks.engines.tasks import FLATTEN, LEARNING_RATE, POOL, RELU, Convolution
from tinynet import functional as F
from tinynet import nn, optim

__all__ = ["chain", "training_step"]

PLAIN = {RELU: nn.ReLU, POOL: lambda: nn.MaxPool2d(2), FLATTEN: nn.Flatten}


def training_step(network):
    """A function that trains the network by one step and returns the loss."""
    model = nn.Sequential(*(_layer(layer) for layer in network.layers))
    for parameter, array in zip(model.parameters(), _our_weights(network), strict=True):
        parameter.data[...] = array
    examples, labels = network.batch()
    examples, labels = tn.tensor(_channels_last(examples)), tn.tensor(labels)
    optimizer = optim.SGD(model.parameters(), lr=LEARNING_RATE)

    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(examples), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def chain(chain):
    """A function that runs the chain forward and backward and returns the gradients of start and x."""
    start, x = (tn.tensor(array, requires_grad=True) for array in chain.values())
    gradient = tn.tensor(np.ones(start.shape, np.float32))

    def run():
        start.grad = x.grad = None
        chain.run(start, x).backward(gradient)
        return start.grad.numpy(), x.grad.numpy()

    return run


def _layer(layer):
    if layer in PLAIN:
        return PLAIN[layer]()
    if isinstance(layer, Convolution):
        return nn.Conv2d(layer.in_channels, layer.channels, layer.window, padding=layer.padding)
    return nn.Linear(*layer)


def _our_weights(network):
    """The weights and biases in our layout: channels last, also where images are flattened."""
    is_first_dense = bool(network.flattened)
    for weight, bias in network.weights():
        if weight.ndim == 4:
            weight = weight.transpose(2, 3, 1, 0)
        elif is_first_dense:
            weight = weight.reshape(*network.flattened, -1).transpose(1, 2, 0, 3).reshape(weight.shape)
            is_first_dense = False
        yield from (weight, bias)


def _channels_last(examples):
    return np.ascontiguousarray(np.moveaxis(examples, 1, -1)) if examples.ndim > 2 else examples
