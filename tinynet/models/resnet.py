"""Residual networks: ResNet-18 to -152 for large images, ResNet-8 to -56 for small ones.

Source: K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016.
"""

from tinynet import nn
from tinynet.errors import ArgumentError
from tinynet.models.residual_blocks import BasicBlock, BottleneckBlock, convolution

__all__ = [
    "CifarResNet",
    "ResNet",
    "ResNet8",
    "ResNet18",
    "ResNet20",
    "ResNet32",
    "ResNet34",
    "ResNet44",
    "ResNet50",
    "ResNet56",
    "ResNet101",
    "ResNet152",
]

STEMS = ("imagenet", "cifar")
SHORTCUTS = ("projection", "padding")


class ResNet(nn.Module):
    """A stem, stages of blocks, the mean over all pixels, one dense layer.

    The first block of every stage but the first halves height and width.

    Args:
        depths: how many blocks each stage has.
        widths: how many channels the convolutions of 3 × 3 of each stage have. Blocks of the kind
            `BottleneckBlock` give four times as many.
        num_classes: the number of classes.
        in_channels: the number C of channels of an image.
        stem: ``"imagenet"`` starts with a convolution of 7 × 7, stride 2, and max pooling of 3 × 3, stride 2,
            for images of 224 × 224; ``"cifar"`` with a convolution of 3 × 3, for images of 32 × 32.
        shortcut: of the blocks that change the shape, ``"projection"`` or ``"padding"``; see `BasicBlock`.
        zero_init_residual: whether the last batch norm of every body starts with a weight of zero, so that
            every block starts as its shortcut and the network as a shallow one.
        block: the class of the blocks.

    Raises:
        ArgumentError: there is no such stem or shortcut.
    """

    input_shape = (224, 224, 3)

    def __init__(
        self,
        depths,
        widths,
        num_classes,
        in_channels=3,
        stem="imagenet",
        shortcut="projection",
        zero_init_residual=False,
        block=BasicBlock,
    ):
        _check_choice("stem", stem, STEMS)
        _check_choice("shortcut", shortcut, SHORTCUTS)
        size = 224 if stem == "imagenet" else 32
        self.input_shape = (size, size, in_channels)
        self.stem = make_stem(stem, in_channels, widths[0])
        self.stages = nn.Sequential()
        channels = widths[0]
        for index, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            stride = 1 if index == 0 else 2
            wide = width * block.expansion
            blocks = [block(channels, wide, stride, shortcut)]
            blocks += [block(wide, wide) for _ in range(depth - 1)]
            self.stages.append(nn.Sequential(*blocks))
            channels = wide
        self.pool = nn.GlobalAvgPool2d()
        self.dense = nn.Linear(channels, num_classes)
        if zero_init_residual:
            start_as_shortcuts(self.stages)

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


def start_as_shortcuts(stages):
    """Sets the weight of each body's last batch norm to zero, so that the body gives zeros.

    Source: P. Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017, section 5.1.
    """
    for stage in stages:
        for block in stage:
            nn.init.zeros(block.body[-1].weight)


class _LargeResNet(ResNet):
    """Four stages of 64, 128, 256 and 512 channels, for images of 224 × 224."""

    depths: tuple[int, ...] = ()
    block: type[nn.Module] = BasicBlock

    def __init__(
        self,
        num_classes=1000,
        in_channels=3,
        stem="imagenet",
        shortcut="projection",
        zero_init_residual=False,
    ):
        widths = (64, 128, 256, 512)
        options = (stem, shortcut, zero_init_residual, self.block)
        super().__init__(self.depths, widths, num_classes, in_channels, *options)


class ResNet18(_LargeResNet):
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

    depths = (2, 2, 2, 2)


class ResNet34(_LargeResNet):
    """Sixteen basic blocks, 3 + 4 + 6 + 3, in the stages of `ResNet18`: 21,797,672 parameters."""

    depths = (3, 4, 6, 3)


class ResNet50(_LargeResNet):
    """Sixteen bottleneck blocks: 25,557,032 parameters for 1,000 classes.

    ========  ========================================  ================  ============  ============
    layers    blocks of                                 224 × 224         ResNet-101    ResNet-152
    ========  ========================================  ================  ============  ============
    stem      conv 7 × 7, max pooling                   56, 56, 64
    stage 1   1 × 1, 64;  3 × 3, 64;  1 × 1, 256        56, 56, 256 × 3   × 3           × 3
    stage 2   1 × 1, 128; 3 × 3, 128; 1 × 1, 512        28, 28, 512 × 4   × 4           × 8
    stage 3   1 × 1, 256; 3 × 3, 256; 1 × 1, 1024       14, 14, 1024 × 6  × 23          × 36
    stage 4   1 × 1, 512; 3 × 3, 512; 1 × 1, 2048       7, 7, 2048 × 3    × 3           × 3
    pool      mean over all pixels                      2048
    dense     num_classes                               num_classes
    ========  ========================================  ================  ============  ============

    The arguments are those of `ResNet`.
    """

    depths = (3, 4, 6, 3)
    block = BottleneckBlock


class ResNet101(_LargeResNet):
    """Thirty-three bottleneck blocks, see the table of `ResNet50`: 44,549,160 parameters."""

    depths = (3, 4, 23, 3)
    block = BottleneckBlock


class ResNet152(_LargeResNet):
    """Fifty bottleneck blocks, see the table of `ResNet50`: 60,192,808 parameters."""

    depths = (3, 8, 36, 3)
    block = BottleneckBlock


class CifarResNet(ResNet):
    """6n + 2 layers for images of 32 × 32 (section 4.2 of the paper), without parameters in the shortcuts.

    ========  ====================================  ===========
    layers    what                                  output
    ========  ====================================  ===========
    stem      convolution of 3 × 3, 16 channels     32, 32, 16
    stage 1   n basic blocks of 16 channels         32, 32, 16
    stage 2   n basic blocks of 32 channels         16, 16, 32
    stage 3   n basic blocks of 64 channels         8, 8, 64
    pool      mean over all pixels                  64
    dense     num_classes                           num_classes
    ========  ====================================  ===========

    Subclasses set `blocks_per_stage`, the n. The arguments are those of `ResNet`.
    """

    input_shape = (32, 32, 3)
    blocks_per_stage = 0

    def __init__(self, num_classes=10, in_channels=3, shortcut="padding", zero_init_residual=False):
        depths = (self.blocks_per_stage,) * 3
        options = ("cifar", shortcut, zero_init_residual)
        super().__init__(depths, (16, 32, 64), num_classes, in_channels, *options)


class ResNet8(CifarResNet):
    """Three basic blocks: 75,290 parameters."""

    blocks_per_stage = 1


class ResNet20(CifarResNet):
    """Nine basic blocks: 269,722 parameters."""

    blocks_per_stage = 3


class ResNet32(CifarResNet):
    """Fifteen basic blocks: 464,154 parameters."""

    blocks_per_stage = 5


class ResNet44(CifarResNet):
    """Twenty-one basic blocks: 658,586 parameters."""

    blocks_per_stage = 7


class ResNet56(CifarResNet):
    """Twenty-seven basic blocks: 853,018 parameters."""

    blocks_per_stage = 9


def _check_choice(name, value, known):
    if value not in known:
        raise ArgumentError(f"ResNet: {name} should be {' or '.join(map(repr, known))}, not {value!r}")
