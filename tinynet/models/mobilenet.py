"""MobileNet (version 1): convolutions taken apart into a depthwise one and one of 1 × 1.

Source: A. Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications", 2017.
"""

from tinynet import nn
from tinynet.errors import ArgumentError

__all__ = ["DepthwiseSeparableBlock", "MobileNetV1"]

STEM_CHANNELS = 32
# Channels and stride of the thirteen blocks (table 1 of the paper).
BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *[(512, 1)] * 5,
    (1024, 2),
    (1024, 1),
)


class DepthwiseSeparableBlock(nn.Module):
    """A convolution of 3 × 3 in two steps: first over the pixels, then over the channels (figure 3 right).

    ::

        x ─ depthwise conv 3×3 ─ batch norm ─ ReLU6 ─ conv 1×1 ─ batch norm ─ ReLU6 ─ y
            each channel alone                        all channels, each pixel alone

    For each output it multiplies 9 · in_channels / channels + in_channels times, where the convolution in
    one step takes 9 · in_channels: about a ninth.

    (N, H, W, in_channels) → (N, ⌈H / stride⌉, ⌈W / stride⌉, channels).
    """

    def __init__(self, in_channels, channels, stride=1):
        self.depthwise = convolution(in_channels, in_channels, 3, stride, groups=in_channels)
        self.depthwise_norm = batch_norm(in_channels)
        self.relu1 = nn.ReLU6()
        self.pointwise = convolution(in_channels, channels, 1)
        self.pointwise_norm = batch_norm(channels)
        self.relu2 = nn.ReLU6()

    def forward(self, x):
        """(N, H, W, in_channels) → (N, H', W', channels)."""
        x = nn.chain(x, self.depthwise, self.depthwise_norm, self.relu1)
        return nn.chain(x, self.pointwise, self.pointwise_norm, self.relu2)


class MobileNetV1(nn.Module):
    """A convolution, thirteen depthwise separable blocks, the mean over all pixels, one dense layer.

    ========  ==============================================  =============  ============
    layers    what                                            width 1        width 0.25
    ========  ==============================================  =============  ============
    stem      convolution of 3 × 3, stride 2, BN, ReLU6       112, 112, 32   112, 112, 8
    block 1   depthwise separable                             112, 112, 64   112, 112, 16
    2, 3      depthwise separable, the first with stride 2    56, 56, 128    56, 56, 32
    4, 5      depthwise separable, the first with stride 2    28, 28, 256    28, 28, 64
    6 to 11   depthwise separable, the first with stride 2    14, 14, 512    14, 14, 128
    12, 13    depthwise separable, the first with stride 2    7, 7, 1024     7, 7, 256
    pool      mean over all pixels                            1024           256
    dense     num_classes                                     num_classes    num_classes
    ========  ==============================================  =============  ============

    With width 1 and 1,000 classes it has 4,231,976 parameters, and 21,888 running statistics besides, which
    makes the 4,253,864 that Keras counts; with width 0.25 it is 470,072 and 5,472, in all 475,544.

    Padding is ``"same"`` as TensorFlow has it: where the stride is 2 and the size even, the one row and
    column of zeros are at the bottom and on the right. Batch norm adds 0.001 to the variance.

    Args:
        num_classes: the number of classes.
        in_channels: the number C of channels of an image.
        width: by which all numbers of channels are multiplied, and then rounded down.
        dropout: the probability with which features are dropped before the dense layer in training.

    Raises:
        ArgumentError: the width leaves a layer without channels, or the probability is none.
    """

    input_shape = (224, 224, 3)

    def __init__(self, num_classes=1000, in_channels=3, width=1.0, dropout=0.001):
        if int(STEM_CHANNELS * width) < 1:
            least = f"{1 / STEM_CHANNELS:g}"
            raise ArgumentError(f"MobileNetV1: width should be at least {least}, not {width!r}")
        self.input_shape = (224, 224, in_channels)
        channels = int(STEM_CHANNELS * width)
        self.stem = nn.Sequential(
            {
                "conv": convolution(in_channels, channels, 3, stride=2),
                "norm": batch_norm(channels),
                "relu": nn.ReLU6(),
            }
        )
        self.blocks = nn.Sequential()
        for wide, stride in BLOCKS:
            self.blocks.append(DepthwiseSeparableBlock(channels, int(wide * width), stride))
            channels = int(wide * width)
        self.pool = nn.GlobalAvgPool2d()
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(channels, num_classes)

    def forward(self, x):
        """Images (N, H, W, C) → logits (N, num_classes)."""
        x = self.blocks(self.stem(x))
        return nn.chain(x, self.pool, self.dropout, self.dense)


def convolution(in_channels, channels, kernel_size, stride=1, groups=1):
    """A convolution with He's initial weights, and no bias: the batch norm behind it would take it away."""
    with nn.init.skipped():
        layer = nn.Conv2d(
            in_channels, channels, kernel_size, stride, padding="same", groups=groups, bias=False
        )
    nn.init.he_normal(layer.weight)
    return layer


def batch_norm(channels):
    """Batch norm with the constants of the published weights."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
