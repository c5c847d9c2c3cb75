"""Pooling layers in one, two and three dimensions. Channels come last and are pooled one by one."""

from tinynet import functional as F
from tinynet.functional.geometry import per_axis
from tinynet.nn.arguments import padded_window
from tinynet.nn.module import Module

__all__ = [
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "GlobalAvgPool2d",
    "GlobalMaxPool2d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
]


class _Pool(Module):
    """A window that slides over the spatial axes; by default it moves by its own size."""

    dimensions = 0

    def __init__(self, kernel_size, stride, padding, dilation=1):
        self.kernel_size, self.stride, self.dilation = padded_window(
            self, self.dimensions, kernel_size, kernel_size if stride is None else stride, padding, dilation
        )
        self.padding = padding

    def extra_repr(self):
        spread = f", dilation={self.dilation}" if max(self.dilation) > 1 else ""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding!r}{spread}"


class _MaxPool(_Pool):
    def __init__(self, kernel_size, stride=None, padding=0, dilation=1):
        super().__init__(kernel_size, stride, padding, dilation)


class MaxPool1d(_MaxPool):
    """The maximum of each window of a sequence, (N, T, C) → (N, T', C). See `MaxPool2d`."""

    dimensions = 1

    def forward(self, x):
        return F.max_pool1d(x, self.kernel_size, self.stride, self.padding, self.dilation)


class MaxPool2d(_MaxPool):
    """The maximum of each window of an image, (N, H, W, C) → (N, H', W', C). Padding never wins.

    Args:
        kernel_size: the size of the window, an integer or one for each spatial axis; so are the others.
        stride: by how much the window moves; its own size if None.
        padding: ``"valid"``, ``"same"``, an integer, one for each axis, or a pair (before, after) for each.
        dilation: the distance between the elements of the window.

    Raises:
        ArgumentError: a size is not an integer of at least 1.
    """

    dimensions = 2

    def forward(self, x):
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation)


class MaxPool3d(_MaxPool):
    """The maximum of each window of a volume, (N, D, H, W, C) → (N, D', H', W', C). See `MaxPool2d`."""

    dimensions = 3

    def forward(self, x):
        return F.max_pool3d(x, self.kernel_size, self.stride, self.padding, self.dilation)


class _AvgPool(_Pool):
    def __init__(self, kernel_size, stride=None, padding=0, count_include_pad=True):
        super().__init__(kernel_size, stride, padding)
        self.count_include_pad = bool(count_include_pad)


class AvgPool1d(_AvgPool):
    """The mean of each window of a sequence, (N, T, C) → (N, T', C). See `AvgPool2d`."""

    dimensions = 1

    def forward(self, x):
        return F.avg_pool1d(
            x, self.kernel_size, self.stride, self.padding, count_padding=self.count_include_pad
        )


class AvgPool2d(_AvgPool):
    """The mean of each window of an image, (N, H, W, C) → (N, H', W', C).

    Args:
        count_include_pad: whether the zeros of the padding count in the mean.

    The other arguments and the errors are those of `MaxPool2d`.
    """

    dimensions = 2

    def forward(self, x):
        return F.avg_pool2d(
            x, self.kernel_size, self.stride, self.padding, count_padding=self.count_include_pad
        )


class AvgPool3d(_AvgPool):
    """The mean of each window of a volume, (N, D, H, W, C) → (N, D', H', W', C). See `AvgPool2d`."""

    dimensions = 3

    def forward(self, x):
        return F.avg_pool3d(
            x, self.kernel_size, self.stride, self.padding, count_padding=self.count_include_pad
        )


class _AdaptivePool2d(Module):
    def __init__(self, output_size):
        self.output_size = per_axis(type(self).__name__, "output_size", output_size, 2)

    def extra_repr(self):
        return f"output_size={self.output_size}"


class AdaptiveAvgPool2d(_AdaptivePool2d):
    """The means of as many windows as the output shall have, (N, H, W, C) → (N, *output_size, C).

    Window i of n along an axis of size s goes from ⌊i s / n⌋ to ⌈(i + 1) s / n⌉.
    """

    def forward(self, x):
        return F.adaptive_avg_pool2d(x, self.output_size)


class AdaptiveMaxPool2d(_AdaptivePool2d):
    """The maxima of as many windows as the output shall have. See `AdaptiveAvgPool2d`."""

    def forward(self, x):
        return F.adaptive_max_pool2d(x, self.output_size)


class GlobalAvgPool2d(Module):
    """The mean of each channel over the whole image, (N, H, W, C) → (N, C)."""

    def forward(self, x):
        return F.global_avg_pool(x)


class GlobalMaxPool2d(Module):
    """The maximum of each channel over the whole image, (N, H, W, C) → (N, C)."""

    def forward(self, x):
        return F.global_max_pool(x)
