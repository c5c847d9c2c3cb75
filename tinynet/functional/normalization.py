"""Normalisation: batch, layer, instance, group and local response normalisation, and unit length.

Sources: Ba, Kiros & Hinton, "Layer normalization", 2016; Ulyanov, Vedaldi & Lempitsky, "Instance
normalization", 2016; Wu & He, "Group normalization", 2018; Krizhevsky, Sutskever & Hinton, "ImageNet
classification with deep CNNs", 2012 (local response).
"""

from tinynet.autograd import Function, as_tensor
from tinynet.errors import ArgumentError, DTypeError, ShapeError
from tinynet.functional.arithmetic import add, divide, multiply, power, square
from tinynet.functional.batch_normalization import batch_norm
from tinynet.functional.choosing import maximum
from tinynet.functional.conversion import floating
from tinynet.functional.joining import pad
from tinynet.functional.reductions import mean
from tinynet.functional.reductions import sum as sum_over
from tinynet.functional.shaping import reshape

__all__ = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "l2_normalize",
    "layer_norm",
    "local_response_norm",
]


class Standardization(Function):
    """Subtracts the mean and divides by the standard deviation over some axes."""

    __slots__ = ("axes", "epsilon")
    reads = ((0,),)

    def __init__(self, axes, epsilon):
        self.axes = axes
        self.epsilon = epsilon

    def forward(self, x):
        average = self._accurate_mean(x)
        y = x - average
        inverse_std = (self._accurate_mean(y * y) + self.epsilon) ** -0.5
        y *= inverse_std
        self.kept = average, inverse_std
        return y

    def backward(self, gy):
        (x,) = self.inputs
        centred = x - mean(x, axis=self.axes, keepdims=True)
        inverse_std = power(mean(square(centred), axis=self.axes, keepdims=True) + self.epsilon, -0.5)
        return self._gradient(gy, centred * inverse_std, inverse_std)

    def backward_arrays(self, gy):
        (x,) = self.input_arrays
        average, inverse_std = self.kept
        return self._gradient(gy, (x - average) * inverse_std, inverse_std)

    def _accurate_mean(self, x):
        """The mean, summed in float64: over axes other than the last NumPy's own sum is coarse."""
        return x.mean(axis=self.axes, keepdims=True, dtype=self.xp.float64).astype(x.dtype)

    def _gradient(self, gy, y, inverse_std):
        shared = gy.mean(axis=self.axes, keepdims=True)
        along = (gy * y).mean(axis=self.axes, keepdims=True)
        return (gy - shared - y * along) * inverse_std


def _affine(operation, y, gamma, beta, shape):
    """y · gamma + beta, both of them optional and of the given shape."""
    for name, value in (("gamma", gamma), ("beta", beta)):
        if value is None:
            continue
        value = as_tensor(value)
        if value.shape != shape:
            raise ShapeError(
                f"{operation}: {name} has shape {value.shape} but x (shape {y.shape}) expects {shape}"
            )
        if value.dtype != y.dtype:
            raise DTypeError(f"{operation}: x is {y.dtype} but {name} is {value.dtype}")
    if gamma is not None:
        y = multiply(y, gamma)
    return y if beta is None else add(y, beta)


def layer_norm(x, axes=1, gamma=None, beta=None, epsilon=1e-5):
    """Normalises each sample over its last axes.

    Args:
        x: any shape, float.
        axes: how many of the last axes are normalised together; 1 for the channels alone.
        gamma: scale of the shape of these axes, or None.
        beta: shift of that shape, or None.
        epsilon: added to the variance.
    """
    x = floating(x)
    if not 1 <= axes <= x.ndim:
        raise ArgumentError(
            f"layer_norm: axes must be from 1 to {x.ndim} for x of shape {x.shape}, not {axes}"
        )
    y = Standardization(tuple(range(x.ndim - axes, x.ndim)), epsilon)(x)
    return _affine("layer_norm", y, gamma, beta, x.shape[x.ndim - axes :])


def instance_norm(x, gamma=None, beta=None, epsilon=1e-5):
    """Normalises each channel of each sample over the spatial axes.

    x is (N, *spatial, C); gamma and beta are (C,) or None.
    """
    x = floating(x)
    if x.ndim < 3:
        raise ShapeError(f"instance_norm: x must be (N, *spatial, C), but has shape {x.shape}")
    y = Standardization(tuple(range(1, x.ndim - 1)), epsilon)(x)
    return _affine("instance_norm", y, gamma, beta, x.shape[-1:])


def group_norm(x, groups, gamma=None, beta=None, epsilon=1e-5):
    """Normalises each group of channels of each sample, over the spatial axes and the group.

    x is (N, *spatial, C), `groups` divides C; gamma and beta are (C,) or None.
    """
    x = floating(x)
    channels = x.shape[-1] if x.ndim >= 2 else 0
    if groups < 1 or channels % groups or not channels:
        raise ShapeError(f"group_norm: groups = {groups} must divide the channels of x (shape {x.shape})")
    grouped = reshape(x, (*x.shape[:-1], groups, channels // groups))
    axes = (*range(1, x.ndim - 1), x.ndim)
    y = reshape(Standardization(axes, epsilon)(grouped), x.shape)
    return _affine("group_norm", y, gamma, beta, x.shape[-1:])


def local_response_norm(x, size=5, alpha=1e-4, beta=0.75, k=1.0):
    """Divides each number by a power of the mean square of its neighbours in the channel axis.

    y = x / (k + alpha · mean of x² over `size` neighbouring channels) ** beta, zeros beyond the ends, as
    PyTorch defines it. AlexNet writes the sum instead of the mean: its n = 5, α = 1e−4, β = 0.75, k = 2 is
    ``local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2)`` here.

    Args:
        x: (N, ..., C), float.
        size: how many channels the neighbourhood holds.
    """
    x = floating(x)
    if x.ndim < 2 or size < 1:
        raise ArgumentError(
            f"local_response_norm: x must be (N, ..., C) and size at least 1, not {x.shape} and {size}"
        )
    channels = x.shape[-1]
    before = size // 2
    padded = pad(square(x), [(0, 0)] * (x.ndim - 1) + [(before, size - 1 - before)])
    total = padded[..., :channels]
    for offset in range(1, size):
        total = total + padded[..., offset : offset + channels]
    return divide(x, power(total * (alpha / size) + k, beta))


def l2_normalize(x, axis=-1, epsilon=1e-12):
    """x divided by its Euclidean length along `axis` (or several), or by `epsilon` where it is shorter."""
    x = floating(x)
    squared = sum_over(square(x), axis=axis, keepdims=True)
    return multiply(x, power(maximum(squared, epsilon**2), -0.5))
