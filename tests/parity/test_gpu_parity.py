"""The same training on the CPU and on a GPU: the losses of every step agree.

On a real GPU over 50 steps. The stand-in with the emulation goes three steps, in which every kernel of these
networks runs forward and backward.
"""

import copy

import numpy as np
import pytest

import cupy_stand_in
import tinynet as tn
from tinynet import functional as F
from tinynet import nn, optim
from tinynet.models.capsnet import CapsNet
from tinynet.models.crnn import CRNN
from tinynet.models.lenet5 import LeNet5
from tinynet.models.resnet import ResNet8

STEPS = 50
STEPS_ON_THE_STAND_IN = 3

# In float32 two trainings drift apart, since sums are added in other orders; in float64 hardly.
TOLERANCE = {"float64": 1e-7, "float32": 2e-2}
TOLERANCE_AT_FIRST = {"float64": 1e-10, "float32": 1e-4}


class Reader(nn.Module):
    """A sequence's class, from recurrent layers of each kind."""

    def __init__(self):
        self.rnn = nn.RNN(3, 5)
        self.gru = nn.GRU(5, 4, bidirectional=True)
        self.lstm = nn.LSTM(8, 5)
        self.norm = nn.LayerNorm(5)
        self.dense = nn.Linear(5, 4)

    def forward(self, x):
        x, _ = self.rnn(x)
        x, _ = self.gru(x)
        _, (state, _) = self.lstm(x)
        return self.dense(self.norm(state[-1]))


def images(rng, size, count, classes=10):
    """Noisy pictures in which the label is the place of a bright column."""
    labels = rng.integers(classes, size=count)
    pixels = rng.normal(size=(count, size, size, 1)) * 0.3
    pixels[np.arange(count), :, labels % size] += 1.0
    return pixels, labels


def lenet5(rng):
    return LeNet5(), F.cross_entropy, lambda: images(rng, 32, 4)


def batch_norm(rng):
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, padding=1, groups=4),
        nn.LeakyReLU(),
        nn.Conv2d(4, 6, 3, stride=2),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(24, 16),
        nn.GELU(),
        nn.Dropout(0.25, generator=tn.Generator(5)),
        nn.Linear(16, 10),
    )
    return model, F.cross_entropy, lambda: images(rng, 10, 6)


def residual(rng):
    return ResNet8(in_channels=1), F.cross_entropy, lambda: images(rng, 8, 3)


def crnn(rng):
    model = CRNN(6, width=1 / 32, hidden_size=4, dropout=0.0)

    def draw():
        labels = rng.integers(5, size=(2, 3))
        return rng.random((2, 32, 20, 1)), labels, np.array([4, 3]), np.array([2, 1])

    return model, model.loss, draw


def capsules(rng):
    model = CapsNet(input_size=11, kernel_size=4, width=0.02, num_classes=3)
    return model, model.loss, lambda: images(rng, 11, 3, classes=3)


def recurrent(rng):
    return Reader(), F.cross_entropy, lambda: (rng.normal(size=(3, 6, 3)), rng.integers(4, size=3))


NETWORKS = {
    "LeNet-5": lenet5,
    "batch norm": batch_norm,
    "residual": residual,
    "CRNN": crnn,
    "capsules": capsules,
    "recurrent": recurrent,
}
OPTIMIZERS = {
    "LeNet-5": lambda parameters: optim.SGD(parameters, lr=0.05, momentum=0.9, nesterov=True),
    "residual": lambda parameters: optim.SGD(parameters, lr=0.02, momentum=0.9, weight_decay=1e-3),
    "CRNN": lambda parameters: optim.RMSprop(parameters, lr=1e-3),
    "recurrent": lambda parameters: optim.Adagrad(parameters, lr=0.05),
}


def losses(model, optimizer, loss, batches, device, dtype):
    """The loss of every step, on a device."""
    found = []
    for x, *targets in batches:
        x = tn.tensor(x.astype(dtype), device=device)
        value = loss(model(x), *[tn.tensor(target, device=device) for target in targets])
        optimizer.zero_grad()
        value.backward()
        optim.clip_grad_norm(list(model.parameters()), 1.0)
        optimizer.step()
        found.append(value.detach())
    return np.array([value.item() for value in found])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("network", NETWORKS)
def test_losses_on_a_gpu_follow_those_on_the_cpu(network, dtype, cuda, rng):
    tn.manual_seed(3)
    model, loss, draw = NETWORKS[network](rng)
    model = model.to(dtype)
    twin = copy.deepcopy(model).to(cuda)
    twin_loss = twin.loss if hasattr(twin, "loss") else loss
    make = OPTIMIZERS.get(network, lambda parameters: optim.Adam(parameters, lr=2e-3))
    steps = STEPS_ON_THE_STAND_IN if cuda.xp is cupy_stand_in.stand_in else STEPS
    batches = [draw() for _ in range(steps)]
    expected = losses(model, make(model.parameters()), loss, batches, "cpu", dtype)
    found = losses(twin, make(twin.parameters()), twin_loss, batches, cuda, dtype)
    np.testing.assert_allclose(found[:3], expected[:3], rtol=TOLERANCE_AT_FIRST[dtype])
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    for name, tensor in twin.state_dict().items():
        assert tensor.device == cuda, name
