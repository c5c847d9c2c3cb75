"""LeNet-5 and the small networks for MNIST, each with a twin in PyTorch."""

from itertools import pairwise

import pytest
from torch_parts import flatten

import tinynet as tn
from tinynet import models, nn


def chained(torch, layers, order):
    """Layers under names, called in an order that may name further ones, functions, between them."""

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            for name, layer in layers.items():
                self.add_module(name, layer)

        def forward(self, x):
            for step in order:
                x = getattr(self, step)(x) if isinstance(step, str) else step(x)
            return x

    return Network()


def without_dropout(model):
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


def torch_lenet5(torch, variant, in_channels, padding):
    bend = torch.relu if variant == "modern" else torch.tanh
    pool = torch.nn.MaxPool2d if variant == "modern" else torch.nn.AvgPool2d
    layers = {
        "conv1": torch.nn.Conv2d(in_channels, 6, 5, padding=padding),
        "pool1": pool(2),
        "conv2": torch.nn.Conv2d(6, 16, 5),
        "pool2": pool(2),
        "flatten": flatten(torch),
        "dense1": torch.nn.Linear(400, 120),
        "dense2": torch.nn.Linear(120, 84),
        "dense3": torch.nn.Linear(84, 10),
    }
    maps = ["conv1", bend, "pool1", "conv2", bend, "pool2", "flatten"]
    return chained(torch, layers, [*maps, "dense1", bend, "dense2", bend, "dense3"])


def torch_mnist_conv(torch):
    layers = {
        "conv1": torch.nn.Conv2d(1, 32, 3),
        "conv2": torch.nn.Conv2d(32, 64, 3),
        "pool": torch.nn.MaxPool2d(2),
        "flatten": flatten(torch),
        "dense1": torch.nn.Linear(9216, 128),
        "dense2": torch.nn.Linear(128, 10),
    }
    relu = torch.relu
    return chained(torch, layers, ["conv1", relu, "conv2", relu, "pool", "flatten", "dense1", relu, "dense2"])


def torch_mnist_conv5(torch):
    layers = {
        "conv": torch.nn.Conv2d(1, 64, 5),
        "pool": torch.nn.MaxPool2d(2),
        "flatten": flatten(torch),
        "dense1": torch.nn.Linear(9216, 100),
        "dense2": torch.nn.Linear(100, 10),
    }
    return chained(torch, layers, ["conv", torch.relu, "pool", "flatten", "dense1", torch.relu, "dense2"])


def torch_dense(torch, *sizes):
    """Dense layers with ReLUs between them."""
    layers = {"flatten": flatten(torch)}
    order = ["flatten"]
    for number, (before, behind) in enumerate(pairwise(sizes), start=1):
        layers[f"dense{number}"] = torch.nn.Linear(before, behind)
        order += [f"dense{number}", torch.relu]
    return chained(torch, layers, order[:-1])


@pytest.mark.parametrize("variant", ["modern", "classic"])
@pytest.mark.parametrize(("input_size", "in_channels"), [(32, 3), (28, 1)])
def test_lenet5_follows_pytorch(variant, input_size, in_channels, rng, follow_pytorch):
    model = models.LeNet5(variant=variant, input_size=input_size, in_channels=in_channels)
    images = rng.normal(size=(4, input_size, input_size, in_channels))
    padding = (32 - input_size) // 2
    follow_pytorch(model, lambda torch: torch_lenet5(torch, variant, in_channels, padding), images)


@pytest.mark.parametrize(
    ("name", "make_twin"),
    [
        ("mnist-conv", torch_mnist_conv),
        ("mnist-conv5", torch_mnist_conv5),
        ("mnist-dense-200", lambda torch: torch_dense(torch, 784, 200, 200, 10)),
        ("mnist-dense-1024", lambda torch: torch_dense(torch, 784, 1024, 10)),
    ],
)
def test_networks_for_mnist_follow_pytorch(name, make_twin, rng, follow_pytorch):
    tn.manual_seed(0)
    # Faint images, since the wide weights of the first documented network would make sure answers of others.
    images = 0.01 * rng.normal(size=(3, 28, 28, 1))
    follow_pytorch(without_dropout(models.create(name)), make_twin, images)
