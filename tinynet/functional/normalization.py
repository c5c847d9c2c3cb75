"""Normalisation: batch, layer, instance, group and local response normalisation, and unit length.

Sources: Ba, Kiros & Hinton, "Layer normalization", 2016; Ulyanov, Vedaldi & Lempitsky, "Instance
normalization", 2016; Wu & He, "Group normalization", 2018; Krizhevsky, Sutskever & Hinton, "ImageNet
classification with deep CNNs", 2012 (local response).
"""

import math

from tinynet.autograd import Function, Tensor, as_tensor, precision
from tinynet.backend import array_module
from tinynet.errors import ArgumentError, DTypeError, ShapeError
from tinynet.functional.arithmetic import add, divide, multiply, power, square
from tinynet.functional.batch_normalization import batch_norm
from tinynet.functional.choosing import maximum
from tinynet.functional.conversion import floating, in_float32, is_coarse
from tinynet.functional.joining import pad
from tinynet.functional.reductions import mean
from tinynet.functional.reductions import sum as sum_over
from tinynet.functional.shaping import reshape
from tinynet_kernels import norm

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
    reads: tuple[tuple[int, ...], ...] = ((0,),)

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
        return self._gradient(gy, *self._standardized(*self.inputs))

    def backward_arrays(self, gy):
        (x,) = self.input_arrays
        average, inverse_std = self.kept
        return self._gradient(gy, (x - average) * inverse_std, inverse_std)

    def _standardized(self, x):
        centred = x - mean(x, axis=self.axes, keepdims=True)
        inverse_std = power(mean(square(centred), axis=self.axes, keepdims=True) + self.epsilon, -0.5)
        return centred * inverse_std, inverse_std

    def _accurate_mean(self, x):
        """The mean, summed in float64: over axes other than the last NumPy's own sum is coarse."""
        return x.mean(axis=self.axes, keepdims=True, dtype=self.xp.float64).astype(x.dtype)

    def _gradient(self, gy, y, inverse_std):
        shared = gy.mean(axis=self.axes, keepdims=True)
        along = (gy * y).mean(axis=self.axes, keepdims=True)
        return (gy - shared - y * along) * inverse_std


class LayerStandardization(Standardization):
    """The same over the last axes, by the kernels."""

    __slots__ = ()
    operation = "layer_normalization"

    def forward(self, x):
        y, *self.kept = norm.layer_forward(self._rows(x), None, None, self.epsilon)
        return y.reshape(x.shape)

    def backward_arrays(self, gy):
        (x,) = self.input_arrays
        gx, _, _ = norm.layer_backward(self._rows(gy), self._rows(x), None, *self.kept)
        return gx.reshape(x.shape)

    def _rows(self, x):
        """x as a matrix with a row for each sample."""
        leading = x.ndim - len(self.axes)
        return x.reshape(math.prod(x.shape[:leading]), math.prod(x.shape[leading:]))


class LayerNormalization(LayerStandardization):
    """Then scaled by gamma and shifted by beta, which have the shape of a sample."""

    __slots__ = ()
    reads = ((0, 1), (0,), ())

    def forward(self, x, gamma, beta):
        factors = gamma.reshape(-1), beta.reshape(-1)
        y, *self.kept = norm.layer_forward(self._rows(x), *factors, self.epsilon)
        return y.reshape(x.shape)

    def backward(self, gy):
        leading = tuple(range(gy.ndim - len(self.axes)))
        gbeta = sum_over(gy, axis=leading) if self.needs(2) else None
        if not (self.needs(0) or self.needs(1)):
            return None, None, gbeta
        x, gamma, _ = self.inputs
        y, inverse_std = self._standardized(x)
        gx = self._gradient(gy * gamma, y, inverse_std) if self.needs(0) else None
        return gx, sum_over(gy * y, axis=leading) if self.needs(1) else None, gbeta

    def backward_arrays(self, gy):
        if not (self.needs(0) or self.needs(1)):
            return None, None, gy.sum(axis=tuple(range(gy.ndim - len(self.axes))))
        x, gamma, _ = self.input_arrays
        factors = self.xp.ones(self._rows(x).shape[1:], x.dtype) if gamma is None else gamma.reshape(-1)
        gx, ggamma, gbeta = norm.layer_backward(self._rows(gy), self._rows(x), factors, *self.kept)
        shape = x.shape[x.ndim - len(self.axes) :]
        return gx.reshape(x.shape), ggamma.reshape(shape), gbeta.reshape(shape)


def _affine(operation, y, gamma, beta, shape):
    """y · gamma + beta, both of them optional and of the given shape."""
    gamma, beta = (
        _checked(operation, name, value, y, shape) for name, value in (("gamma", gamma), ("beta", beta))
    )
    if gamma is not None:
        y = multiply(y, gamma)
    return y if beta is None else add(y, beta)


def _checked(operation, name, value, x, shape):
    """An optional scale or shift as a tensor of the given shape and the dtype of x."""
    if value is None:
        return None
    value = as_tensor(value)
    if value.shape != shape:
        raise ShapeError(
            f"{operation}: {name} has shape {value.shape} but x (shape {x.shape}) expects {shape}"
        )
    if value.dtype != x.dtype:
        raise DTypeError(f"{operation}: x is {x.dtype} but {name} is {value.dtype}")
    return value


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
    if precision.open_blocks and is_coarse(x):
        return in_float32(layer_norm, x, axes, gamma, beta, epsilon)
    if not 1 <= axes <= x.ndim:
        raise ArgumentError(
            f"layer_norm: axes must be from 1 to {x.ndim} for x of shape {x.shape}, not {axes}"
        )
    shape, last_axes = x.shape[x.ndim - axes :], tuple(range(x.ndim - axes, x.ndim))
    gamma = _checked("layer_norm", "gamma", gamma, x, shape)
    beta = _checked("layer_norm", "beta", beta, x, shape)
    if gamma is None and beta is None:
        return LayerStandardization(last_axes, epsilon)(x)
    xp = array_module(x.data)
    gamma = Tensor(xp.ones(shape, x.dtype)) if gamma is None else gamma
    beta = Tensor(xp.zeros(shape, x.dtype)) if beta is None else beta
    return LayerNormalization(last_axes, epsilon)(x, gamma, beta)


def instance_norm(x, gamma=None, beta=None, epsilon=1e-5):
    """Normalises each channel of each sample over the spatial axes.

    x is (N, *spatial, C); gamma and beta are (C,) or None.
    """
    x = floating(x)
    if precision.open_blocks and is_coarse(x):
        return in_float32(instance_norm, x, gamma, beta, epsilon)
    if x.ndim < 3:
        raise ShapeError(f"instance_norm: x must be (N, *spatial, C), but has shape {x.shape}")
    y = Standardization(tuple(range(1, x.ndim - 1)), epsilon)(x)
    return _affine("instance_norm", y, gamma, beta, x.shape[-1:])


def group_norm(x, groups, gamma=None, beta=None, epsilon=1e-5):
    """Normalises each group of channels of each sample, over the spatial axes and the group.

    x is (N, *spatial, C), `groups` divides C; gamma and beta are (C,) or None.
    """
    x = floating(x)
    if precision.open_blocks and is_coarse(x):
        return in_float32(group_norm, x, groups, gamma, beta, epsilon)
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
    if precision.open_blocks and is_coarse(x):
        return in_float32(local_response_norm, x, size, alpha, beta, k)
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
    if precision.open_blocks and is_coarse(x):
        return in_float32(l2_normalize, x, axis, epsilon)
    squared = sum_over(square(x), axis=axis, keepdims=True)
    return multiply(x, power(maximum(squared, epsilon**2), -0.5))
