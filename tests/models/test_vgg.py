"""VGG-16 and VGG-19: the documented table, and a PyTorch network of the same layers and weights."""

import pytest

from tinynet import models, nn
from tinynet.errors import ArgumentError
from tinynet.inspection import summary

# The table that Keras printed for images of 50 × 50 and two classes.
TABLE = [
    ("block1_conv1", (None, 50, 50, 64), 1_792),
    ("block1_conv2", (None, 50, 50, 64), 36_928),
    ("block1_pool", (None, 25, 25, 64), 0),
    ("block2_conv1", (None, 25, 25, 128), 73_856),
    ("block2_conv2", (None, 25, 25, 128), 147_584),
    ("block2_pool", (None, 12, 12, 128), 0),
    ("block3_conv1", (None, 12, 12, 256), 295_168),
    ("block3_conv2", (None, 12, 12, 256), 590_080),
    ("block3_conv3", (None, 12, 12, 256), 590_080),
    ("block3_pool", (None, 6, 6, 256), 0),
    ("block4_conv1", (None, 6, 6, 512), 1_180_160),
    ("block4_conv2", (None, 6, 6, 512), 2_359_808),
    ("block4_conv3", (None, 6, 6, 512), 2_359_808),
    ("block4_pool", (None, 3, 3, 512), 0),
    ("block5_conv1", (None, 3, 3, 512), 2_359_808),
    ("block5_conv2", (None, 3, 3, 512), 2_359_808),
    ("block5_conv3", (None, 3, 3, 512), 2_359_808),
    ("block5_pool", (None, 1, 1, 512), 0),
    ("flatten", (None, 512), 0),
    ("fc1", (None, 4096), 2_101_248),
    ("fc2", (None, 4096), 16_781_312),
    ("predictions", (None, 2), 8_194),
]


def test_vgg16_of_50_pixels_has_the_documented_table():
    table = summary(models.VGG16(num_classes=2, input_size=50), (50, 50, 3))
    rows = [row for row in table if row.type != "ReLU"]
    assert [(row.output_shape, row.parameters) for row in rows] == [row[1:] for row in TABLE]
    kinds = {"conv": "Conv2d", "pool": "MaxPool2d", "flat": "Flatten", "fc1": "Linear", "fc2": "Linear"}
    for row, (name, *_) in zip(rows, TABLE, strict=True):
        assert row.type == kinds.get(name.split("_")[-1][:4], "Linear"), name
    assert (table.total_parameters, table.non_trainable_parameters) == (33_605_442, 0)


def test_the_activation_memory_of_vgg16_is_60_megabytes():
    with nn.init.skipped():
        table = summary(models.VGG16(), (224, 224, 3))
    block_sizes = [(2, 224, 64), (2, 112, 128), (3, 56, 256), (3, 28, 512), (3, 14, 512)]
    convolutions = sum(depth * size * size * width for depth, size, width in block_sizes)
    pooled = sum((size // 2) ** 2 * width for _, size, width in block_sizes)
    dense = 4096 + 4096 + 1000
    assert table.activation_bytes == 4 * (convolutions + pooled + dense) == 4 * 15_087_080
    # With the image itself it is what is often summed up, and seldom rightly: 15.2 million numbers, 61 MB.
    assert 15_087_080 + 224 * 224 * 3 == 15_237_608


@pytest.mark.parametrize(("name", "count"), [("vgg16", 138_365_992), ("vgg19", 143_678_248)])
def test_batch_norm_follows_every_convolution_where_it_is_wanted(name, count):
    with nn.init.skipped():
        model = models.create(name, batch_norm=True)
    assert model.num_parameters() == count
    kinds = [type(layer).__name__ for layer in model.features[4]]
    depth = (len(kinds) - 1) // 3
    assert kinds == ["Conv2d", "BatchNorm2d", "ReLU"] * depth + ["MaxPool2d"]


@pytest.mark.parametrize(("name", "depth"), [("vgg16", 16), ("vgg19", 19)])
def test_depth_is_the_number_of_layers_with_weights(name, depth):
    model = models.create(name, input_size=32)
    assert sum(isinstance(module, (nn.Conv2d, nn.Linear)) for module in model.modules()) == depth


def test_dropout_is_between_the_dense_layers_where_it_is_wanted():
    kinds = [type(layer).__name__ for layer in models.VGG16(2, input_size=32, dropout=0.5).classifier]
    hidden = ["Linear", "ReLU", "Dropout"]
    assert kinds == ["Flatten", *hidden, *hidden, "Linear"]
    assert not any(isinstance(module, nn.Dropout) for module in models.VGG16(2, input_size=32).modules())


def test_vgg_refuses_images_that_pooling_would_use_up():
    with pytest.raises(ArgumentError, match="VGG: input_size should be at least 32, not 31"):
        models.VGG16(input_size=31)


def torch_vgg(torch, depths, num_classes, batch_norm):
    def sequence(layers):
        network = torch.nn.Sequential()
        for name, layer in layers:
            network.add_module(name, layer)
        return network

    class Flatten(torch.nn.Module):
        """In our order, channels last."""

        def forward(self, x):
            return x.permute(0, 2, 3, 1).flatten(1)

    blocks, channels = [], 3
    for depth, width in zip(depths, (64, 128, 256, 512, 512), strict=True):
        layers = []
        for number in range(1, depth + 1):
            layers.append((f"conv{number}", torch.nn.Conv2d(channels, width, 3, padding=1)))
            if batch_norm:
                layers.append((f"norm{number}", torch.nn.BatchNorm2d(width)))
            layers.append((f"relu{number}", torch.nn.ReLU()))
            channels = width
        blocks.append(sequence([*layers, ("pool", torch.nn.MaxPool2d(2))]))
    classifier = sequence(
        [
            ("flatten", Flatten()),
            ("dense1", torch.nn.Linear(2 * 512, 4096)),
            ("relu1", torch.nn.ReLU()),
            ("dense2", torch.nn.Linear(4096, 4096)),
            ("relu2", torch.nn.ReLU()),
            ("dense3", torch.nn.Linear(4096, num_classes)),
        ]
    )
    return sequence([("features", torch.nn.Sequential(*blocks)), ("classifier", classifier)])


class WideVGG16(models.VGG16):
    """For images of 64 × 32 pixels: what is flattened has two pixels, so that their order matters."""

    def __init__(self, batch_norm=False):
        super().__init__(3, input_size=32, batch_norm=batch_norm)
        self.classifier.dense1 = nn.Linear(2 * 512, 4096)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_vgg16_follows_pytorch(batch_norm, rng, follow_pytorch):
    images = rng.normal(size=(2, 64, 32, 3))
    depths = (2, 2, 3, 3, 3)
    follow_pytorch(WideVGG16(batch_norm), lambda torch: torch_vgg(torch, depths, 3, batch_norm), images)
