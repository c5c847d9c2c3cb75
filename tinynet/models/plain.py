"""Plain networks: the residual networks without their shortcuts, to see what the shortcuts are good for.

They are named as the residual networks of the same depth, and consist of the same layers in the same order.

Source: K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, figures 3
(middle) and 6 (left).
"""

from tinynet.models.residual_blocks import PlainBlock
from tinynet.models.resnet import ResNet

__all__ = ["Plain8", "Plain18", "Plain20", "Plain32", "Plain34", "Plain44", "Plain56"]


class _LargePlain(ResNet):
    """Four stages of 64, 128, 256 and 512 channels, for images of 224 × 224."""

    depths: tuple[int, ...] = ()

    def __init__(self, num_classes=1000, in_channels=3, stem="imagenet"):
        widths = (64, 128, 256, 512)
        super().__init__(self.depths, widths, num_classes, in_channels, stem, block=PlainBlock)


class Plain18(_LargePlain):
    """Eight plain blocks, with the shapes of `ResNet18`: 11,515,688 parameters for 1,000 classes.

    The arguments are those of `ResNet`.
    """

    depths = (2, 2, 2, 2)


class Plain34(_LargePlain):
    """Sixteen plain blocks, with the shapes of `ResNet34`: 21,623,848 parameters for 1,000 classes."""

    depths = (3, 4, 6, 3)


class _CifarPlain(ResNet):
    """6n + 2 layers for images of 32 × 32; see `CifarResNet`."""

    input_shape = (32, 32, 3)
    blocks_per_stage = 0

    def __init__(self, num_classes=10, in_channels=3):
        depths = (self.blocks_per_stage,) * 3
        super().__init__(depths, (16, 32, 64), num_classes, in_channels, "cifar", block=PlainBlock)


class Plain8(_CifarPlain):
    """Three plain blocks: 75,290 parameters, as many as `ResNet8` has."""

    blocks_per_stage = 1


class Plain20(_CifarPlain):
    """Nine plain blocks: 269,722 parameters, as many as `ResNet20` has."""

    blocks_per_stage = 3


class Plain32(_CifarPlain):
    """Fifteen plain blocks: 464,154 parameters, as many as `ResNet32` has."""

    blocks_per_stage = 5


class Plain44(_CifarPlain):
    """Twenty-one plain blocks: 658,586 parameters, as many as `ResNet44` has."""

    blocks_per_stage = 7


class Plain56(_CifarPlain):
    """Twenty-seven plain blocks: 853,018 parameters, as many as `ResNet56` has."""

    blocks_per_stage = 9
