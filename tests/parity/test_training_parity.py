"""Whole networks, trained in float64 from the same weights on the same batches, follow PyTorch's losses."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet import nn, optim

STEPS = 100
CLASSES = 10

# A network is a list of layers: the name that both engines know, and the arguments.
LENET5 = [
    ("Conv2d", 1, 6, 5),
    ("Tanh",),
    ("AvgPool2d", 2),
    ("Conv2d", 6, 16, 5),
    ("ReLU",),
    ("MaxPool2d", 2),
    ("Flatten",),
    ("Linear", 400, 120),
    ("ReLU",),
    ("Linear", 120, 84),
    ("Tanh",),
    ("Linear", 84, CLASSES),
]
MNIST_CONV = [
    ("Conv2d", 1, 32, 3),
    ("ReLU",),
    ("Conv2d", 32, 64, 3),
    ("ReLU",),
    ("MaxPool2d", 2),
    ("Flatten",),
    ("Linear", 9216, 128),
    ("ReLU",),
    ("Linear", 128, CLASSES),
]
BATCH_NORM = [
    ("Conv2d", 3, 8, 3, 1, 1),
    ("BatchNorm2d", 8),
    ("ReLU",),
    ("Conv2d", 8, 16, 3, 2),
    ("BatchNorm2d", 16),
    ("ReLU",),
    ("MaxPool2d", 2),
    ("Flatten",),
    ("Linear", 144, 32),
    ("BatchNorm1d", 32),
    ("ReLU",),
    ("Linear", 32, CLASSES),
]

# Layers, shape of an image (H, W, C), batch size.
NETWORKS = {
    "LeNet-5": (LENET5, (32, 32, 1), 16),
    "MNIST convolutional": (MNIST_CONV, (28, 28, 1), 4),
    "batch norm": (BATCH_NORM, (14, 14, 3), 16),
}
OPTIMIZERS = {
    "SGD with momentum": ("SGD", {"lr": 0.02, "momentum": 0.9}),
    "Adam": ("Adam", {"lr": 1e-3}),
}


def flatten_in_pytorch(torch):
    """Flattening in our order: channels last."""

    class ChannelsLastFlatten(torch.nn.Module):
        def forward(self, x):
            return x.permute(0, 2, 3, 1).flatten(1)

    return ChannelsLastFlatten()


def in_tinynet(layers, rng):
    model = nn.Sequential(*[getattr(nn, name)(*arguments) for name, *arguments in layers]).to(np.float64)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            scale = (2 / np.prod(parameter.shape[:-1])) ** 0.5
            parameter.data[...] = rng.normal(size=parameter.shape) * scale
    return model


def in_pytorch(torch, layers, model):
    parts = [
        flatten_in_pytorch(torch) if name == "Flatten" else getattr(torch.nn, name)(*arguments)
        for name, *arguments in layers
    ]
    twin = torch.nn.Sequential(*parts).double()
    state = {name: torch.tensor(as_in_pytorch(tensor.numpy())) for name, tensor in model.state_dict().items()}
    missing, surplus = twin.load_state_dict(state, strict=False)
    assert not surplus
    assert all(name.endswith("num_batches_tracked") for name in missing)
    return twin


def as_in_pytorch(array):
    """Our layout of a weight as PyTorch's."""
    if array.ndim == 4:
        return array.transpose(3, 2, 0, 1).copy()
    return array.T.copy()


@pytest.fixture
def torch():
    """PyTorch on one thread: its waiting threads would keep the cores from ours, which take turns with it."""
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_hundred_steps_follow_pytorch(network, optimizer, rng, torch):
    layers, image_shape, batch_size = NETWORKS[network]
    name, options = OPTIMIZERS[optimizer]
    model = in_tinynet(layers, rng)
    twin = in_pytorch(torch, layers, model)
    ours = getattr(optim, name)(model.parameters(), **options)
    theirs = getattr(torch.optim, name)(twin.parameters(), **options)

    found, expected = [], []
    for _ in range(STEPS):
        images, labels = make_batch(rng, batch_size, image_shape)

        ours.zero_grad()
        loss = F.cross_entropy(model(tn.tensor(images)), tn.tensor(labels))
        loss.backward()
        ours.step()
        found.append(loss.item())

        theirs.zero_grad()
        channels_first = torch.tensor(images.transpose(0, 3, 1, 2).copy())
        loss = torch.nn.functional.cross_entropy(twin(channels_first), torch.tensor(labels))
        loss.backward()
        theirs.step()
        expected.append(loss.item())

    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8)
    assert np.mean(found[-10:]) < 0.8 * np.mean(found[:10]), "the network should have learnt something"
    state = twin.state_dict()
    for key, tensor in model.state_dict().items():
        np.testing.assert_allclose(as_in_pytorch(tensor.numpy()), state[key].numpy(), rtol=0, atol=1e-7)


def make_batch(rng, size, image_shape):
    """Noisy pictures in which the label is the place of a bright bar."""
    labels = rng.integers(CLASSES, size=size)
    images = rng.normal(size=(size, *image_shape)) * 0.3
    for image, label in zip(images, labels, strict=True):
        image[label + 1 : label + 3] += 1.0
    return images, labels
