"""Network in Network: 1 × 1 convolutions, the table of the CIFAR network, and a twin in PyTorch."""

import numpy as np
import pytest
from module_shapes import output_shapes
from torch_parts import global_average, max_pool_of_even_sizes, named

import tinynet as tn
from tinynet import functional as F
from tinynet import models, nn
from tinynet.errors import ArgumentError
from tinynet.inspection import summary
from tinynet.models.nin import NiNBlock

# Name, shape, parameters of every layer but ReLU and dropout.
TABLE = [
    ("block1.conv", (32, 32, 192), 5 * 5 * 3 * 192 + 192),
    ("block1.mlp1", (32, 32, 160), 192 * 160 + 160),
    ("block1.mlp2", (32, 32, 96), 160 * 96 + 96),
    ("pool1", (16, 16, 96), 0),
    ("block2.conv", (16, 16, 192), 5 * 5 * 96 * 192 + 192),
    ("block2.mlp1", (16, 16, 192), 192 * 192 + 192),
    ("block2.mlp2", (16, 16, 192), 192 * 192 + 192),
    ("pool2", (8, 8, 192), 0),
    ("block3.conv", (8, 8, 192), 3 * 3 * 192 * 192 + 192),
    ("block3.mlp1", (8, 8, 192), 192 * 192 + 192),
    ("block3.mlp2", (8, 8, 10), 192 * 10 + 10),
    ("pool", (10,), 0),
]


def test_a_1x1_convolution_shrinks_the_channels_as_documented():
    for channels, filters in ((1, 1), (32, 5)):
        (row,) = summary(nn.Conv2d(channels, filters, 1), (6, 6, channels))
        assert row.output_shape == (None, 6, 6, filters)
        assert row.multiply_adds == 6 * 6 * channels * filters


def test_a_1x1_convolution_is_a_dense_layer_at_every_pixel(rng):
    x = tn.tensor(rng.normal(size=(2, 6, 6, 32)))
    conv, dense = nn.Conv2d(32, 5, 1).to("float64"), nn.Linear(32, 5).to("float64")
    dense.load_state_dict({"weight": conv.weight.reshape(32, 5), "bias": conv.bias})
    assert conv(x).shape == (2, 6, 6, 5)
    np.testing.assert_allclose(conv(x).numpy(), dense(x).numpy(), rtol=0, atol=1e-13)


def test_a_block_slides_a_perceptron_of_three_layers_over_the_image(rng):
    block = NiNBlock(3, (8, 7, 6), 5).to("float64")
    x = rng.normal(size=(1, 7, 7, 3))
    patch = x[:, 1:6, 1:6].reshape(1, 75)
    for layer in (block.conv, block.mlp1, block.mlp2):
        matrix = layer.weight.numpy().reshape(-1, layer.out_channels)
        patch = np.maximum(patch @ matrix + layer.bias.numpy(), 0)
    np.testing.assert_allclose(block(tn.tensor(x)).numpy()[:, 3, 3], patch, rtol=0, atol=1e-13)


def test_nin_has_the_table_of_its_authors():
    model = models.NiN()
    rows = [
        (row.name, row.output_shape[1:], row.parameters)
        for row in summary(model, (32, 32, 3))
        if row.type not in ("ReLU", "Dropout")
    ]
    assert rows == TABLE
    assert model.num_parameters() == sum(row[2] for row in TABLE) == 966_986


def test_nin_has_no_dense_layer_and_takes_images_of_any_size():
    model = models.NiN(num_classes=4, in_channels=1)
    assert not any(isinstance(module, nn.Linear) for module in model.modules())
    model.input_shape = (45, 20, 1)
    assert output_shapes(model, "block3", "pool") == [(12, 5, 4), (4,)]


def test_dropout_is_behind_all_blocks_but_the_last():
    names = [name for name, _ in models.NiN(dropout=0.3).named_children()]
    assert names == ["block1", "pool1", "dropout1", "block2", "pool2", "dropout2", "block3", "pool"]
    with pytest.raises(ArgumentError, match=r"Dropout: p must lie in \[0, 1\], not 1.5"):
        models.NiN(dropout=1.5)


def test_nin_learns_a_batch(rng):
    tn.manual_seed(0)
    model = models.NiN(dropout=0)
    optimizer = tn.optim.Adam(model.parameters(), lr=1e-3)
    x, labels = tn.tensor(rng.normal(size=(2, 16, 16, 3)).astype(np.float32)), np.arange(2)
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def torch_nin(torch):
    def block(in_channels, widths, kernel_size):
        first, second, third = widths
        return named(
            torch,
            {
                "conv": torch.nn.Conv2d(in_channels, first, kernel_size, padding=kernel_size // 2),
                "relu1": torch.nn.ReLU(),
                "mlp1": torch.nn.Conv2d(first, second, 1),
                "relu2": torch.nn.ReLU(),
                "mlp2": torch.nn.Conv2d(second, third, 1),
                "relu3": torch.nn.ReLU(),
            },
        )

    return named(
        torch,
        {
            "block1": block(3, (192, 160, 96), 5),
            "pool1": max_pool_of_even_sizes(torch),
            "block2": block(96, (192, 192, 192), 5),
            "pool2": max_pool_of_even_sizes(torch),
            "block3": block(192, (192, 192, 5), 3),
            "pool": global_average(torch),
        },
    )


def test_nin_follows_pytorch(rng, follow_pytorch):
    follow_pytorch(models.NiN(5, dropout=0), torch_nin, rng.normal(size=(2, 16, 12, 3)))
