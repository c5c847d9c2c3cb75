"""SqueezeNet v1.1: the table of shapes, and a twin in PyTorch."""

import numpy as np
import pytest
from module_shapes import output_shapes
from torch_parts import global_average, named

import tinynet as tn
from tinynet import functional as F
from tinynet import models
from tinynet.errors import ArgumentError
from tinynet.models.squeezenet import Fire

# Name, shape for images of 227 × 227, parameters.
TABLE = [
    ("conv1", (113, 113, 64), 1_792),
    ("pool1", (56, 56, 64), 0),
    ("fire2", (56, 56, 128), 11_408),
    ("fire3", (56, 56, 128), 12_432),
    ("pool3", (27, 27, 128), 0),
    ("fire4", (27, 27, 256), 45_344),
    ("fire5", (27, 27, 256), 49_440),
    ("pool5", (13, 13, 256), 0),
    ("fire6", (13, 13, 384), 104_880),
    ("fire7", (13, 13, 384), 111_024),
    ("fire8", (13, 13, 512), 188_992),
    ("fire9", (13, 13, 512), 197_184),
    ("dropout", (13, 13, 512), 0),
    ("conv10", (13, 13, 1000), 513_000),
    ("pool10", (1000,), 0),
]


def test_squeezenet_has_the_documented_table():
    model = models.SqueezeNet().eval()
    names = [name for name, *_ in TABLE]
    counts = [getattr(model, name).num_parameters() for name in names]
    assert list(zip(names, output_shapes(model, *names), counts, strict=True)) == TABLE
    assert model.num_parameters() == 1_235_496


def test_without_classes_it_gives_the_features():
    model = models.SqueezeNet(num_classes=None).eval()
    assert model.num_parameters() == sum(row[2] for row in TABLE[:12]) == 722_496
    assert not any(name.startswith(("conv10", "dropout")) for name, _ in model.named_modules())
    assert model(np.zeros((0, 227, 227, 3), np.float32)).shape == (0, 13, 13, 512)


def test_features_are_what_the_classifier_sees(rng):
    tn.manual_seed(0)
    whole, body = models.SqueezeNet(5), models.SqueezeNet(None)
    body.load_state_dict({name: value for name, value in whole.state_dict().items() if "conv10" not in name})
    x = tn.tensor(rng.normal(size=(2, 40, 40, 3)).astype(np.float32))
    with tn.no_grad():
        features, logits = body.eval()(x), whole.eval()(x)
        np.testing.assert_array_equal(whole.features(x).numpy(), features.numpy())
        np.testing.assert_array_equal(F.relu(whole.conv10(features)).mean((1, 2)).numpy(), logits.numpy())
        np.testing.assert_array_equal(whole(x).numpy(), logits.numpy())


def test_a_fire_module_joins_its_branches_in_the_order_of_their_names(rng):
    fire = Fire(6, 2, 3)
    x = tn.tensor(rng.normal(size=(1, 4, 4, 6)).astype(np.float32))
    y = fire(x).numpy()
    squeezed = F.relu(fire.squeeze1x1(x))
    np.testing.assert_allclose(y[..., :3], F.relu(fire.expand1x1(squeezed)).numpy(), atol=1e-6)
    np.testing.assert_allclose(y[..., 3:], F.relu(fire.expand3x3(squeezed)).numpy(), atol=1e-6)


def test_it_learns_a_batch(rng):
    tn.manual_seed(0)
    model = models.SqueezeNet(num_classes=3, dropout=0)
    optimizer = tn.optim.Adam(model.parameters(), lr=1e-4)
    x, labels = tn.tensor(rng.normal(size=(2, 47, 47, 3)).astype(np.float32)), np.arange(2)
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_images_that_pooling_would_use_up_are_refused():
    with pytest.raises(ArgumentError, match="SqueezeNet: input_size should be at least 31, not 30"):
        models.SqueezeNet(input_size=30)
    smallest = models.SqueezeNet(num_classes=2, input_size=31).eval()
    assert output_shapes(smallest, "fire9", "pool10") == [(1, 1, 512), (2,)]


def torch_squeezenet(torch, num_classes):
    class TorchFire(torch.nn.Module):
        def __init__(self, in_channels, squeeze, expand):
            super().__init__()
            self.squeeze1x1 = torch.nn.Conv2d(in_channels, squeeze, 1)
            self.expand1x1 = torch.nn.Conv2d(squeeze, expand, 1)
            self.expand3x3 = torch.nn.Conv2d(squeeze, expand, 3, padding=1)

        def forward(self, x):
            x = torch.relu(self.squeeze1x1(x))
            return torch.cat([torch.relu(self.expand1x1(x)), torch.relu(self.expand3x3(x))], dim=1)

    layers = {"conv1": torch.nn.Conv2d(3, 64, 3, 2), "relu1": torch.nn.ReLU()}
    layers["pool1"] = torch.nn.MaxPool2d(3, 2)
    channels = 64
    for number, squeeze, expand in (
        (2, 16, 64),
        (3, 16, 64),
        (4, 32, 128),
        (5, 32, 128),
        (6, 48, 192),
        (7, 48, 192),
        (8, 64, 256),
        (9, 64, 256),
    ):
        layers[f"fire{number}"] = TorchFire(channels, squeeze, expand)
        channels = 2 * expand
        if number in (3, 5):
            layers[f"pool{number}"] = torch.nn.MaxPool2d(3, 2)
    layers["conv10"] = torch.nn.Conv2d(512, num_classes, 1)
    layers["relu10"] = torch.nn.ReLU()
    layers["pool10"] = global_average(torch)
    return named(torch, layers)


def test_squeezenet_follows_pytorch(rng, follow_pytorch):
    model = models.SqueezeNet(5, dropout=0)
    follow_pytorch(model, lambda torch: torch_squeezenet(torch, 5), rng.normal(size=(2, 63, 47, 3)))
