"""AlexNet: the documented table, normalisation in the paper's terms, and a twin in PyTorch."""

import numpy as np
import pytest
from torch_parts import flatten, function, named

import tinynet as tn
from tinynet import models, nn
from tinynet.errors import ArgumentError
from tinynet.inspection import summary

TABLE = [
    ("conv1", (55, 55, 96), 11 * 11 * 3 * 96 + 96),
    ("pool1", (27, 27, 96), 0),
    ("conv2", (27, 27, 256), 5 * 5 * 96 * 256 + 256),
    ("pool2", (13, 13, 256), 0),
    ("conv3", (13, 13, 384), 3 * 3 * 256 * 384 + 384),
    ("conv4", (13, 13, 384), 3 * 3 * 384 * 384 + 384),
    ("conv5", (13, 13, 256), 3 * 3 * 384 * 256 + 256),
    ("pool5", (6, 6, 256), 0),
    ("flatten", (9216,), 0),
    ("dense6", (4096,), 9216 * 4096 + 4096),
    ("dense7", (4096,), 4096 * 4096 + 4096),
    ("dense8", (1000,), 4096 * 1000 + 1000),
]
SMALLEST = 67


def undrawn(**options):
    """A model whose weights are whatever memory holds, for tests that only look at its structure."""
    with nn.init.skipped():
        return models.AlexNet(**options)


def rows_of(model):
    """Name, shape and parameters of the layers that compute something, ReLU and dropout left out."""
    table = summary(model, model.input_shape)
    return [
        (row.name.split(".")[-1], row.output_shape[1:], row.parameters)
        for row in table
        if row.type not in ("ReLU", "Dropout", "LocalResponseNorm")
    ]


def test_alexnet_has_the_documented_table():
    model = undrawn()
    assert rows_of(model) == TABLE
    assert model.num_parameters() == sum(row[2] for row in TABLE) == 62_378_344


def test_two_towers_halve_what_three_convolutions_see():
    model = undrawn(towers=2)
    assert [row[:2] for row in rows_of(model)] == [row[:2] for row in TABLE]
    assert model.num_parameters() == 60_965_224
    saved = 5 * 5 * 96 * 256 + 3 * 3 * 384 * 384 + 3 * 3 * 384 * 256
    assert saved // 2 == 62_378_344 - 60_965_224
    towers = [layer.groups for layer in model.features if isinstance(layer, nn.Conv2d)]
    assert towers == [1, 2, 1, 2, 2]


def test_local_response_norm_is_an_option_that_has_no_parameters():
    model = undrawn(input_size=SMALLEST, local_response_norm=True)
    assert model.num_parameters() == undrawn(input_size=SMALLEST).num_parameters()
    names = [name for name, _ in model.features.named_children()]
    assert names[:8] == ["conv1", "relu1", "norm1", "pool1", "conv2", "relu2", "norm2", "pool2"]


def test_local_response_norm_is_the_paper_s(rng):
    model = undrawn(input_size=SMALLEST, local_response_norm=True)
    a = 100 * rng.random((1, 2, 1, 96))
    k, n, alpha, beta = 2, 5, 1e-4, 0.75
    b = np.empty_like(a)
    for i in range(96):
        neighbours = a[..., max(0, i - n // 2) : min(96 - 1, i + n // 2) + 1]
        b[..., i] = a[..., i] / (k + alpha * (neighbours**2).sum(axis=-1)) ** beta
    np.testing.assert_allclose(model.features.norm1(tn.tensor(a)).numpy(), b, rtol=1e-12)


@pytest.mark.parametrize("size", [67, 70, 96, 227])
def test_the_first_dense_layer_fits_images_of_every_size(size):
    model = undrawn(num_classes=3, input_size=size)
    assert summary(model, (size, size, 3)).layers[-1].output_shape == (None, 3)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"input_size": 66}, "AlexNet: input_size should be at least 67, not 66"),
        ({"towers": 3}, "AlexNet: towers should be 1 or 2, not 3"),
    ],
)
def test_alexnet_refuses_wrong_arguments(arguments, text):
    with pytest.raises(ArgumentError) as caught:
        models.AlexNet(**arguments)
    assert str(caught.value) == text


class NarrowAlexNet(models.AlexNet):
    """With few units in the dense layers, for images of 99 × 67: the map that is flattened has two pixels."""

    def __init__(self, **options):
        super().__init__(input_size=SMALLEST, dropout=0, **options)
        self.classifier.dense6 = nn.Linear(2 * 256, 20)
        self.classifier.dense7 = nn.Linear(20, 20)
        self.classifier.dense8 = nn.Linear(20, 4)


def torch_alexnet(torch, towers):
    def response_norm(a):
        n, channels = 5, a.shape[1]
        squares = torch.nn.functional.pad(a**2, (0, 0, 0, 0, n // 2, n // 2))
        total = sum(squares[:, i : i + channels] for i in range(n))
        return a / (2 + 1e-4 * total) ** 0.75

    def conv(*arguments, groups=1):
        return torch.nn.Conv2d(*arguments, groups=groups)

    relu, pool = torch.nn.ReLU, torch.nn.MaxPool2d
    features = {
        "conv1": conv(3, 96, 11, 4),
        "relu1": relu(),
        "norm1": function(torch, response_norm),
        "pool1": pool(3, 2),
        "conv2": conv(96, 256, 5, 1, 2, groups=towers),
        "relu2": relu(),
        "norm2": function(torch, response_norm),
        "pool2": pool(3, 2),
        "conv3": conv(256, 384, 3, 1, 1),
        "relu3": relu(),
        "conv4": conv(384, 384, 3, 1, 1, groups=towers),
        "relu4": relu(),
        "conv5": conv(384, 256, 3, 1, 1, groups=towers),
        "relu5": relu(),
        "pool5": pool(3, 2),
    }
    classifier = {
        "flatten": flatten(torch),
        "dense6": torch.nn.Linear(2 * 256, 20),
        "relu6": relu(),
        "dense7": torch.nn.Linear(20, 20),
        "relu7": relu(),
        "dense8": torch.nn.Linear(20, 4),
    }
    return named(torch, {"features": named(torch, features), "classifier": named(torch, classifier)})


@pytest.mark.parametrize("towers", [1, 2])
def test_alexnet_follows_pytorch(towers, rng, follow_pytorch):
    model = NarrowAlexNet(towers=towers, local_response_norm=True)
    # Numbers this large make the normalisation matter.
    images = 30 * rng.normal(size=(2, 99, 67, 3))
    follow_pytorch(model, lambda torch: torch_alexnet(torch, towers), images)
