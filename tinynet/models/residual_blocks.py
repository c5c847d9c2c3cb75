"""The blocks of residual networks: two convolutions of 3 × 3, or a bottleneck of three.

Source: K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016.
"""

from tinynet import functional as F
from tinynet import nn

__all__ = ["BasicBlock", "BottleneckBlock", "PaddedShortcut", "PlainBlock", "convolution"]


class BasicBlock(nn.Module):
    """y = ReLU(body(x) + shortcut(x)), where the body is two convolutions of 3 × 3 (figure 2 of the paper).

    ::

        x ─┬─ conv 3×3 ─ batch norm ─ ReLU ─ conv 3×3 ─ batch norm ─(+)─ ReLU ─ y
           └──────────────────── shortcut ──────────────────────────┘

    (N, H, W, in_channels) → (N, ⌈H / stride⌉, ⌈W / stride⌉, channels). Where these shapes agree it is also
    called identity block, elsewhere convolutional block.

    Args:
        in_channels, channels: before and after the block.
        stride: of the first convolution.
        shortcut: what joins x and y where they differ in shape: ``"projection"``, a convolution of 1 × 1
            with batch norm (option B of the paper), or ``"padding"``, zeros for the new channels (option
            A), which has no parameters; see `PaddedShortcut`. Where they agree it is x itself.
    """

    expansion = 1

    def __init__(self, in_channels, channels, stride=1, shortcut="projection"):
        self.body = make_basic_body(in_channels, channels, stride)
        self.shortcut = make_shortcut(in_channels, channels, stride, shortcut)

    def forward(self, x):
        """(N, H, W, in_channels) → (N, H', W', channels)."""
        return F.add_relu(self.body(x), self.shortcut(x))


class BottleneckBlock(nn.Module):
    """A basic block whose body narrows to a quarter of the channels for its 3 × 3 (figure 5 of the paper).

    ::

        x ─┬─ conv 1×1 ─ BN ─ ReLU ─ conv 3×3 ─ BN ─ ReLU ─ conv 1×1 ─ BN ─(+)─ ReLU ─ y
           │  channels / 4           channels / 4           channels        │
           └────────────────────────── shortcut ────────────────────────────┘

    The convolution of 3 × 3 has the stride. In the paper the first one of 1 × 1 has it, which then skips
    three quarters of the pixels; there are as many parameters either way. Weights that were trained with
    PyTorch belong to the form here.

    Arguments and shapes are those of `BasicBlock`, with `channels` a multiple of 4.
    """

    expansion = 4

    def __init__(self, in_channels, channels, stride=1, shortcut="projection"):
        narrow = channels // self.expansion
        self.body = nn.Sequential(
            convolution(in_channels, narrow, 1),
            nn.BatchNorm2d(narrow),
            nn.ReLU(),
            convolution(narrow, narrow, 3, stride),
            nn.BatchNorm2d(narrow),
            nn.ReLU(),
            convolution(narrow, channels, 1),
            nn.BatchNorm2d(channels),
        )
        self.shortcut = make_shortcut(in_channels, channels, stride, shortcut)

    def forward(self, x):
        """(N, H, W, in_channels) → (N, H', W', channels)."""
        return F.add_relu(self.body(x), self.shortcut(x))


class PlainBlock(nn.Module):
    """y = ReLU(body(x)): a basic block without the shortcut, to be compared with it.

    ::

        x ─ conv 3×3 ─ batch norm ─ ReLU ─ conv 3×3 ─ batch norm ─ ReLU ─ y

    The arguments are those of `BasicBlock`; there is no shortcut that `shortcut` could choose.
    """

    expansion = 1

    def __init__(self, in_channels, channels, stride=1, shortcut=None):
        self.body = make_basic_body(in_channels, channels, stride)

    def forward(self, x):
        """(N, H, W, in_channels) → (N, H', W', channels)."""
        return nn.chain(x, *self.body, F.relu)


def make_basic_body(in_channels, channels, stride):
    """Two convolutions of 3 × 3 with batch norm, and a ReLU between them."""
    return nn.Sequential(
        convolution(in_channels, channels, 3, stride),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        convolution(channels, channels, 3),
        nn.BatchNorm2d(channels),
    )


def make_shortcut(in_channels, channels, stride, kind):
    """What leads x past a body to where it is added; see `BasicBlock`."""
    if stride == 1 and in_channels == channels:
        return nn.Identity()
    if kind == "projection":
        return nn.Sequential(convolution(in_channels, channels, 1, stride), nn.BatchNorm2d(channels))
    return PaddedShortcut(stride, channels - in_channels)


class PaddedShortcut(nn.Module):
    """Every `stride`-th pixel in both directions, and zeros for `new_channels` more channels.

    Half of the new channels come before the old ones and half behind. The paper leaves this open; published
    weights of Y. Idelbayev, "Proper ResNet Implementation for CIFAR10/CIFAR100 in PyTorch", belong to it.
    """

    def __init__(self, stride, new_channels):
        self.stride = stride
        self.new_channels = new_channels

    def forward(self, x):
        """(N, H, W, C) → (N, ⌈H / stride⌉, ⌈W / stride⌉, C + new_channels)."""
        x = x[:, :: self.stride, :: self.stride]
        before = self.new_channels // 2
        return F.pad(x, ((0, 0), (0, 0), (0, 0), (before, self.new_channels - before)))

    def extra_repr(self):
        """Stride and new channels."""
        return f"stride={self.stride}, new_channels={self.new_channels}"


def convolution(in_channels, channels, kernel_size, stride=1):
    """A convolution as all of these networks use it: He's initial weights, and no bias.

    The batch norm behind it takes the mean away, and with it any bias.
    """
    with nn.init.skipped():
        layer = nn.Conv2d(in_channels, channels, kernel_size, stride, padding=kernel_size // 2, bias=False)
    nn.init.he_normal(layer.weight)
    return layer
