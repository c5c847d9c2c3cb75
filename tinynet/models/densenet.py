"""DenseNet: every layer of a block sees the maps of all layers before it, side by side.

Source: G. Huang, Z. Liu, L. van der Maaten, K. Weinberger, "Densely Connected Convolutional Networks",
CVPR 2017.
"""

from tinynet import functional as F
from tinynet import nn
from tinynet.errors import ArgumentError

__all__ = ["DenseBlock", "DenseLayer", "DenseNet", "DenseNet40", "DenseNet121", "MnistDenseNet", "Transition"]

BOTTLENECK_WIDTH = 4  # of a bottleneck, in growths


class DenseLayer(nn.Module):
    """The composite function H of the paper: `growth` new maps out of all maps so far (section 3).

    ::

        plain         x ─ batch norm ─ ReLU ─ conv 3×3 (─ dropout) ─ new maps
        bottleneck    x ─ batch norm ─ ReLU ─ conv 1×1 ─ batch norm ─ ReLU ─ conv 3×3 (─ dropout) ─ new maps

    (N, H, W, in_channels) → (N, H, W, growth).

    Args:
        in_channels: how many maps there are so far.
        growth: how many maps the layer adds, the k of the paper.
        bottleneck: whether a convolution of 1 × 1 first narrows the maps to 4 · growth.
        dropout: the probability with which new numbers are dropped in training; with 0 there is no dropout.
    """

    def __init__(self, in_channels, growth, bottleneck=False, dropout=0.0):
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU()
        if bottleneck:
            narrow = BOTTLENECK_WIDTH * growth
            self.conv1 = convolution(in_channels, narrow, 1)
            self.norm2 = nn.BatchNorm2d(narrow)
            self.relu2 = nn.ReLU()
            self.conv2 = convolution(narrow, growth, 3)
        else:
            self.conv1 = convolution(in_channels, growth, 3)
        if dropout:
            self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        """(N, H, W, in_channels) → (N, H, W, growth)."""
        return nn.chain(x, *self.children())


class DenseBlock(nn.Module):
    """Dense layers, the output of each of which is put behind its input (figure 1 of the paper).

    ::

        x ─┬─────────┐       ┌───────────────────┐
           └─ layer ─(‖)─────┴─ layer ─(‖)─ ...      ‖: concatenation of channels, no sum

    (N, H, W, in_channels) → (N, H, W, in_channels + depth · growth).

    Args:
        depth: how many layers.

    The other arguments are those of `DenseLayer`.
    """

    def __init__(self, depth, in_channels, growth, bottleneck=False, dropout=0.0):
        self.layers = nn.ModuleList(
            DenseLayer(in_channels + number * growth, growth, bottleneck, dropout) for number in range(depth)
        )

    def forward(self, x):
        """(N, H, W, in_channels) → (N, H, W, in_channels + depth · growth)."""
        for layer in self.layers:
            x = F.concatenate([x, layer(x)], axis=-1)
        return x


class Transition(nn.Sequential):
    """What lies between two blocks: fewer channels by a convolution of 1 × 1, then half the size.

    ::

        x ─ batch norm ─ ReLU ─ conv 1×1 ─ average pooling 2×2 ─ y

    The paper's text leaves out the ReLU, which its authors' program has. (N, H, W, in_channels) →
    (N, ⌊H / 2⌋, ⌊W / 2⌋, channels).
    """

    def __init__(self, in_channels, channels):
        super().__init__(
            {
                "norm": nn.BatchNorm2d(in_channels),
                "relu": nn.ReLU(),
                "conv": convolution(in_channels, channels, 1),
                "pool": nn.AvgPool2d(2),
            }
        )


class DenseNet(nn.Module):
    """A stem, dense blocks with transitions between them, batch norm, ReLU, the mean, one dense layer.

    Args:
        depths: how many layers each block has.
        growth: how many maps each layer adds.
        num_classes: the number of classes.
        in_channels: the number C of channels of an image.
        stem: ``"imagenet"`` starts with a convolution of 7 × 7, stride 2, batch norm, ReLU and max pooling of
            3 × 3, stride 2, for images of 224 × 224; ``"cifar"`` with a convolution of 3 × 3 only.
        stem_channels: how many maps the stem gives.
        bottleneck: whether the layers have a bottleneck; see `DenseLayer`.
        compression: the share of channels that a transition keeps, above 0 and at most 1.
        dropout: the probability with which new numbers are dropped in training. The paper has 0.2 where the
            training images are not augmented.

    Raises:
        ArgumentError: there is no such stem, or the compression or the probability is none.
    """

    input_shape = (224, 224, 3)

    def __init__(
        self,
        depths,
        growth,
        num_classes,
        in_channels=3,
        stem="imagenet",
        stem_channels=64,
        bottleneck=True,
        compression=0.5,
        dropout=0.0,
    ):
        if not 0 < compression <= 1:
            raise ArgumentError(f"DenseNet: compression should be in (0, 1], not {compression!r}")
        self.stem = make_stem(stem, in_channels, stem_channels)
        size = 224 if stem == "imagenet" else 32
        self.input_shape = (size, size, in_channels)
        self.features = nn.Sequential()
        channels = stem_channels
        for number, depth in enumerate(depths, start=1):
            setattr(self.features, f"block{number}", DenseBlock(depth, channels, growth, bottleneck, dropout))
            channels += depth * growth
            if number < len(depths):
                kept = int(channels * compression)
                setattr(self.features, f"transition{number}", Transition(channels, kept))
                channels = kept
        self.norm = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        self.pool = nn.GlobalAvgPool2d()
        self.dense = nn.Linear(channels, num_classes)

    def forward(self, x):
        """Images (N, H, W, C) → logits (N, num_classes)."""
        x = self.features(self.stem(x))
        return nn.chain(x, self.norm, self.relu, self.pool, self.dense)


def make_stem(name, in_channels, channels):
    """The layers before the first block."""
    if name == "cifar":
        return nn.Sequential({"conv": convolution(in_channels, channels, 3)})
    if name == "imagenet":
        return nn.Sequential(
            {
                "conv": convolution(in_channels, channels, 7, stride=2),
                "norm": nn.BatchNorm2d(channels),
                "relu": nn.ReLU(),
                "pool": nn.MaxPool2d(3, stride=2, padding=1),
            }
        )
    raise ArgumentError(f"DenseNet: stem should be 'imagenet' or 'cifar', not {name!r}")


def convolution(in_channels, channels, kernel_size, stride=1):
    """A convolution with He's initial weights, without bias, whose output is as large as its input."""
    with nn.init.skipped():
        layer = nn.Conv2d(in_channels, channels, kernel_size, stride, padding=kernel_size // 2, bias=False)
    nn.init.he_normal(layer.weight)
    return layer


class DenseNet40(DenseNet):
    """Three blocks of twelve layers, growth 12, for images of 32 × 32: 1,019,722 parameters.

    ============  ================================  ===========
    layers        what                              output
    ============  ================================  ===========
    stem          convolution of 3 × 3              32, 32, 16
    block 1       12 layers of 12 maps              32, 32, 160
    transition 1  1 × 1, average pooling            16, 16, 160
    block 2       12 layers of 12 maps              16, 16, 304
    transition 2  1 × 1, average pooling            8, 8, 304
    block 3       12 layers of 12 maps              8, 8, 448
    pool          mean over all pixels              448
    dense         num_classes                       num_classes
    ============  ================================  ===========

    The arguments are those of `DenseNet`.
    """

    def __init__(self, num_classes=10, in_channels=3, dropout=0.0):
        options = {"stem": "cifar", "stem_channels": 16, "bottleneck": False, "compression": 1.0}
        super().__init__((12, 12, 12), 12, num_classes, in_channels, dropout=dropout, **options)


class DenseNet121(DenseNet):
    """Four blocks of bottleneck layers, growth 32: 7,978,856 parameters for 1,000 classes.

    ============  ==========================================  =============
    layers        what                                        output
    ============  ==========================================  =============
    stem          convolution of 7 × 7, max pooling           56, 56, 64
    block 1       6 layers of 1 × 1, 128 and 3 × 3, 32        56, 56, 256
    transition 1  1 × 1, average pooling                      28, 28, 128
    block 2       12 layers of 1 × 1, 128 and 3 × 3, 32       28, 28, 512
    transition 2  1 × 1, average pooling                      14, 14, 256
    block 3       24 layers of 1 × 1, 128 and 3 × 3, 32       14, 14, 1024
    transition 3  1 × 1, average pooling                      7, 7, 512
    block 4       16 layers of 1 × 1, 128 and 3 × 3, 32       7, 7, 1024
    pool          mean over all pixels                        1024
    dense         num_classes                                 num_classes
    ============  ==========================================  =============

    The arguments are those of `DenseNet`.
    """

    def __init__(self, num_classes=1000, in_channels=3, dropout=0.0):
        super().__init__((6, 12, 24, 16), 32, num_classes, in_channels, dropout=dropout)


class MnistDenseNet(DenseNet):
    """Three blocks of plain layers, growth 12, for images of 28 × 28: 127,306 parameters.

    ============  ================================  ===========
    layers        what                              output
    ============  ================================  ===========
    stem          convolution of 3 × 3              28, 28, 16
    block 1       4 layers of 12 maps               28, 28, 64
    transition 1  1 × 1, average pooling            14, 14, 64
    block 2       4 layers of 12 maps               14, 14, 112
    transition 2  1 × 1, average pooling            7, 7, 112
    block 3       4 layers of 12 maps               7, 7, 160
    pool          mean over all pixels              160
    dense         num_classes                       num_classes
    ============  ================================  ===========

    Args:
        depths: how many layers each block has.
        growth: how many maps each layer adds.

    The other arguments are those of `DenseNet`.
    """

    def __init__(self, num_classes=10, in_channels=1, depths=(4, 4, 4), growth=12, dropout=0.0):
        options = {"stem": "cifar", "stem_channels": 16, "bottleneck": False, "compression": 1.0}
        super().__init__(depths, growth, num_classes, in_channels, dropout=dropout, **options)
        self.input_shape = (28, 28, in_channels)
