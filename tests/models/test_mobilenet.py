"""MobileNet: the documented shapes and counts, and a PyTorch network of the same layers and weights."""

import pytest

from tinynet import models, nn
from tinynet.errors import ArgumentError
from tinynet.inspection import summary
from tinynet.models.mobilenet import BLOCKS, DepthwiseSeparableBlock


def undrawn(**options):
    with nn.init.skipped():
        return models.MobileNetV1(**options)


def output_shapes(table, ending):
    return [row.output_shape[1:] for row in table if row.name.endswith(ending)]


def test_shapes_are_those_of_the_paper():
    table = summary(undrawn(), (224, 224, 3))
    assert output_shapes(table, "stem.relu") == [(112, 112, 32)]
    assert output_shapes(table, "relu2") == [
        (112, 112, 64),
        *[(56, 56, 128)] * 2,
        *[(28, 28, 256)] * 2,
        *[(14, 14, 512)] * 6,
        *[(7, 7, 1024)] * 2,
    ]
    assert output_shapes(table, "relu1") == [
        (112, 112, 32),
        (56, 56, 64),
        (56, 56, 128),
        (28, 28, 128),
        (28, 28, 256),
        (14, 14, 256),
        *[(14, 14, 512)] * 5,
        (7, 7, 512),
        (7, 7, 1024),
    ]
    assert output_shapes(table, "pool") == [(1024,)]


@pytest.mark.parametrize(
    ("width", "total", "trainable"),
    [
        # As Keras counts them.
        (1.0, 4_253_864, 4_231_976),
        (0.75, 2_601_976, 2_585_560),
        (0.5, 1_342_536, 1_331_592),
        (0.25, 475_544, 470_072),
    ],
)
def test_parameters_of_every_width(width, total, trainable):
    table = summary(undrawn(width=width), (224, 224, 3))
    assert (table.total_parameters, table.trainable_parameters) == (total, trainable)


@pytest.mark.parametrize(("width", "millions"), [(1.0, 569), (0.75, 325), (0.5, 149), (0.25, 41)])
def test_multiply_adds_are_those_of_the_paper(width, millions):
    # Tables 4 and 6 of the paper.
    assert round(summary(undrawn(width=width), (224, 224, 3)).multiply_adds / 1e6) in (millions, millions + 1)


def test_a_separable_block_multiplies_as_often_as_the_paper_says():
    # Section 3.1: 1 / channels + 1 / 9 of a convolution of 3 × 3 in one step.
    separable = summary(DepthwiseSeparableBlock(32, 64), (10, 10, 32)).multiply_adds
    direct = summary(nn.Conv2d(32, 64, 3, padding="same"), (10, 10, 32)).multiply_adds
    assert separable / direct == pytest.approx(1 / 64 + 1 / 9, rel=1e-12)


def test_channels_and_classes_are_free():
    model = undrawn(num_classes=7, in_channels=1, width=0.3)
    assert model.input_shape == (224, 224, 1)
    assert summary(model, (50, 37, 1)).layers[-1].output_shape == (None, 7)
    assert model.dense.in_features == 307


def test_a_width_without_channels_is_refused():
    with pytest.raises(ArgumentError, match=r"MobileNetV1: width should be at least 0.03125, not 0.03"):
        models.MobileNetV1(width=0.03)


def torch_mobilenet(torch, width, num_classes):
    class Same(torch.nn.Conv2d):
        """A convolution of 3 × 3 that pads images of even size as TensorFlow does."""

        def forward(self, x):
            before = 1 if self.stride == (1, 1) else 0
            return super().forward(torch.nn.functional.pad(x, (before, 1, before, 1)))

    def norm(channels):
        return torch.nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)

    class Block(torch.nn.Module):
        def __init__(self, in_channels, channels, stride):
            super().__init__()
            self.depthwise = Same(in_channels, in_channels, 3, stride, groups=in_channels, bias=False)
            self.depthwise_norm = norm(in_channels)
            self.pointwise = torch.nn.Conv2d(in_channels, channels, 1, bias=False)
            self.pointwise_norm = norm(channels)

        def forward(self, x):
            x = torch.nn.functional.relu6(self.depthwise_norm(self.depthwise(x)))
            return torch.nn.functional.relu6(self.pointwise_norm(self.pointwise(x)))

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            channels = int(32 * width)
            self.stem = torch.nn.Sequential()
            self.stem.add_module("conv", Same(3, channels, 3, 2, bias=False))
            self.stem.add_module("norm", norm(channels))
            self.blocks = torch.nn.Sequential()
            for number, (wide, stride) in enumerate(BLOCKS):
                self.blocks.add_module(str(number), Block(channels, int(wide * width), stride))
                channels = int(wide * width)
            self.dense = torch.nn.Linear(channels, num_classes)

        def forward(self, x):
            x = self.blocks(torch.nn.functional.relu6(self.stem(x)))
            return self.dense(x.mean((2, 3)))

    return Network()


def test_mobilenet_follows_pytorch(rng, follow_pytorch):
    model = models.MobileNetV1(5, width=0.25, dropout=0.0)
    follow_pytorch(model, lambda torch: torch_mobilenet(torch, 0.25, 5), rng.normal(size=(2, 64, 64, 3)))


def test_zeros_are_added_at_the_bottom_and_on_the_right_only(rng):
    # With a stride of 2 and an even size the first window begins at the first pixel.
    model = models.MobileNetV1(width=0.25)
    x = rng.normal(size=(1, 4, 4, 3)).astype("float32")
    weight = model.stem.conv.weight.numpy()
    expected = (x[0, :3, :3, :, None] * weight).sum(axis=(0, 1, 2))
    assert model.stem.conv(x).numpy()[0, 0, 0] == pytest.approx(expected, rel=1e-4, abs=1e-5)
