"""Batch normalisation, with an activation behind it if one is wanted.

Source: Ioffe & Szegedy, "Batch normalization", 2015.
"""

from tinynet.autograd import Tensor, as_tensor, is_grad_enabled, is_recomputing, precision, versions
from tinynet.backend import array_module
from tinynet.errors import ArgumentError, DTypeError, ShapeError
from tinynet.functional.activations import relu, relu6
from tinynet.functional.arithmetic import power, square
from tinynet.functional.conversion import floating, in_float32, is_coarse
from tinynet.functional.elementwise import sqrt
from tinynet.functional.fused_activation import ActivatedFunction, check_activation
from tinynet.functional.reductions import mean
from tinynet.functional.reductions import sum as sum_over
from tinynet_kernels import norm

__all__ = ["batch_norm"]


class BatchNormalization(ActivatedFunction):
    """Normalises each channel by the mean and variance of this batch, then scales and shifts."""

    __slots__ = ("epsilon", "inverse_std", "mean", "variance")
    reads = ((0, 1), (0, 1), ())

    def __init__(self, epsilon):
        self.epsilon = epsilon

    def forward(self, x, gamma, beta):
        rows = x.reshape(-1, x.shape[-1])
        y, self.mean, self.variance, self.inverse_std = norm.batch_forward(
            rows, gamma, beta, self.epsilon, self.activation
        )
        return y.reshape(x.shape)

    def backward(self, gy):
        gy = self.before_activation(gy)
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
            return None, None, self.before_bias_arrays(gy)[1]
        x, gamma, _ = self.input_arrays
        channels = x.shape[-1]
        y = None if self.activation is None else self.output_data.reshape(-1, channels)
        rows = gy.reshape(-1, channels), x.reshape(-1, channels)
        statistics = self.mean, self.inverse_std
        gx, ggamma, gbeta = norm.batch_backward(*rows, gamma, *statistics, y, self.activation)
        return gx.reshape(x.shape), ggamma, gbeta


class RectifiedBatchNormalization(BatchNormalization):
    """The same, with everything below zero cut off."""

    __slots__ = ()
    operation = "batch_normalization"
    activation = "relu"
    reads_output = True


class CappedBatchNormalization(RectifiedBatchNormalization):
    """The same, with everything above 6 cut off as well."""

    __slots__ = ()
    activation = "relu6"


_FUNCTIONS = {
    None: BatchNormalization,
    "relu": RectifiedBatchNormalization,
    "relu6": CappedBatchNormalization,
}
_ACTIVATIONS = {None: lambda y: y, "relu": relu, "relu6": relu6}


def batch_norm(
    x,
    gamma=None,
    beta=None,
    running_mean=None,
    running_variance=None,
    training=True,
    momentum=0.1,
    epsilon=1e-5,
    activation=None,
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
        activation: None, ``"relu"`` or ``"relu6"``, which is then computed along with the rest.

    Raises:
        ShapeError: shapes don't fit, or there is only one number per channel in training.
        DTypeError: the dtypes of gamma, beta or the running statistics differ from x's.
        ArgumentError: no running statistics at inference, or only one of the two; or there is no such
            activation.
    """
    check_activation("batch_norm", activation, ("relu", "relu6"))
    x = floating(x)
    if precision.open_blocks and is_coarse(x):
        statistics = running_mean, running_variance
        return in_float32(batch_norm, x, gamma, beta, *statistics, training, momentum, epsilon, activation)
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
        return _with_running_statistics(x, gamma, beta, running_mean, running_variance, epsilon, activation)
    count = x.size // max(channels, 1)
    if count == 1:
        raise ShapeError(
            f"batch_norm: x (shape {x.shape}) has one number per channel; training needs at least two to "
            "estimate the variance"
        )
    function = _FUNCTIONS[activation](epsilon)
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


def _with_running_statistics(x, gamma, beta, running_mean, running_variance, epsilon, activation):
    if running_mean is None:
        raise ArgumentError("batch_norm: inference needs running_mean and running_variance")
    tensors = (x, gamma, beta)
    if not (is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)):
        rows = x.data.reshape(-1, x.shape[-1])
        y = norm.batch_inference(
            rows, gamma.data, beta.data, running_mean.data, running_variance.data, epsilon, activation
        )
        return Tensor(y.reshape(x.shape))
    # The mean goes first: folded into the shift, it would cost digits where it is large.
    y = (x - running_mean) * (gamma / sqrt(running_variance + epsilon)) + beta
    return _ACTIVATIONS[activation](y)
