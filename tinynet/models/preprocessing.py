"""What photographs go through on their way into a network with published weights."""

from dataclasses import dataclass

import numpy as np

from tinynet.data.decoding import decode_image
from tinynet.errors import ShapeError

__all__ = ["Preprocessing"]


@dataclass(frozen=True)
class Preprocessing:
    """The largest square in the middle, scaled to `enlarged`, of which the middle `size` is kept.

    Then every value v of a pixel, from 0 to 255, becomes (v / scale − mean) / std, channel by channel.

    Attributes:
        size: height and width that the network takes.
        enlarged: height and width before the last crop; None for `size`, which leaves nothing to crop.
        scale: what values are divided by.
        mean, std: for each channel, in the order in which the network takes them.
        blue_first: whether that order is blue, green, red.
    """

    size: int
    enlarged: int | None = None
    scale: float = 255.0
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    blue_first: bool = False

    def read(self, path):
        """An image file of any kind and size as the network takes it: (size, size, 3), float32.

        Raises:
            DataError: the file is no image.
            MissingExtraError: Pillow isn't installed.
        """
        return self(self.crop(path))

    def crop(self, path):
        """What the network sees of an image file: the pixels (size, size, 3), uint8; errors as in `read`."""
        enlarged = self.enlarged or self.size
        pixels = decode_image(path, name=str(path), size=(enlarged, enlarged), square=True)
        start = (enlarged - self.size) // 2
        return pixels[start : start + self.size, start : start + self.size]

    def __call__(self, pixels):
        """Values of pixels, (..., H, W, 3) from 0 to 255, of any size → the same shape, float32.

        Raises:
            ShapeError: there are not three channels.
        """
        if pixels.shape[-1:] != (3,):
            raise ShapeError(f"Preprocessing: pixels should be (..., H, W, 3), not of shape {pixels.shape}")
        if self.blue_first:
            pixels = pixels[..., ::-1]
        values = pixels.astype(np.float32) / np.float32(self.scale)
        return (values - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)
