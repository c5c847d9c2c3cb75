"""Residual networks of basic blocks: ResNet-18 and -34 for large images, ResNet-20 for small ones.

Source: K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016.
"""

from tinynet import functional as F
from tinynet import nn
from tinynet.errors import ArgumentError

__all__ = ["BasicBlock", "ResNet", "ResNet18", "ResNet20", "ResNet34"]

STEMS = ("imagenet", "cifar")
SHORTCUTS = ("projection", "padding")


class BasicBlock(nn.Module):
    """y = ReLU(body(x) + shortcut(x)), where the body is two convolutions of 3 × 3 (figure 2 of the paper).

    ::

        x ─┬─ conv 3×3 ─ batch norm ─ ReLU ─ conv 3×3 ─ batch norm ─(+)─ ReLU ─ y
           └──────────────────── shortcut ──────────────────────────┘

    (N, H, W, in_channels) → (N, ⌈H / stride⌉, ⌈W / stride⌉, channels).

    Args:
        in_channels, channels: before and after the block.
        stride: of the first convolution.
        shortcut: what joins x and y where they differ in shape: ``"projection"``, a convolution of 1 × 1
            with batch norm (option B of the paper), or ``"padding"``, zeros for the new channels (option
            A), which has no parameters. Where they agree it is x itself.
    """

    def __init__(self, in_channels, channels, stride=1, shortcut="projection"):
        self.body = nn.Sequential(
            convolution(in_channels, channels, 3, stride),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            convolution(channels, channels, 3),
            nn.BatchNorm2d(channels),
        )
        if stride == 1 and in_channels == channels:
            self.shortcut = nn.Identity()
        elif shortcut == "projection":
            self.shortcut = nn.Sequential(
                convolution(in_channels, channels, 1, stride), nn.BatchNorm2d(channels)
            )
        else:
            self.shortcut = PaddedShortcut(stride, channels - in_channels)

    def forward(self, x):
        """(N, H, W, in_channels) → (N, H', W', channels)."""
        return F.add_relu(self.body(x), self.shortcut(x))


class PaddedShortcut(nn.Module):
    """Every `stride`-th pixel in both directions, with zeros for `new_channels` more channels behind."""

    def __init__(self, stride, new_channels):
        self.stride = stride
        self.new_channels = new_channels

    def forward(self, x):
        """(N, H, W, C) → (N, ⌈H / stride⌉, ⌈W / stride⌉, C + new_channels)."""
        x = x[:, :: self.stride, :: self.stride]
        return F.pad(x, ((0, 0), (0, 0), (0, 0), (0, self.new_channels)))


def convolution(in_channels, channels, kernel_size, stride=1):
    """A convolution as all of these networks use it: He's initial weights, and no bias.

    The batch norm behind it takes the mean away, and with it any bias.
    """
    layer = nn.Conv2d(in_channels, channels, kernel_size, stride, padding=kernel_size // 2, bias=False)
    nn.init.he_normal(layer.weight)
    return layer


class ResNet(nn.Module):
    """A stem, stages of basic blocks, the mean over all pixels, one dense layer.

    The first block of every stage but the first halves height and width.

    Args:
        depths: how many blocks each stage has.
        widths: how many channels each stage has.
        num_classes: the number of classes.
        in_channels: the number C of channels of an image.
        stem: ``"imagenet"`` starts with a convolution of 7 × 7, stride 2, and max pooling of 3 × 3, stride 2,
            for images of 224 × 224; ``"cifar"`` with a convolution of 3 × 3, for images of 32 × 32.
        shortcut: of the blocks that change the shape, ``"projection"`` or ``"padding"``; see `BasicBlock`.

    Raises:
        ArgumentError: there is no such stem or shortcut.
    """

    input_shape = (224, 224, 3)

    def __init__(self, depths, widths, num_classes, in_channels=3, stem="imagenet", shortcut="projection"):
        _check_choice("stem", stem, STEMS)
        _check_choice("shortcut", shortcut, SHORTCUTS)
        size = 224 if stem == "imagenet" else 32
        self.input_shape = (size, size, in_channels)
        self.stem = make_stem(stem, in_channels, widths[0])
        self.stages = nn.Sequential()
        channels = widths[0]
        for index, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            stride = 1 if index == 0 else 2
            blocks = [BasicBlock(channels, width, stride, shortcut)]
            blocks += [BasicBlock(width, width) for _ in range(depth - 1)]
            self.stages.append(nn.Sequential(*blocks))
            channels = width
        self.pool = nn.GlobalAvgPool2d()
        self.dense = nn.Linear(channels, num_classes)

    def forward(self, x):
        """Images (N, H, W, C) → logits (N, num_classes)."""
        return self.dense(self.pool(self.stages(self.stem(x))))


def make_stem(name, in_channels, channels):
    """The layers before the first block."""
    if name == "cifar":
        return nn.Sequential(convolution(in_channels, channels, 3), nn.BatchNorm2d(channels), nn.ReLU())
    return nn.Sequential(
        convolution(in_channels, channels, 7, stride=2),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),
    )


class ResNet18(ResNet):
    """Eight basic blocks: 11,689,512 parameters for 1,000 classes.

    ========  =============================  ==================  ==============
    layers    what                           224 × 224           32 × 32
    ========  =============================  ==================  ==============
    stem      see the argument               56, 56, 64          32, 32, 64
    stage 1   2 blocks of 64 channels        56, 56, 64          32, 32, 64
    stage 2   2 blocks of 128 channels       28, 28, 128         16, 16, 128
    stage 3   2 blocks of 256 channels       14, 14, 256         8, 8, 256
    stage 4   2 blocks of 512 channels       7, 7, 512           4, 4, 512
    pool      mean over all pixels           512                 512
    dense     num_classes                    num_classes         num_classes
    ========  =============================  ==================  ==============

    The arguments are those of `ResNet`.
    """

    def __init__(self, num_classes=1000, in_channels=3, stem="imagenet", shortcut="projection"):
        super().__init__((2, 2, 2, 2), (64, 128, 256, 512), num_classes, in_channels, stem, shortcut)


class ResNet34(ResNet):
    """Sixteen basic blocks, in the stages of `ResNet18`: 21,797,672 parameters for 1,000 classes."""

    def __init__(self, num_classes=1000, in_channels=3, stem="imagenet", shortcut="projection"):
        super().__init__((3, 4, 6, 3), (64, 128, 256, 512), num_classes, in_channels, stem, shortcut)


class ResNet20(ResNet):
    """Nine basic blocks for images of 32 × 32 (section 4.2 of the paper): 269,722 parameters.

    Three stages of 16, 32 and 64 channels, with shortcuts that have no parameters, as in the paper.
    """

    input_shape = (32, 32, 3)

    def __init__(self, num_classes=10, in_channels=3, shortcut="padding"):
        super().__init__((3, 3, 3), (16, 32, 64), num_classes, in_channels, "cifar", shortcut)


def _check_choice(name, value, known):
    if value not in known:
        raise ArgumentError(f"ResNet: {name} should be {' or '.join(map(repr, known))}, not {value!r}")
