"""SqueezeNet v1.1: AlexNet's accuracy, its authors say, with a fiftieth of its parameters.

Source: F. Iandola, S. Han, M. Moskewicz, K. Ashraf, W. Dally, K. Keutzer, "SqueezeNet: AlexNet-level accuracy
with 50x fewer parameters and <0.5MB model size", 2016. Version 1.1 is in the repository of the authors,
forresti/SqueezeNet: fewer and smaller kernels in conv1, and poolings earlier, for 2.4 times less work.
"""

from tinynet import functional as F
from tinynet import nn
from tinynet.errors import ArgumentError

__all__ = ["Fire", "SqueezeNet"]

SMALLEST_INPUT = 31


class Fire(nn.Module):
    """A narrow 1 × 1 convolution, and a 1 × 1 and a 3 × 3 convolution side by side (figure 1 of the paper).

    ::

        x ─ squeeze 1×1 ─ ReLU ─┬─ expand 1×1 ─ ReLU ─┬─ y
                                └─ expand 3×3 ─ ReLU ─┘

    (N, H, W, in_channels) → (N, H, W, 2 · expand).

    Args:
        in_channels: before the module.
        squeeze: the number of channels of the narrow convolution.
        expand: that of each of the other two.
    """

    def __init__(self, in_channels, squeeze, expand):
        self.squeeze1x1 = convolution(in_channels, squeeze, 1)
        self.expand1x1 = convolution(squeeze, expand, 1)
        self.expand3x3 = convolution(squeeze, expand, 3, padding=1)

    def forward(self, x):
        """(N, H, W, in_channels) → (N, H, W, 2 · expand)."""
        x = nn.chain(x, self.squeeze1x1, F.relu)
        left = nn.chain(x, self.expand1x1, F.relu)
        right = nn.chain(x, self.expand3x3, F.relu)
        return F.concatenate((left, right), axis=-1)


def convolution(in_channels, channels, kernel_size, stride=1, padding=0):
    """A convolution with He's initial weights, since ReLU follows."""
    with nn.init.skipped():
        layer = nn.Conv2d(in_channels, channels, kernel_size, stride, padding)
    nn.init.he_normal(layer.weight)
    return layer


class SqueezeNet(nn.Module):
    """SqueezeNet v1.1: 1,235,496 parameters for 1,000 classes, 722,496 of them before the classifier.

    ============  ======================================  =============  ==========
    layers        what                                    227 × 227 × 3  parameters
    ============  ======================================  =============  ==========
    conv1         64 kernels of 3 × 3, stride 2           113, 113, 64   1,792
    pool1         maximum of 3 × 3, stride 2              56, 56, 64
    fire2, fire3  squeeze to 16, expand to 64 + 64        56, 56, 128    23,728
    pool3         maximum of 3 × 3, stride 2              27, 27, 128
    fire4, fire5  squeeze to 32, expand to 128 + 128      27, 27, 256    94,528
    pool5         maximum of 3 × 3, stride 2              13, 13, 256
    fire6, fire7  squeeze to 48, expand to 192 + 192      13, 13, 384    217,056
    fire8, fire9  squeeze to 64, expand to 256 + 256      13, 13, 512    385,392
    dropout                                               13, 13, 512
    conv10        num_classes kernels of 1 × 1            13, 13, 1,000  513,000
    pool10        mean over all pixels                    1,000
    ============  ======================================  =============  ==========

    ReLU follows every convolution, conv10 too; conv1 and the poolings take only windows that lie in the
    image. Images of at least 31 × 31 serve.

    Args:
        num_classes: the number of classes; None leaves out dropout, conv10 and pool10, and the model gives
            the features of fire9, (N, 13, 13, 512).
        in_channels: the number C of channels of an image.
        input_size: the height and width of the images.
        dropout: the probability with which numbers before conv10 are dropped in training.

    Raises:
        ArgumentError: the images are too small, dropout is no probability, or a number of channels is none.
    """

    input_shape = (227, 227, 3)

    def __init__(self, num_classes=1000, in_channels=3, input_size=227, dropout=0.5):
        if input_size < SMALLEST_INPUT:
            raise ArgumentError(
                f"SqueezeNet: input_size should be at least {SMALLEST_INPUT}, not {input_size!r}"
            )
        self.input_shape = (input_size, input_size, in_channels)
        self.conv1 = convolution(in_channels, 64, 3, stride=2)
        self.pool1 = nn.MaxPool2d(3, stride=2)
        self.fire2 = Fire(64, 16, 64)
        self.fire3 = Fire(128, 16, 64)
        self.pool3 = nn.MaxPool2d(3, stride=2)
        self.fire4 = Fire(128, 32, 128)
        self.fire5 = Fire(256, 32, 128)
        self.pool5 = nn.MaxPool2d(3, stride=2)
        self.fire6 = Fire(256, 48, 192)
        self.fire7 = Fire(384, 48, 192)
        self.fire8 = Fire(384, 64, 256)
        self.fire9 = Fire(512, 64, 256)
        self.num_classes = num_classes
        if num_classes is not None:
            self.dropout = nn.Dropout(dropout)
            self.conv10 = convolution(512, num_classes, 1)
            self.pool10 = nn.GlobalAvgPool2d()

    def features(self, x):
        """Images (N, H, W, C) → what fire9 gives, (N, 13, 13, 512) for images of 227 × 227."""
        x = nn.chain(x, self.conv1, F.relu, self.pool1)
        x = self.pool3(self.fire3(self.fire2(x)))
        x = self.pool5(self.fire5(self.fire4(x)))
        return nn.chain(x, self.fire6, self.fire7, self.fire8, self.fire9)

    def forward(self, x):
        """Images (N, H, W, C) → logits (N, num_classes), or the features where there are no classes."""
        x = self.features(x)
        if self.num_classes is None:
            return x
        return nn.chain(x, self.dropout, self.conv10, F.relu, self.pool10)
