"""Layers that change the resolution without weights."""

from tinynet import functional as F
from tinynet.errors import ArgumentError
from tinynet.nn.arguments import count
from tinynet.nn.module import Module

__all__ = ["DepthToSpace", "PixelShuffle", "PixelUnshuffle", "SpaceToDepth", "Upsample"]


class Upsample(Module):
    """Images enlarged, (N, H, W, C) → (N, H', W', C).

    Args:
        size: the new size, an integer or (H', W'); or else
        scale_factor: by how much, a number or one for each axis.
        mode: ``"nearest"`` repeats pixels, ``"bilinear"`` interpolates between them.
        align_corners: for "bilinear", whether the outermost pixels' centres (True) or edges stay in place.

    Raises:
        ArgumentError: not exactly one of size and scale_factor is given, or the mode is unknown.
    """

    def __init__(self, size=None, scale_factor=None, mode="nearest", align_corners=False):
        if (size is None) == (scale_factor is None):
            raise ArgumentError(
                f"Upsample: give either size or scale_factor, not size={size!r} and "
                f"scale_factor={scale_factor!r}"
            )
        if mode not in ("nearest", "bilinear"):
            raise ArgumentError(f"Upsample: mode must be 'nearest' or 'bilinear', not {mode!r}")
        self.size = size
        self.scale_factor = scale_factor
        self.mode = mode
        self.align_corners = align_corners

    def forward(self, x):
        return F.upsample(
            x, scale=self.scale_factor, size=self.size, mode=self.mode, align_corners=self.align_corners
        )

    def extra_repr(self):
        target = f"scale_factor={self.scale_factor}" if self.size is None else f"size={self.size}"
        return f"{target}, mode={self.mode!r}" + (", align_corners=True" if self.align_corners else "")


class _Blocks(Module):
    def __init__(self, block_size):
        self.block_size = count(self, "block_size", block_size)

    def extra_repr(self):
        return str(self.block_size)


class DepthToSpace(_Blocks):
    """Groups of channels laid out as blocks of pixels, (N, H, W, b² · C) → (N, H · b, W · b, C).

    The order of the channels is (row in the block, column in the block, C).
    """

    def forward(self, x):
        return F.depth_to_space(x, self.block_size)


class SpaceToDepth(_Blocks):
    """Blocks of pixels stacked into channels, (N, H · b, W · b, C) → (N, H, W, b² · C).

    The reverse of `DepthToSpace`.
    """

    def forward(self, x):
        return F.space_to_depth(x, self.block_size)


class PixelShuffle(_Blocks):
    """`DepthToSpace` with the channels in the order (C, row in the block, column in the block).

    (N, H, W, C · b²) → (N, H · b, W · b, C), as in PyTorch and in W. Shi et al., "Real-time single image
    and video super-resolution using an efficient sub-pixel convolutional neural network", 2016.
    """

    def forward(self, x):
        return F.pixel_shuffle(x, self.block_size)


class PixelUnshuffle(_Blocks):
    """The reverse of `PixelShuffle`, (N, H · b, W · b, C) → (N, H, W, C · b²)."""

    def forward(self, x):
        return F.pixel_unshuffle(x, self.block_size)
