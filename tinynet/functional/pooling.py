"""Pooling: the largest or the mean number of each window, with any window, stride and padding."""

from functools import lru_cache

from tinynet.autograd import Function, Tensor, as_tensor
from tinynet.errors import ArgumentError, ShapeError
from tinynet.functional.geometry import per_axis, resolve, spatial_input
from tinynet.functional.joining import concatenate
from tinynet.functional.reductions import max as maximum_of
from tinynet.functional.reductions import mean
from tinynet_kernels import pool

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "global_avg_pool",
    "global_max_pool",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
]


class MaxPool(Function):
    """The largest number of each window; optionally also where in its window it was found."""

    __slots__ = ("geometry", "input_size", "window", "with_indices")

    def __init__(self, window, geometry, with_indices):
        self.window = window
        self.geometry = geometry
        self.with_indices = with_indices

    def forward(self, x):
        self.input_size = x.shape[1:-1]
        y, self.kept = pool.max_forward(x, self.window, *self.geometry)
        # The caller gets indices of its own: writing into them must not spoil the gradient.
        return (y, self.kept.astype("int32")) if self.with_indices else y

    def backward(self, gy, _gindices=None):
        return MaxScatter(self.window, self.geometry, self.input_size)(gy, Tensor(self.kept))

    def backward_arrays(self, gy, _gindices=None):
        return pool.max_backward(gy, self.kept, self.input_size, self.window, *self.geometry)


class MaxScatter(Function):
    """Puts each number where in its window the largest was found: the gradient of `MaxPool`."""

    __slots__ = ("geometry", "input_size", "window")
    reads = ((1,), ())

    def __init__(self, window, geometry, input_size):
        self.window = window
        self.geometry = geometry
        self.input_size = input_size

    def forward(self, gy, indices):
        return pool.max_backward(gy, indices, self.input_size, self.window, *self.geometry)

    def backward(self, ggx):
        return MaxGather(self.window, self.geometry)(ggx, self.inputs[1]), None


class MaxGather(Function):
    """Picks the number of each window that stands where the largest was found: transpose of `MaxScatter`."""

    __slots__ = ("geometry", "input_size", "window")
    reads = ((1,), ())

    def __init__(self, window, geometry):
        self.window = window
        self.geometry = geometry

    def forward(self, values, indices):
        self.input_size = values.shape[1:-1]
        return pool.max_gather(values, indices, self.window, *self.geometry)

    def backward(self, gy):
        return MaxScatter(self.window, self.geometry, self.input_size)(gy, self.inputs[1]), None


class AveragePool(Function):
    """The mean of each window."""

    __slots__ = ("count_padding", "geometry", "input_size", "window")

    def __init__(self, window, geometry, count_padding):
        self.window = window
        self.geometry = geometry
        self.count_padding = count_padding

    def forward(self, x):
        self.input_size = x.shape[1:-1]
        stride, padding, _ = self.geometry
        return pool.average_forward(x, self.window, stride, padding, self.count_padding)

    def backward(self, gy):
        return AverageSpread(self.window, self.geometry, self.count_padding, self.input_size)(gy)

    def backward_arrays(self, gy):
        stride, padding, _ = self.geometry
        return pool.average_backward(gy, self.input_size, self.window, stride, padding, self.count_padding)


class AverageSpread(Function):
    """Spreads each number evenly over its window: the gradient of `AveragePool`, and its transpose."""

    __slots__ = ("count_padding", "geometry", "input_size", "window")

    def __init__(self, window, geometry, count_padding, input_size):
        self.window = window
        self.geometry = geometry
        self.count_padding = count_padding
        self.input_size = input_size

    def forward(self, gy):
        stride, padding, _ = self.geometry
        return pool.average_backward(gy, self.input_size, self.window, stride, padding, self.count_padding)

    def backward(self, ggx):
        return AveragePool(self.window, self.geometry, self.count_padding)(ggx)


def max_pool1d(x, window, stride=None, padding=0, dilation=1, return_indices=False):
    """1-D max pooling of x (N, T, C). See `max_pool2d`."""
    return _max_pool("max_pool1d", 1, x, window, stride, padding, dilation, return_indices)


def max_pool2d(x, window, stride=None, padding=0, dilation=1, return_indices=False):
    """The largest number of each window, channel by channel.

    Args:
        x: (N, H, W, C), float.
        window: its size, one number or (height, width).
        stride: step between windows; by default the window's size.
        padding: as in `conv2d`; padding is never the largest.
        dilation: distance between the elements of a window.
        return_indices: also give where in its window (counted row by row) each largest number was found.

    Returns:
        (N, H', W', C), or a pair of it and an int32 tensor of the same shape. Of equal numbers the first
        is taken; its place gets the gradient.

    Raises:
        ShapeError: x has another number of axes, or the window is larger than the padded x.
        ArgumentError: padding as wide as the window, which would leave windows with nothing in them.
    """
    return _max_pool("max_pool2d", 2, x, window, stride, padding, dilation, return_indices)


def max_pool3d(x, window, stride=None, padding=0, dilation=1, return_indices=False):
    """3-D max pooling of x (N, D, H, W, C). See `max_pool2d`."""
    return _max_pool("max_pool3d", 3, x, window, stride, padding, dilation, return_indices)


def _max_pool(operation, dimensions, x, window, stride=None, padding=0, dilation=1, return_indices=False):
    x = spatial_input(operation, x, dimensions)
    window, geometry = _resolved(
        operation, x.shape[1:-1], window, stride, padding, dilation, limit_padding=True
    )
    return MaxPool(window, geometry, return_indices)(x)


def _resolved(operation, *arguments, limit_padding=False):
    """The window as a tuple and its `Geometry`; see `_resolve`, whose results are kept."""
    try:
        return _resolve(operation, *arguments, limit_padding)
    except TypeError:  # an argument is a list
        return _resolve.__wrapped__(operation, *arguments, limit_padding)


@lru_cache(maxsize=256, typed=True)
def _resolve(operation, input_size, window, stride, padding, dilation, limit_padding):
    window = per_axis(operation, "window", window, len(input_size))
    geometry = resolve(operation, input_size, window, window if stride is None else stride, padding, dilation)
    for axis, pair in enumerate(geometry.padding if limit_padding else ()):
        extent = geometry.dilation[axis] * (window[axis] - 1) + 1
        if max(pair) >= extent:
            raise ArgumentError(
                f"{operation}: padding {pair} of spatial axis {axis} must be less than the {extent} elements "
                "that the window covers"
            )
    return window, geometry


def avg_pool1d(x, window, stride=None, padding=0, count_padding=True):
    """1-D average pooling of x (N, T, C). See `avg_pool2d`."""
    return _average_pool("avg_pool1d", 1, x, window, stride, padding, count_padding)


def avg_pool2d(x, window, stride=None, padding=0, count_padding=True):
    """The mean of each window, channel by channel.

    Args:
        x: (N, H, W, C), float.
        window: its size, one number or (height, width).
        stride: step between windows; by default the window's size.
        padding: zeros around x, as in `conv2d`.
        count_padding: whether these zeros count in the mean; otherwise it is over the numbers of x alone.

    Returns:
        (N, H', W', C).

    Raises:
        ShapeError: x has another number of axes, or the window is larger than the padded x.
    """
    return _average_pool("avg_pool2d", 2, x, window, stride, padding, count_padding)


def avg_pool3d(x, window, stride=None, padding=0, count_padding=True):
    """3-D average pooling of x (N, D, H, W, C). See `avg_pool2d`."""
    return _average_pool("avg_pool3d", 3, x, window, stride, padding, count_padding)


def _average_pool(operation, dimensions, x, window, stride=None, padding=0, count_padding=True):
    x = spatial_input(operation, x, dimensions)
    window, geometry = _resolved(operation, x.shape[1:-1], window, stride, padding, 1)
    return AveragePool(window, geometry, count_padding)(x)


def adaptive_avg_pool1d(x, output_size):
    """Means of x (N, T, C) over `output_size` bins. See `adaptive_avg_pool2d`."""
    return _adaptive("adaptive_avg_pool1d", 1, x, output_size, _average_pool)


def adaptive_avg_pool2d(x, output_size):
    """Means over a grid of bins, so that any input gives an output of one size.

    Bin i of n covers the positions from ⌊i·size / n⌋ to ⌈(i + 1)·size / n⌉: bins may overlap.

    Args:
        x: (N, H, W, C), float.
        output_size: one number or (height, width).

    Returns:
        (N, height, width, C).
    """
    return _adaptive("adaptive_avg_pool2d", 2, x, output_size, _average_pool)


def adaptive_avg_pool3d(x, output_size):
    """Means of x (N, D, H, W, C) over a grid of bins. See `adaptive_avg_pool2d`."""
    return _adaptive("adaptive_avg_pool3d", 3, x, output_size, _average_pool)


def adaptive_max_pool1d(x, output_size):
    """Largest numbers of x (N, T, C) in `output_size` bins. See `adaptive_avg_pool2d`."""
    return _adaptive("adaptive_max_pool1d", 1, x, output_size, _max_pool)


def adaptive_max_pool2d(x, output_size):
    """Largest numbers in a grid of bins; see `adaptive_avg_pool2d` for the bins."""
    return _adaptive("adaptive_max_pool2d", 2, x, output_size, _max_pool)


def adaptive_max_pool3d(x, output_size):
    """Largest numbers of x (N, D, H, W, C) in a grid of bins. See `adaptive_avg_pool2d`."""
    return _adaptive("adaptive_max_pool3d", 3, x, output_size, _max_pool)


def _adaptive(operation, dimensions, x, output_size, pooling):
    x = spatial_input(operation, x, dimensions)
    output_size = per_axis(operation, "output_size", output_size, dimensions)
    _check_not_empty(operation, x)
    sizes = x.shape[1:-1]
    if all(size % bins == 0 for size, bins in zip(sizes, output_size, strict=True)):
        window = tuple([size // bins for size, bins in zip(sizes, output_size, strict=True)])
        return pooling(operation, dimensions, x, window)
    # Bins are boxes, so means and maxima may be taken one axis after the other.
    for axis, (size, bins) in enumerate(zip(sizes, output_size, strict=True), start=1):
        before = (slice(None),) * axis
        edges = [(i * size // bins, -(-(i + 1) * size // bins)) for i in range(bins)]
        parts = [x[(*before, slice(*edge))] for edge in edges]
        windows = [_along(axis, dimensions, end - start) for start, end in edges]
        pooled = [pooling(operation, dimensions, *pair) for pair in zip(parts, windows, strict=True)]
        x = concatenate(pooled, axis=axis)
    return x


def _along(axis, dimensions, length):
    """A window of this length along one axis, which is counted with the batch as axis 0."""
    return tuple([length if axis == other else 1 for other in range(1, dimensions + 1)])


def global_avg_pool(x, keepdims=False):
    """The mean over all spatial axes: (N, *spatial, C) → (N, C), or (N, 1, ..., C) with `keepdims`."""
    x = as_tensor(x)
    return mean(x, axis=_spatial_axes("global_avg_pool", x), keepdims=keepdims)


def global_max_pool(x, keepdims=False):
    """The largest number over all spatial axes: (N, *spatial, C) → (N, C), or (N, 1, ..., C)."""
    x = as_tensor(x)
    return maximum_of(x, axis=_spatial_axes("global_max_pool", x), keepdims=keepdims)


def _spatial_axes(operation, x):
    if x.ndim < 3:
        raise ShapeError(f"{operation}: x must be (N, *spatial, C), but has shape {x.shape}")
    _check_not_empty(operation, x)
    return tuple(range(1, x.ndim - 1))


def _check_not_empty(operation, x):
    if 0 in x.shape[1:-1]:
        raise ShapeError(f"{operation}: x has no spatial elements (shape {x.shape})")
