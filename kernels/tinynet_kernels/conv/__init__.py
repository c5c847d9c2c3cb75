"""Convolution in one, two or three spatial dimensions: forward and both gradients.

Layout is channels-last: x (N, *spatial, C), weight (*kernel, C // groups, O), y (N, *output, O). As
usual in this field it is a cross-correlation, the kernel is not flipped:
``y[n, o, f] = sum over k, c of x[n, o * stride - before + k * dilation, c] * weight[k, c, f]``.

Geometry: `stride` and `dilation` are tuples with one entry per spatial dimension, `padding` a tuple of
(before, after) pairs. With `groups` G, output channels ``g * O / G … (g + 1) * O / G - 1`` see only the
input channels ``g * C / G … (g + 1) * C / G - 1``; G = C is the depthwise convolution.

Sources: Chellapilla, Puri & Simard, High Performance Convolutional Neural Networks for Document
Processing (2006) for the unfolding into a matrix product; Chollet, Xception (2017) for depthwise.
"""

from math import prod

import numpy as np

from tinynet_kernels.conv.plan import Plan, observed_plans, plan
from tinynet_kernels.dispatch import FLOATS, Family
from tinynet_kernels.windows import output_size

__all__ = [
    "Plan",
    "col2im",
    "forward",
    "im2col",
    "input_gradient",
    "observed_plans",
    "output_size",
    "plan",
    "weight_gradient",
]

_family = Family(__name__, gpu=FLOATS, widens=True)

_ACTIVATIONS = (None, "relu")


def forward(x, weight, stride, padding, dilation, groups, bias=None, activation=None):
    """y (N, *output, O) from x (N, *spatial, C) and weight (*kernel, C // groups, O).

    Args:
        bias: (O,), added to every output position, or None.
        activation: None, or ``"relu"`` for ``max(0, y)``, in which NaN stays NaN.

    Raises:
        ValueError: channels, groups and dimensions do not agree, the window does not fit, or there is no
            such activation.
    """
    _check_dimensions("forward", x, "x", weight.shape[:-2])
    _check_groups("forward", x.shape[-1], weight.shape[-1], groups)
    if weight.shape[-2] * groups != x.shape[-1]:
        raise ValueError(
            f"conv.forward: x has {x.shape[-1]} channels (shape {x.shape}) but weight (shape {weight.shape}) "
            f"expects {weight.shape[-2] * groups} ({groups} groups of {weight.shape[-2]})"
        )
    if bias is not None and bias.shape != weight.shape[-1:]:
        raise ValueError(
            f"conv.forward: bias has shape {bias.shape} but weight (shape {weight.shape}) gives "
            f"{weight.shape[-1]} channels"
        )
    if activation not in _ACTIVATIONS:
        raise ValueError(f"conv.forward: there is no activation {activation!r}; choose None or 'relu'")
    take = _family.take(x, weight) if bias is None else _family.take(x, weight, bias)
    return take.forward(x, weight, stride, padding, dilation, groups, bias, activation)


def input_gradient(gy, weight, input_size, stride, padding, dilation, groups):
    """The gradient (N, *input_size, C) with respect to x, given gy (N, *output, O) with respect to y.

    Also the forward pass of a transposed convolution.

    Raises:
        ValueError: `gy` is not what `forward` gives for an input of this size and this weight.
    """
    kernel_size = weight.shape[:-2]
    _check_dimensions("input_gradient", gy, "gy", kernel_size)
    _check_groups("input_gradient", weight.shape[-2] * groups, weight.shape[-1], groups)
    if gy.shape[-1] != weight.shape[-1]:
        raise ValueError(
            f"conv.input_gradient: gy has {gy.shape[-1]} channels (shape {gy.shape}) but weight gives "
            f"{weight.shape[-1]} (shape {weight.shape})"
        )
    _check_output("input_gradient", gy, output_size(input_size, kernel_size, stride, padding, dilation))
    take = _family.take(gy, weight)
    return take.input_gradient(gy, weight, tuple(input_size), stride, padding, dilation, groups)


def weight_gradient(x, gy, kernel_size, stride, padding, dilation, groups, out=None):
    """The gradient (*kernel_size, C // groups, O) with respect to the weight.

    x is (N, *spatial, C), gy (N, *output, O) the gradient with respect to y.

    Args:
        out: where the gradient is written, an array of its shape and dtype, C-contiguous, that shares no
            memory with x and gy; what it holds before doesn't count. It is then what is returned. Without
            it the gradient is a new array.

    Raises:
        ValueError: `gy` is not what `forward` gives for this input and a kernel of this size, or `out` can't
            take the gradient.
    """
    _check_dimensions("weight_gradient", x, "x", kernel_size)
    _check_dimensions("weight_gradient", gy, "gy", kernel_size)
    _check_groups("weight_gradient", x.shape[-1], gy.shape[-1], groups)
    if x.shape[0] != gy.shape[0]:
        raise ValueError(
            f"conv.weight_gradient: x has {x.shape[0]} samples (shape {x.shape}) but gy {gy.shape[0]} "
            f"(shape {gy.shape})"
        )
    _check_output("weight_gradient", gy, output_size(x.shape[1:-1], kernel_size, stride, padding, dilation))
    kernel_size = tuple(kernel_size)
    if out is None:
        take = _family.take(x, gy)
    else:
        shape = (*kernel_size, x.shape[-1] // groups, gy.shape[-1])
        _check_out(out, shape, np.result_type(x.dtype, gy.dtype))
        take = _family.take(x, gy, out)
    return take.weight_gradient(x, gy, kernel_size, stride, padding, dilation, groups, out)


def im2col(x, kernel_size, stride, padding, dilation):
    """Unfolds x (N, *spatial, C) into the matrix (N * prod(output), prod(kernel_size) * C).

    Each row holds all that one output position sees, in the order of the weight's first axes, so that a
    convolution is ``im2col(x, …) @ weight.reshape(-1, O)``. Padding appears as zeros.
    """
    _check_dimensions("im2col", x, "x", kernel_size)
    return _family.take(x).im2col(x, tuple(kernel_size), stride, padding, dilation)


def col2im(columns, input_size, kernel_size, stride, padding, dilation):
    """The transpose of `im2col`: adds every entry to the place that it came from.

    columns (N * prod(output), prod(kernel_size) * C) → (N, *input_size, C).

    Raises:
        ValueError: the shape of `columns` does not go with the geometry.
    """
    output = output_size(input_size, kernel_size, stride, padding, dilation)
    if columns.ndim != 2 or columns.shape[0] % prod(output) or columns.shape[1] % prod(kernel_size):
        raise ValueError(
            f"conv.col2im: columns has shape {columns.shape}, but an output of {output} and a kernel of "
            f"{tuple(kernel_size)} need (N * {prod(output)}, {prod(kernel_size)} * C)"
        )
    take = _family.take(columns)
    return take.col2im(columns, tuple(input_size), tuple(kernel_size), stride, padding, dilation)


def _check_dimensions(function, array, name, kernel_size):
    if array.ndim != len(kernel_size) + 2:
        raise ValueError(
            f"conv.{function}: {name} has shape {array.shape}, but a kernel of {tuple(kernel_size)} needs "
            f"{len(kernel_size) + 2} dimensions (N, *spatial, channels)"
        )


def _check_groups(function, in_channels, out_channels, groups):
    if groups < 1 or in_channels % groups or out_channels % groups:
        raise ValueError(
            f"conv.{function}: groups = {groups} must divide both {in_channels} input and {out_channels} "
            f"output channels"
        )


def _check_output(function, gy, output):
    if gy.shape[1:-1] != output:
        raise ValueError(
            f"conv.{function}: gy has spatial size {gy.shape[1:-1]} (shape {gy.shape}), but the output of "
            f"this convolution has {output}"
        )


def _check_out(out, shape, dtype):
    # CuPy's arrays, always aligned and writable, don't have the second flag.
    is_usable = out.flags.c_contiguous and getattr(out.flags, "behaved", True)
    if out.shape != shape or out.dtype != dtype or not is_usable:
        raise ValueError(
            f"conv.weight_gradient: out has shape {out.shape} and {out.dtype} but must have {shape} and "
            f"{dtype}, and be C-contiguous, aligned and writable"
        )
