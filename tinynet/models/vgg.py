"""VGG-16 and VGG-19: nothing but convolutions of 3 × 3, pooling of 2 × 2, and three dense layers.

Source: K. Simonyan and A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition",
ICLR 2015, configurations D and E.
"""

from tinynet import nn
from tinynet.errors import ArgumentError

__all__ = ["VGG", "VGG16", "VGG19"]

WIDTHS = (64, 128, 256, 512, 512)
SMALLEST_INPUT = 2 ** len(WIDTHS)


class VGG(nn.Module):
    """Five blocks of convolutions, each followed by max pooling, which halves height and width.

    Args:
        depths: how many convolutions each of the five blocks has.
        num_classes: the number of classes.
        in_channels: the number C of channels of an image.
        input_size: the height and width of the images, at least 32.
        dropout: the probability with which outputs of the two hidden dense layers are dropped in training.
            The paper uses 0.5; with 0 there are no dropout layers.
        batch_norm: whether batch norm follows every convolution, which the paper did not have yet.

    Raises:
        ArgumentError: the images are too small, or the probability is none.
    """

    input_shape = (224, 224, 3)

    def __init__(self, depths, num_classes, in_channels=3, input_size=224, dropout=0.0, batch_norm=False):
        if input_size < SMALLEST_INPUT:
            raise ArgumentError(f"VGG: input_size should be at least {SMALLEST_INPUT}, not {input_size!r}")
        self.input_shape = (input_size, input_size, in_channels)
        self.features = nn.Sequential()
        channels = in_channels
        for depth, width in zip(depths, WIDTHS, strict=True):
            self.features.append(make_block(depth, channels, width, batch_norm))
            channels = width
        final_size = input_size // SMALLEST_INPUT
        self.classifier = make_classifier(final_size * final_size * channels, num_classes, dropout)

    def forward(self, x):
        """Images (N, H, W, C) → logits (N, num_classes)."""
        return self.classifier(self.features(x))


def make_block(depth, in_channels, channels, batch_norm=False):
    """(N, H, W, in_channels) → (N, ⌊H / 2⌋, ⌊W / 2⌋, channels)."""
    layers = {}
    for number in range(1, depth + 1):
        layers[f"conv{number}"] = nn.Conv2d(in_channels, channels, 3, padding="same")
        if batch_norm:
            layers[f"norm{number}"] = nn.BatchNorm2d(channels)
        layers[f"relu{number}"] = nn.ReLU()
        in_channels = channels
    layers["pool"] = nn.MaxPool2d(2)
    return nn.Sequential(layers)


def make_classifier(features, num_classes, dropout):
    """(N, H, W, C) with H · W · C = features → (N, num_classes)."""
    layers = {
        "flatten": nn.Flatten(),
        "dense1": nn.Linear(features, 4096),
        "relu1": nn.ReLU(),
        "dropout1": nn.Dropout(dropout),
        "dense2": nn.Linear(4096, 4096),
        "relu2": nn.ReLU(),
        "dropout2": nn.Dropout(dropout),
        "dense3": nn.Linear(4096, num_classes),
    }
    if dropout == 0:
        del layers["dropout1"], layers["dropout2"]
    return nn.Sequential(layers)


class VGG16(VGG):
    """Thirteen convolutions and three dense layers: 138,357,544 parameters for 1,000 classes.

    ========  ===============================  =============  =============
    layers    what                             224 × 224      50 × 50
    ========  ===============================  =============  =============
    block 1   2 convolutions of 64 channels    112, 112, 64   25, 25, 64
    block 2   2 convolutions of 128 channels   56, 56, 128    12, 12, 128
    block 3   3 convolutions of 256 channels   28, 28, 256    6, 6, 256
    block 4   3 convolutions of 512 channels   14, 14, 512    3, 3, 512
    block 5   3 convolutions of 512 channels   7, 7, 512      1, 1, 512
    flatten                                    25,088         512
    dense1    4,096 units                      4,096          4,096
    dense2    4,096 units                      4,096          4,096
    dense3    num_classes                      num_classes    num_classes
    ========  ===============================  =============  =============

    For images of 50 × 50 and two classes it has 33,605,442 parameters. Batch norm adds 8,448 parameters.

    The outputs of all layers for one image of 224 × 224 are 15,087,080 numbers, 60 MB in float32, and 61 MB
    with the image; ReLU takes the place of what it is given. The 96 MB that are often quoted are no sum of
    these.

    The arguments are those of `VGG`.
    """

    def __init__(self, num_classes=1000, in_channels=3, input_size=224, dropout=0.0, batch_norm=False):
        super().__init__((2, 2, 3, 3, 3), num_classes, in_channels, input_size, dropout, batch_norm)


class VGG19(VGG):
    """Sixteen convolutions and three dense layers: 143,667,240 parameters for 1,000 classes.

    As `VGG16`, with four convolutions in each of the last three blocks.
    """

    def __init__(self, num_classes=1000, in_channels=3, input_size=224, dropout=0.0, batch_norm=False):
        super().__init__((2, 2, 4, 4, 4), num_classes, in_channels, input_size, dropout, batch_norm)
