"""Normalisation layers. Channels come last; weights start at one and biases at zero."""

import numpy as np

from tinynet import functional as F
from tinynet.autograd import as_tensor
from tinynet.backend import default_device, default_dtype, to_device
from tinynet.errors import ArgumentError, ShapeError
from tinynet.nn import init
from tinynet.nn.arguments import count, empty_parameter, fraction
from tinynet.nn.chaining import absorbed_as, absorbs
from tinynet.nn.module import Module

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "GroupNorm",
    "InstanceNorm2d",
    "LayerNorm",
    "LocalResponseNorm",
]


class _Normalization(Module):
    """What the layers share: a weight of ones and a bias of zeros, or neither."""

    def _add_parameters(self, shape, eps, affine, bias=True):
        if not eps >= 0:
            raise ArgumentError(f"{type(self).__name__}: eps must not be below 0, but is {eps!r}")
        self.eps = eps
        self.weight = init.ones(empty_parameter(*shape)) if affine else None
        self.bias = init.zeros(empty_parameter(*shape)) if affine and bias else None


class _BatchNorm(_Normalization):
    """Normalises each channel to mean 0 and variance 1 over all axes but the last, then scales and shifts.

    y = (x − mean) / √(variance + eps) · weight + bias, with the statistics of the batch in training. They
    also move the running statistics, running ← (1 − momentum) · running + momentum · batch, which take
    their place in inference. The running variance is the unbiased one, as in PyTorch.

    Args:
        num_features: C, the number of channels.
        eps: added to the variance.
        momentum: the weight of the newest batch, in [0, 1].
        affine: whether there are a weight (C,) and a bias (C,).
        track_running_stats: False keeps no running statistics and uses those of the batch always.

    Raises:
        ArgumentError: an argument is outside its domain.
        ShapeError: in forward, when x has a wrong number of axes or channels.

    S. Ioffe and C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal
    covariate shift", 2015.
    """

    ranks: tuple[int, ...] = ()
    layout = ""

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        self.num_features = count(self, "num_features", num_features)
        self.momentum = fraction(self, "momentum", momentum)
        self.track_running_stats = bool(track_running_stats)
        self._add_parameters((self.num_features,), eps, affine)
        self.register_buffer("running_mean", self._statistics(0))
        self.register_buffer("running_var", self._statistics(1))

    def _statistics(self, value):
        if not self.track_running_stats:
            return None
        return to_device(np.full(self.num_features, value, default_dtype()), default_device())

    @absorbs("relu", "relu6")
    @absorbed_as("batch norm")
    def forward(self, x, activation=None):
        """(N, ..., C) → the same shape, with the activation (None, "relu" or "relu6") applied."""
        x = as_tensor(x)
        if x.ndim not in self.ranks:
            raise ShapeError(f"{type(self).__name__}: x must have the shape {self.layout}, not {x.shape}")
        return F.batch_norm(
            x,
            self.weight,
            self.bias,
            self.running_mean,
            self.running_var,
            training=self.training or not self.track_running_stats,
            momentum=self.momentum,
            epsilon=self.eps,
            activation=activation,
        )

    def extra_repr(self):
        text = f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"
        text += "" if self.weight is not None else ", affine=False"
        return text + ("" if self.track_running_stats else ", track_running_stats=False")


class BatchNorm1d(_BatchNorm):
    __doc__ = f"Batch normalisation of (N, C) or (N, T, C).\n\n    {_BatchNorm.__doc__}"
    ranks = (2, 3)
    layout = "(N, C) or (N, T, C)"


class BatchNorm2d(_BatchNorm):
    __doc__ = f"Batch normalisation of images (N, H, W, C).\n\n    {_BatchNorm.__doc__}"
    ranks = (4,)
    layout = "(N, H, W, C)"


class BatchNorm3d(_BatchNorm):
    __doc__ = f"Batch normalisation of volumes (N, D, H, W, C).\n\n    {_BatchNorm.__doc__}"
    ranks = (5,)
    layout = "(N, D, H, W, C)"


class LayerNorm(_Normalization):
    """Normalises each sample over its last axes: (x − mean) / √(variance + eps) · weight + bias.

    Args:
        normalized_shape: the sizes of the axes over which to normalise, (C,) or C for the last one.
        eps: added to the variance.
        elementwise_affine: whether there is a weight of this shape.
        bias: whether there is a bias beside it.

    J. Ba, J. Kiros and G. Hinton, "Layer normalization", 2016.
    """

    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True):
        sizes = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
        self.normalized_shape = tuple([count(self, "normalized_shape", size) for size in sizes])
        if not sizes:
            raise ArgumentError("LayerNorm: normalized_shape must name at least one axis")
        self._add_parameters(self.normalized_shape, eps, elementwise_affine, bias)

    def forward(self, x):
        x = as_tensor(x)
        if x.shape[-len(self.normalized_shape) :] != self.normalized_shape:
            raise ShapeError(
                f"LayerNorm: x must have the shape (..., {', '.join(map(str, self.normalized_shape))}), "
                f"not {x.shape}"
            )
        return F.layer_norm(x, len(self.normalized_shape), self.weight, self.bias, self.eps)

    def extra_repr(self):
        affine = "" if self.weight is not None else ", elementwise_affine=False"
        return f"{self.normalized_shape}, eps={self.eps}{affine}"


class GroupNorm(_Normalization):
    """Normalises each sample over groups of neighbouring channels, with a weight and a bias per channel.

    (N, *spatial, C) → the same shape; mean and variance are those of one sample's group of C / num_groups
    channels at all places.

    Args:
        num_groups: how many groups.
        num_channels: C, a multiple of it.
        eps: added to the variance.
        affine: whether there are a weight (C,) and a bias (C,).

    Y. Wu and K. He, "Group normalization", 2018.
    """

    def __init__(self, num_groups, num_channels, eps=1e-5, affine=True):
        self.num_groups = count(self, "num_groups", num_groups)
        self.num_channels = count(self, "num_channels", num_channels)
        if self.num_channels % self.num_groups:
            raise ArgumentError(
                f"GroupNorm: num_groups ({num_groups}) must divide num_channels ({num_channels})"
            )
        self._add_parameters((self.num_channels,), eps, affine)

    def forward(self, x):
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self):
        affine = "" if self.weight is not None else ", affine=False"
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}{affine}"


class InstanceNorm2d(_Normalization):
    """Normalises each channel of each image (N, H, W, C) by its own mean and variance over H and W.

    Args:
        num_features: C, the number of channels.
        eps: added to the variance.
        affine: whether there are a weight (C,) and a bias (C,).

    D. Ulyanov, A. Vedaldi and V. Lempitsky, "Instance normalization: the missing ingredient for fast
    stylization", 2016.
    """

    def __init__(self, num_features, eps=1e-5, affine=False):
        self.num_features = count(self, "num_features", num_features)
        self._add_parameters((self.num_features,), eps, affine)

    def forward(self, x):
        x = as_tensor(x)
        if x.ndim != 4 or x.shape[-1] != self.num_features:
            raise ShapeError(
                f"InstanceNorm2d: x must have the shape (N, H, W, {self.num_features}), not {x.shape}"
            )
        return F.instance_norm(x, self.weight, self.bias, self.eps)

    def extra_repr(self):
        affine = ", affine=True" if self.weight is not None else ""
        return f"{self.num_features}, eps={self.eps}{affine}"


class LocalResponseNorm(Module):
    """x / (k + alpha / size · Σ x²)^beta, where the sum goes over `size` neighbouring channels.

    Any shape (..., C). A. Krizhevsky, I. Sutskever and G. Hinton, "ImageNet classification with deep
    convolutional neural networks", 2012, section 3.3, whose alpha is the one here divided by size.
    """

    def __init__(self, size, alpha=1e-4, beta=0.75, k=1.0):
        self.size = count(self, "size", size)
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, x):
        return F.local_response_norm(x, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self):
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
