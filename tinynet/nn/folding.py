"""Batch norm in inference as part of the convolution before it.

With fixed statistics batch norm is an affine map of each channel, scale · y + shift, and the convolution
y = x * weight + bias is linear, so that both are one convolution:

    scale · (x * weight + bias − mean) + beta  =  x * (scale · weight) + (scale · (bias − mean) + beta)

with scale = gamma / √(variance + epsilon).

Source: B. Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only
inference", 2018, section 3.2.
"""

from math import prod

from tinynet.autograd import Tensor, is_grad_enabled
from tinynet.backend import array_module

__all__: list[str] = []


def folded(weight, bias, batch_norm):
    """The weight and the bias, as tensors, of a convolution that computes the batch norm behind it too.

    Args:
        weight: (*kernel, in, C); `bias` is (C,) or None.
        batch_norm: the layer, which keeps running statistics.
    """
    mean, variance = batch_norm.running_mean.data, batch_norm.running_var.data
    scale = (variance + batch_norm.eps) ** -0.5
    if batch_norm.weight is not None:
        scale *= batch_norm.weight.data
    shift = -mean if bias is None else bias.data - mean
    shift *= scale
    if batch_norm.bias is not None:
        shift += batch_norm.bias.data
    return Tensor(weight.data * scale), Tensor(shift)


def can_fold(convolution, batch_norm):
    """Whether the batch norm is an affine map, in inference, of just what the convolution gives."""
    return (
        not batch_norm.training
        and batch_norm.track_running_stats
        and batch_norm.num_features == convolution.out_channels
        and convolution.dimensions + 2 in batch_norm.ranks
        and batch_norm.running_mean.dtype == convolution.weight.dtype
        and array_module(batch_norm.running_mean.data) is array_module(convolution.weight.data)
    )


def folding_pays(convolution, batch_norm, x):
    """Whether to fold for one call on x: it is possible, and cheaper than a pass over the output.

    Folding costs a pass over the weight. Nothing is kept from call to call, so that weights and statistics
    may change at any time.
    """
    if is_grad_enabled() or not isinstance(x, Tensor) or not can_fold(convolution, batch_norm):
        return False
    places = x.size // convolution.in_channels // prod(convolution.stride)
    return places * convolution.out_channels > convolution.weight.size
