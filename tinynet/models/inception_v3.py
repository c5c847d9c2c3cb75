"""Inception v3: GoogLeNet with its windows factorised into smaller ones, and batch norm.

Source: C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna, "Rethinking the Inception Architecture for
Computer Vision", CVPR 2016. Where the paper leaves numbers open they are those of the authors' published code
(TensorFlow's slim), which Keras and PyTorch follow, and so are the names mixed5b to mixed7c.
"""

from tinynet import functional as F
from tinynet import nn
from tinynet.errors import ArgumentError
from tinynet.models.auxiliary import WithAuxiliary

__all__ = ["InceptionV3"]

SMALLEST_INPUT = 75
SMALLEST_AUXILIARY_INPUT = 299


def make_convolution(in_channels, channels, kernel_size, stride=1, padding="same"):
    """A convolution with He's initial weights and without bias, batch norm, and ReLU."""
    with nn.init.skipped():
        conv = nn.Conv2d(in_channels, channels, kernel_size, stride, padding, bias=False)
    nn.init.he_normal(conv.weight)
    return nn.Sequential({"conv": conv, "norm": nn.BatchNorm2d(channels, eps=1e-3), "relu": nn.ReLU()})


def make_chain(in_channels, *convolutions):
    """Convolutions one after the other; each is (channels, kernel_size) with what else it differs in."""
    layers = []
    for channels, *options in convolutions:
        layers.append(make_convolution(in_channels, channels, *options))
        in_channels = channels
    return nn.Sequential(*layers)


def make_pool_branch(in_channels, channels):
    """The mean over 3 × 3 pixels, of those that exist at the border, and a convolution of 1 × 1."""
    pool = nn.AvgPool2d(3, stride=1, padding="same", count_include_pad=False)
    return nn.Sequential({"pool": pool, "conv": make_convolution(in_channels, channels, 1)})


def halving(channels):
    """A convolution of 3 × 3 that halves height and width, as `make_chain` takes it."""
    return channels, 3, 2, "valid"


class Branches(nn.Module):
    """Modules that all see the same input, joined along the channels of their outputs.

    (N, H, W, in_channels) → (N, H', W', the sum of the branches' channels).
    """

    def __init__(self, **branches):
        for name, branch in branches.items():
            setattr(self, name, branch)

    def forward(self, x):
        """Calls every branch on x and concatenates what they give."""
        return F.concatenate([branch(x) for branch in self.children()], axis=-1)


class InceptionA(Branches):
    """5 × 5 beside two 3 × 3, which see as far (figure 5): (N, H, W, C) → (N, H, W, 224 + pool_channels).

    ::

          ┌─ 1×1, 64 ─────────────────────────┐
          ├─ 1×1, 48 ─ 5×5, 64 ───────────────┤
        x ┤                                   ├ y
          ├─ 1×1, 64 ─ 3×3, 96 ─ 3×3, 96 ─────┤
          └─ mean of 3×3 ─ 1×1, pool_channels ┘
    """

    def __init__(self, in_channels, pool_channels):
        super().__init__(
            branch1x1=make_convolution(in_channels, 64, 1),
            branch5x5=make_chain(in_channels, (48, 1), (64, 5)),
            branch3x3double=make_chain(in_channels, (64, 1), (96, 3), (96, 3)),
            branch_pool=make_pool_branch(in_channels, pool_channels),
        )


class InceptionB(Branches):
    """Halves height and width by convolution and by pooling (figure 10): C → 480 + C channels.

    ::

          ┌─ 3×3, 384, stride 2 ─────────────────────┐
        x ┼─ 1×1, 64 ─ 3×3, 96 ─ 3×3, 96, stride 2 ──┼ y
          └─ maximum of 3×3, stride 2 ───────────────┘
    """

    def __init__(self, in_channels):
        super().__init__(
            branch3x3=make_chain(in_channels, halving(384)),
            branch3x3double=make_chain(in_channels, (64, 1), (96, 3), halving(96)),
            branch_pool=nn.MaxPool2d(3, stride=2),
        )


class InceptionC(Branches):
    """7 × 7 as 1 × 7 and 7 × 1, once and twice (figure 6): (N, H, W, C) → (N, H, W, 768).

    ::

          ┌─ 1×1, 192 ──────────────────────────────────────────────────┐
          ├─ 1×1, middle ─ 1×7, middle ─ 7×1, 192 ──────────────────────┤
        x ┤                                                             ├ y
          ├─ 1×1 ─ 7×1 ─ 1×7 ─ 7×1, all of them middle ─ 1×7, 192 ──────┤
          └─ mean of 3×3 ─ 1×1, 192 ────────────────────────────────────┘
    """

    def __init__(self, in_channels, middle):
        double = (middle, 1), (middle, (7, 1)), (middle, (1, 7)), (middle, (7, 1)), (192, (1, 7))
        super().__init__(
            branch1x1=make_convolution(in_channels, 192, 1),
            branch7x7=make_chain(in_channels, (middle, 1), (middle, (1, 7)), (192, (7, 1))),
            branch7x7double=make_chain(in_channels, *double),
            branch_pool=make_pool_branch(in_channels, 192),
        )


class InceptionD(Branches):
    """Halves height and width once more: C → 512 + C channels.

    ::

          ┌─ 1×1, 192 ─ 3×3, 320, stride 2 ──────────────────────────┐
        x ┼─ 1×1, 192 ─ 1×7, 192 ─ 7×1, 192 ─ 3×3, 192, stride 2 ────┼ y
          └─ maximum of 3×3, stride 2 ───────────────────────────────┘
    """

    def __init__(self, in_channels):
        factorised = (192, 1), (192, (1, 7)), (192, (7, 1)), halving(192)
        super().__init__(
            branch3x3=make_chain(in_channels, (192, 1), halving(320)),
            branch7x7x3=make_chain(in_channels, *factorised),
            branch_pool=nn.MaxPool2d(3, stride=2),
        )


class InceptionE(Branches):
    """1 × 3 and 3 × 1 side by side, for many channels (figure 7): (N, H, W, C) → (N, H, W, 2048).

    ::

          ┌─ 1×1, 320 ──────────────────────────────────┐
          ├─ 1×1, 384 ────────────┬─ 1×3, 384 ──────────┤
          │                       └─ 3×1, 384 ──────────┤
        x ┤                                             ├ y
          ├─ 1×1, 448 ─ 3×3, 384 ─┬─ 1×3, 384 ──────────┤
          │                       └─ 3×1, 384 ──────────┤
          └─ mean of 3×3 ─ 1×1, 192 ────────────────────┘
    """

    def __init__(self, in_channels):
        super().__init__(
            branch1x1=make_convolution(in_channels, 320, 1),
            branch3x3=make_fork(make_chain(in_channels, (384, 1))),
            branch3x3double=make_fork(make_chain(in_channels, (448, 1), (384, 3))),
            branch_pool=make_pool_branch(in_channels, 192),
        )


def make_fork(trunk):
    """A trunk of 384 channels that ends in 1 × 3 and 3 × 1 side by side, of 384 channels each."""
    ends = Branches(
        across=make_convolution(384, 384, (1, 3)),
        down=make_convolution(384, 384, (3, 1)),
    )
    return nn.Sequential({"trunk": trunk, "ends": ends})


class InceptionV3(nn.Module):
    """Ninety-four convolutions: 23,834,568 parameters for 1,000 classes without the auxiliary head.

    ==============  ==============================================  =============
    layers          what                                            299 × 299 × 3
    ==============  ==============================================  =============
    conv1           32 kernels of 3 × 3, stride 2                   149, 149, 32
    conv2           32 kernels of 3 × 3                             147, 147, 32
    conv3           64 kernels of 3 × 3, same padding               147, 147, 64
    pool1           maximum of 3 × 3, stride 2                      73, 73, 64
    conv4           80 kernels of 1 × 1                             73, 73, 80
    conv5           192 kernels of 3 × 3                            71, 71, 192
    pool2           maximum of 3 × 3, stride 2                      35, 35, 192
    mixed5b         InceptionA, 32 channels from the pool           35, 35, 256
    mixed5c, 5d     InceptionA, 64 channels from the pool           35, 35, 288
    mixed6a         InceptionB                                      17, 17, 768
    mixed6b         InceptionC, middle 128                          17, 17, 768
    mixed6c, 6d     InceptionC, middle 160                          17, 17, 768
    mixed6e         InceptionC, middle 192; the auxiliary head      17, 17, 768
    mixed7a         InceptionD                                      8, 8, 1280
    mixed7b, 7c     InceptionE                                      8, 8, 2048
    pool            mean over all pixels                            2048
    dropout, dense  num_classes                                     num_classes
    ==============  ==============================================  =============

    In training the model gives a `WithAuxiliary`, for which there is `auxiliary_loss`, and 27,161,264
    parameters take part; in inference it gives the main head's logits alone. Keras counts 23,851,784: its
    batch norms scale nothing, which takes 17,216 away, and their 34,432 running statistics are counted too.

    Args:
        num_classes: the number of classes.
        in_channels: the number C of channels of an image.
        input_size: the height and width of the images: at least 299, or 75 without auxiliary head.
        auxiliary: whether there is an auxiliary head (section 4 of the paper).
        dropout: the probability with which numbers before the dense layer are dropped in training.

    Raises:
        ArgumentError: the images are too small, or dropout is no probability.
    """

    input_shape = (299, 299, 3)

    def __init__(self, num_classes=1000, in_channels=3, input_size=299, auxiliary=True, dropout=0.2):
        smallest = SMALLEST_AUXILIARY_INPUT if auxiliary else SMALLEST_INPUT
        if input_size < smallest:
            kind = "with" if auxiliary else "without"
            raise ArgumentError(
                f"InceptionV3: input_size should be at least {smallest} {kind} auxiliary head, "
                f"not {input_size!r}"
            )
        self.input_shape = (input_size, input_size, in_channels)
        self.conv1 = make_convolution(in_channels, 32, 3, 2, "valid")
        self.conv2 = make_convolution(32, 32, 3, 1, "valid")
        self.conv3 = make_convolution(32, 64, 3)
        self.pool1 = nn.MaxPool2d(3, stride=2)
        self.conv4 = make_convolution(64, 80, 1)
        self.conv5 = make_convolution(80, 192, 3, 1, "valid")
        self.pool2 = nn.MaxPool2d(3, stride=2)
        self.mixed5b = InceptionA(192, 32)
        self.mixed5c = InceptionA(256, 64)
        self.mixed5d = InceptionA(288, 64)
        self.mixed6a = InceptionB(288)
        self.mixed6b = InceptionC(768, 128)
        self.mixed6c = InceptionC(768, 160)
        self.mixed6d = InceptionC(768, 160)
        self.mixed6e = InceptionC(768, 192)
        self.mixed7a = InceptionD(768)
        self.mixed7b = InceptionE(1280)
        self.mixed7c = InceptionE(2048)
        self.pool = nn.GlobalAvgPool2d()
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(2048, num_classes)
        self.auxiliary = make_auxiliary_head(num_classes) if auxiliary else None

    def forward(self, x):
        """Images (N, H, W, C) → logits (N, num_classes); in training `WithAuxiliary`, if there is a head."""
        x = nn.chain(x, self.conv1, self.conv2, self.conv3, self.pool1, self.conv4, self.conv5, self.pool2)
        x = nn.chain(x, self.mixed5b, self.mixed5c, self.mixed5d)
        x = middle = nn.chain(x, self.mixed6a, self.mixed6b, self.mixed6c, self.mixed6d, self.mixed6e)
        x = nn.chain(x, self.mixed7a, self.mixed7b, self.mixed7c)
        logits = nn.chain(x, self.pool, self.dropout, self.dense)
        if self.auxiliary is None or not self.training:
            return logits
        return WithAuxiliary(logits, (self.auxiliary(middle),))


def make_auxiliary_head(num_classes):
    """The layers from mixed6e to logits (figure 8): (N, 17, 17, 768) → (N, num_classes)."""
    return nn.Sequential(
        {
            "average": nn.AvgPool2d(5, stride=3),
            "conv1": make_convolution(768, 128, 1),
            "conv2": make_convolution(128, 768, 5, 1, "valid"),
            "pool": nn.GlobalAvgPool2d(),
            "dense": nn.Linear(768, num_classes),
        }
    )
