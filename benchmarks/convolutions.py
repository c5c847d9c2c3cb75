"""Convolutions: forward, input gradient and weight gradient, kernel against kernel.

python -m benchmarks.convolutions [--rounds 7] [--only NAME] [--full]
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.comparison import OURS, Comparison, check_agreement, run_alone
from benchmarks.place import as_numpy, ours, theirs
from benchmarks.pytorch import as_in_pytorch, channels_first, memory_formats, torch
from tinynet_kernels import conv

__all__ = ["DIRECTIONS", "Shape", "comparisons"]

FLOAT_BYTES = 4

TOLERANCE = 2e-5  # relative; what Winograd's convolution is allowed


@dataclass(frozen=True)
class Shape:
    """A convolution of images (batch, size, size, channels) with square windows.

    Attributes:
        batch, size, channels: of the images.
        filters: the number of output channels.
        window: height and width of the window.
        stride, padding: in both directions.
        groups: into how many groups the channels fall.
        is_additional: whether only the full run measures it.
    """

    batch: int
    size: int
    channels: int
    filters: int
    window: int = 3
    stride: int = 1
    padding: int = 1
    groups: int = 1
    is_additional: bool = False

    @property
    def name(self):
        kind = f"{self.window}×{self.window}"
        if self.groups == self.channels > 1:
            kind += " depthwise"
        stride = f", stride {self.stride}" if self.stride > 1 else ""
        return f"{kind}, {self.batch}×{self.size}×{self.size}, {self.channels}→{self.filters}{stride}"

    @property
    def output(self):
        return (self.size + 2 * self.padding - self.window) // self.stride + 1

    @property
    def geometry(self):
        """Stride, padding, dilation and groups as `tinynet_kernels.conv` takes them."""
        return (self.stride,) * 2, ((self.padding,) * 2,) * 2, (1, 1), self.groups

    @property
    def x_shape(self):
        return self.batch, self.size, self.size, self.channels

    @property
    def weight_shape(self):
        return self.window, self.window, self.channels // self.groups, self.filters

    @property
    def y_shape(self):
        return self.batch, self.output, self.output, self.filters

    @property
    def floating_operations(self):
        """Of each of the three directions, as the definition has them, without Winograd's savings."""
        return 2 * np.prod(self.y_shape).item() * np.prod(self.weight_shape[:3]).item()

    @property
    def bytes(self):
        shapes = self.x_shape, self.weight_shape, self.y_shape
        return FLOAT_BYTES * sum(np.prod(shape).item() for shape in shapes)


SHAPES = (
    Shape(32, 56, 64, 64),
    Shape(32, 28, 128, 128),
    Shape(32, 14, 256, 256),
    Shape(16, 7, 512, 512),
    Shape(128, 26, 32, 64, padding=0),
    Shape(16, 27, 96, 256, window=5, padding=2),
    Shape(16, 20, 256, 256, window=9, stride=2, padding=0),
    Shape(32, 56, 64, 128, window=1, padding=0),
    Shape(32, 56, 64, 64, groups=64),
    Shape(32, 32, 64, 128, stride=2, is_additional=True),
    Shape(32, 16, 128, 256, stride=2, is_additional=True),
    Shape(16, 50, 64, 64, is_additional=True),
    Shape(32, 32, 3, 64, is_additional=True),
    Shape(128, 28, 1, 32, padding=0, is_additional=True),
    Shape(128, 28, 1, 6, window=5, padding=2, is_additional=True),
    Shape(128, 14, 6, 16, window=5, padding=0, is_additional=True),
    Shape(32, 28, 512, 128, window=1, padding=0, is_additional=True),
    Shape(32, 28, 256, 256, groups=256, is_additional=True),
)


def comparisons(full=False):
    """Three comparisons for each shape."""
    return [
        Comparison(
            shape.name,
            "convolutions",
            lambda shape=shape, prepare=prepare: prepare(shape),
            shape.floating_operations,
            shape.bytes,
            variant=direction,
            in_picture=not shape.is_additional,
        )
        for shape in SHAPES
        if full or not shape.is_additional
        for direction, prepare in DIRECTIONS.items()
    ]


def _arrays(shape):
    """x, weight, and the gradient with respect to y."""
    generator = np.random.default_rng(0)
    shapes = shape.x_shape, shape.weight_shape, shape.y_shape
    return [generator.standard_normal(each, dtype=np.float32) for each in shapes]


def _in_tinynet(shape):
    """The same where they are computed with."""
    return [ours(array).data for array in _arrays(shape)]


def _forward(shape):
    x, weight, _ = _in_tinynet(shape)
    candidates = {OURS: lambda: conv.forward(x, weight, *shape.geometry)}
    for name, memory_format in memory_formats().items():
        candidates[name] = _forward_in_pytorch(shape, memory_format, *_tensors(shape, memory_format)[:2])
    return _checked(candidates, _images_as_ours)


def _forward_in_pytorch(shape, memory_format, x, weight):
    def run():
        return torch.conv2d(x, weight, None, shape.stride, shape.padding, 1, shape.groups)

    return run


def _input_gradient(shape):
    _, weight, gy = _in_tinynet(shape)
    size = shape.x_shape[1:-1]
    candidates = {OURS: lambda: conv.input_gradient(gy, weight, size, *shape.geometry)}
    candidates.update(_gradients_in_pytorch(shape, 0))
    return _checked(candidates, _images_as_ours)


def _weight_gradient(shape):
    x, _, gy = _in_tinynet(shape)
    candidates = {OURS: lambda: conv.weight_gradient(x, gy, (shape.window,) * 2, *shape.geometry)}
    candidates.update(_gradients_in_pytorch(shape, 1))
    return _checked(candidates, lambda gradient: as_numpy(gradient).transpose(2, 3, 1, 0))


def _gradients_in_pytorch(shape, index):
    """Candidates that compute the gradient of input 0, x, or 1, the weight."""
    wanted = [index == 0, index == 1, False]
    candidates = {}
    for name, memory_format in memory_formats().items():
        candidates[name] = _backward_in_pytorch(shape, wanted, index, *_tensors(shape, memory_format))
    return candidates


def _backward_in_pytorch(shape, wanted, index, x, weight, gy):
    two = [shape.stride] * 2, [shape.padding] * 2, [1, 1], False, [0, 0]

    def run():
        return torch.ops.aten.convolution_backward(gy, x, weight, None, *two, shape.groups, wanted)[index]

    return run


def _tensors(shape, memory_format):
    x, weight, gy = _arrays(shape)
    return (
        channels_first(x, memory_format),
        theirs(as_in_pytorch(weight).contiguous(memory_format=memory_format)),
        channels_first(gy, memory_format),
    )


def _images_as_ours(tensor):
    return np.moveaxis(as_numpy(tensor), 1, -1)


def _checked(candidates, as_ours):
    results = {name: as_numpy(run()) if name == OURS else as_ours(run()) for name, run in candidates.items()}
    check_agreement(results, TOLERANCE)
    return candidates


DIRECTIONS = {
    "forward": _forward,
    "input gradient": _input_gradient,
    "weight gradient": _weight_gradient,
}


if __name__ == "__main__":
    run_alone(__doc__, comparisons)
