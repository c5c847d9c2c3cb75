"""Gradients through layers and small networks, of first and second order, by finite differences."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet import nn

IMAGE = (3, 5, 6, 4)

LAYERS = {
    "linear": (lambda: nn.Linear(4, 3), (5, 4)),
    "conv1d": (lambda: nn.Conv1d(4, 3, 2, stride=2), (2, 7, 4)),
    "conv2d": (lambda: nn.Conv2d(4, 2, 3, padding=1, groups=2), IMAGE),
    "conv3d": (lambda: nn.Conv3d(2, 2, 2), (1, 3, 3, 3, 2)),
    "conv-transpose2d": (lambda: nn.ConvTranspose2d(4, 3, 3, stride=2, output_padding=1), (1, 3, 3, 4)),
    "max-pool2d": (lambda: nn.MaxPool2d(2), IMAGE),
    "avg-pool2d": (lambda: nn.AvgPool2d(3, 2, 1), IMAGE),
    "batch-norm2d": (lambda: nn.BatchNorm2d(4), IMAGE),
    "batch-norm2d-inference": (lambda: nn.BatchNorm2d(4).eval(), IMAGE),
    "layer-norm": (lambda: nn.LayerNorm((6, 4)), IMAGE),
    "group-norm": (lambda: nn.GroupNorm(2, 4), IMAGE),
    "instance-norm2d": (lambda: nn.InstanceNorm2d(4, affine=True), IMAGE),
    "local-response-norm": (lambda: nn.LocalResponseNorm(3, alpha=0.5), IMAGE),
    "prelu": (lambda: nn.PReLU(4), IMAGE),
    "upsample": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), (1, 3, 2, 2)),
}


def as_function(layer):
    """The layer as a function of the input and of all its parameters."""
    named = [name for name, _ in layer.named_parameters()]

    def function(x, *values):
        for name, value in zip(named, values, strict=True):
            *path, last = name.split(".")
            owner = layer
            for part in path:
                owner = getattr(owner, part)
            setattr(owner, last, value)
        return layer(x)

    return function


def inputs_for(layer, shape, rng):
    return [rng.normal(0, 1, shape), *(p.numpy() + rng.normal(0, 0.3, p.shape) for p in layer.parameters())]


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_of_layers(name, rng):
    make, shape = LAYERS[name]
    layer = make().to("float64")
    assert tn.gradcheck(as_function(layer), inputs_for(layer, shape, rng))


@pytest.mark.parametrize("name", ["linear", "conv2d", "batch-norm2d", "layer-norm", "conv-transpose2d"])
def test_second_derivatives_of_layers(name, rng):
    make, shape = LAYERS[name]
    layer = make().to("float64")
    assert tn.gradgradcheck(as_function(layer), inputs_for(layer, shape, rng))


def small_network():
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, generator=tn.Generator(1)),
        nn.BatchNorm2d(3),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(3, 2, generator=tn.Generator(2)),
    ).to("float64")


def test_first_and_second_derivatives_of_a_network(rng):
    model = small_network()
    inputs = inputs_for(model, (3, 4, 4, 2), rng)
    function = as_function(model)

    def loss(*tensors):
        return F.cross_entropy(function(*tensors), np.array([0, 1, 1]))

    assert tn.gradcheck(loss, inputs)
    assert tn.gradgradcheck(loss, inputs)


def test_penalty_on_the_input_gradient_trains(rng):
    """Double backward as it is used: the norm of a gradient is part of the loss."""
    model = small_network()
    x = tn.Tensor(rng.normal(0, 1, (3, 4, 4, 2)), requires_grad=True)
    output = model(x).sum()
    penalty = (tn.grad(output, x, create_graph=True) ** 2).sum()
    penalty.backward()
    assert all(p.grad is not None for p in (model[0].weight, model[5].weight))
    assert abs(model[0].weight.grad.numpy()).max() > 0
