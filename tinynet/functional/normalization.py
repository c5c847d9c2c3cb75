"""Normalisation: batch, layer, instance, group and local response normalisation, and unit length.

Sources: Ioffe & Szegedy, "Batch normalization", 2015; Ba, Kiros & Hinton, "Layer normalization", 2016;
Ulyanov, Vedaldi & Lempitsky, "Instance normalization", 2016; Wu & He, "Group normalization", 2018;
Krizhevsky, Sutskever & Hinton, "ImageNet classification with deep CNNs", 2012 (local response).
"""

from tinynet.autograd import Function, Tensor, as_tensor, is_grad_enabled, is_recomputing, versions
from tinynet.backend import array_module
from tinynet.errors import ArgumentError, DTypeError, ShapeError
from tinynet.functional.arithmetic import add, divide, multiply, power, square
from tinynet.functional.choosing import maximum
from tinynet.functional.conversion import floating
from tinynet.functional.elementwise import sqrt
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


class BatchNormalization(Function):
    """Normalises each channel by the mean and variance of this batch, then scales and shifts."""

    __slots__ = ("epsilon", "inverse_std", "mean", "variance")
    reads = ((0, 1), (0, 1), ())

    def __init__(self, epsilon):
        self.epsilon = epsilon

    def forward(self, x, gamma, beta):
        rows = x.reshape(-1, x.shape[-1])
        y, self.mean, self.variance, self.inverse_std = norm.batch_forward(rows, gamma, beta, self.epsilon)
        return y.reshape(x.shape)

    def backward(self, gy):
        axes = tuple(range(gy.ndim - 1))
        if not (self.needs(0) or self.needs(1)):
            return None, None, sum_over(gy, axis=axes)
        x, gamma, _ = self.inputs
        count = x.size // x.shape[-1]
        centred = x - mean(x, axis=axes)
        inverse_std = power(mean(square(centred), axis=axes) + self.epsilon, -0.5)
        normalised = centred * inverse_std
        gbeta = sum_over(gy, axis=axes)
        ggamma = sum_over(gy * normalised, axis=axes)
        gx = gamma * inverse_std * (gy - (gbeta + normalised * ggamma) / count)
        return gx, ggamma, gbeta

    def backward_arrays(self, gy):
        if not (self.needs(0) or self.needs(1)):
            return None, None, gy.reshape(-1, gy.shape[-1]).sum(axis=0)
        x, gamma, _ = self.input_arrays
        channels = x.shape[-1]
        gx, ggamma, gbeta = norm.batch_backward(
            gy.reshape(-1, channels), x.reshape(-1, channels), gamma, self.mean, self.inverse_std
        )
        return gx.reshape(x.shape), ggamma, gbeta


def batch_norm(
    x,
    gamma=None,
    beta=None,
    running_mean=None,
    running_variance=None,
    training=True,
    momentum=0.1,
    epsilon=1e-5,
):
    """Batch normalisation over all axes but the last.

    y = gamma · (x − mean) / √(variance + epsilon) + beta, with the statistics of the batch in training and
    the running ones at inference.

    Args:
        x: (N, ..., C), float.
        gamma: (C,), the scale; None for 1.
        beta: (C,), the shift; None for 0.
        running_mean: (C,) tensor, updated in place in training; None to keep no running statistics.
        running_variance: (C,) tensor, likewise; it takes in the unbiased variance.
        training: whether to use the statistics of the batch.
        momentum: share of the batch in the running statistics.
        epsilon: added to the variance.

    Raises:
        ShapeError: shapes don't fit, or there is only one number per channel in training.
        DTypeError: the dtypes of gamma, beta or the running statistics differ from x's.
        ArgumentError: no running statistics at inference, or only one of the two.
    """
    x = floating(x)
    if x.ndim < 2:
        raise ShapeError(f"batch_norm: x must be (N, ..., C), but has shape {x.shape}")
    channels = x.shape[-1]
    gamma = _per_channel("gamma", gamma, x)
    beta = _per_channel("beta", beta, x)
    running_mean = _per_channel("running_mean", running_mean, x)
    running_variance = _per_channel("running_variance", running_variance, x)
    if (running_mean is None) != (running_variance is None):
        raise ArgumentError("batch_norm: give both running_mean and running_variance, or neither")
    xp = array_module(x.data)
    gamma = Tensor(xp.ones(channels, x.dtype)) if gamma is None else gamma
    beta = Tensor(xp.zeros(channels, x.dtype)) if beta is None else beta
    if not training:
        return _with_running_statistics(x, gamma, beta, running_mean, running_variance, epsilon)
    count = x.size // max(channels, 1)
    if count == 1:
        raise ShapeError(
            f"batch_norm: x (shape {x.shape}) has one number per channel; training needs at least two to "
            "estimate the variance"
        )
    function = BatchNormalization(epsilon)
    y = function(x, gamma, beta)
    if running_mean is not None and count > 1 and not is_recomputing():
        _update(running_mean, function.mean, momentum)
        _update(running_variance, function.variance * (count / (count - 1)), momentum)
    return y


def _per_channel(name, value, x):
    """An optional argument of batch_norm as a tensor (C,) of x's dtype."""
    if value is None:
        return None
    value = as_tensor(value)
    if value.shape != x.shape[-1:]:
        raise ShapeError(
            f"batch_norm: x has {x.shape[-1]} channels (shape {x.shape}) but {name} has shape {value.shape}"
        )
    if value.dtype != x.dtype:
        raise DTypeError(f"batch_norm: x is {x.dtype} but {name} is {value.dtype}")
    return value


def _update(running, batch, momentum):
    running.data += momentum * (batch - running.data)
    versions.mark_changed(running.data)


def _with_running_statistics(x, gamma, beta, running_mean, running_variance, epsilon):
    if running_mean is None:
        raise ArgumentError("batch_norm: inference needs running_mean and running_variance")
    tensors = (x, gamma, beta)
    if not (is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)):
        rows = x.data.reshape(-1, x.shape[-1])
        y = norm.batch_inference(
            rows, gamma.data, beta.data, running_mean.data, running_variance.data, epsilon
        )
        return Tensor(y.reshape(x.shape))
    # The mean goes first: folded into the shift, it would cost digits where it is large.
    return (x - running_mean) * (gamma / sqrt(running_variance + epsilon)) + beta


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
