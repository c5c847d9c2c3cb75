"""Network in Network: convolutions followed by 1 × 1 convolutions, and no dense layer.

Source: M. Lin, Q. Chen, S. Yan, "Network In Network", ICLR 2014. The numbers of channels and the sizes of the
windows for CIFAR-10 are those of the definition that the authors published with it.
"""

from tinynet import nn

__all__ = ["NiN", "NiNBlock"]


class NiNBlock(nn.Sequential):
    """A convolution and two convolutions of 1 × 1, each with ReLU: the paper's mlpconv layer (figure 1b).

    ::

        x ─ conv k×k ─ ReLU ─ conv 1×1 ─ ReLU ─ conv 1×1 ─ ReLU ─ y

    A 1 × 1 convolution is a dense layer over the channels of every pixel, so that the block slides a
    perceptron of three layers over the image, where a convolution slides one layer.

    (N, H, W, in_channels) → (N, H, W, widths[2]).

    Args:
        in_channels: before the block.
        widths: the numbers of channels of the three convolutions.
        kernel_size: of the first one.
    """

    def __init__(self, in_channels, widths, kernel_size):
        first, second, third = widths
        super().__init__(
            {
                "conv": convolution(in_channels, first, kernel_size),
                "relu1": nn.ReLU(),
                "mlp1": convolution(first, second, 1),
                "relu2": nn.ReLU(),
                "mlp2": convolution(second, third, 1),
                "relu3": nn.ReLU(),
            }
        )


class NiN(nn.Module):
    """Three blocks, with a map for each class at the end, whose mean is its logit: 966,986 parameters.

    ========  ============================================  ===========  ==========
    layers    what                                          32 × 32 × 3  parameters
    ========  ============================================  ===========  ==========
    block1    5 × 5 to 192, 1 × 1 to 160, 1 × 1 to 96       32, 32, 96   60,928
    pool1     maximum of 3 × 3, stride 2                    16, 16, 96
    dropout1                                                16, 16, 96
    block2    5 × 5 to 192, 1 × 1 to 192, 1 × 1 to 192      16, 16, 192  535,104
    pool2     maximum of 3 × 3, stride 2                    8, 8, 192
    dropout2                                                8, 8, 192
    block3    3 × 3 to 192, 1 × 1 to 192, 1 × 1 to classes  8, 8, 10     370,954
    pool      mean over all pixels                          10
    ========  ============================================  ===========  ==========

    Poolings take every second pixel, the first included. No size of the images is built in. Logits are
    means of ReLUs, so none is below 0.

    Args:
        num_classes: the number of classes.
        in_channels: the number C of channels of an image.
        dropout: the probability with which numbers between the blocks are dropped in training.

    Raises:
        ArgumentError: dropout is no probability, or a number of channels is none.
    """

    input_shape = (32, 32, 3)

    def __init__(self, num_classes=10, in_channels=3, dropout=0.5):
        self.input_shape = (32, 32, in_channels)
        self.block1 = NiNBlock(in_channels, (192, 160, 96), 5)
        self.pool1 = nn.MaxPool2d(3, stride=2, padding="same")
        self.dropout1 = nn.Dropout(dropout)
        self.block2 = NiNBlock(96, (192, 192, 192), 5)
        self.pool2 = nn.MaxPool2d(3, stride=2, padding="same")
        self.dropout2 = nn.Dropout(dropout)
        self.block3 = NiNBlock(192, (192, 192, num_classes), 3)
        self.pool = nn.GlobalAvgPool2d()

    def forward(self, x):
        """Images (N, H, W, C) → logits (N, num_classes)."""
        x = self.dropout1(self.pool1(self.block1(x)))
        x = self.dropout2(self.pool2(self.block2(x)))
        return self.pool(self.block3(x))


def convolution(in_channels, channels, kernel_size):
    """A convolution that keeps height and width, with He's initial weights, since ReLU follows."""
    with nn.init.skipped():
        layer = nn.Conv2d(in_channels, channels, kernel_size, padding="same")
    nn.init.he_normal(layer.weight)
    return layer
