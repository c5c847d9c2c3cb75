"""Convolution and transposed convolution in one, two and three dimensions: the functions and their checks.

The operations themselves, forward and backward, are in ``convolution_operations.py``.

Sources: LeCun et al., "Gradient-based learning applied to document recognition", 1998; Dumoulin & Visin,
"A guide to convolution arithmetic for deep learning", 2016.
"""

from tinynet.autograd import as_tensor, precision
from tinynet.errors import ArgumentError, DTypeError, ShapeError
from tinynet.functional.conversion import as_factors
from tinynet.functional.convolution_operations import CONVOLUTIONS, ConvolutionInputGradient
from tinynet.functional.fused_activation import check_activation
from tinynet.functional.geometry import Geometry, padding_pairs, per_axis, resolve, spatial_input

__all__ = ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]


def conv1d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, activation=None):
    """1-D convolution: x (N, T, C), weight (kernel, C / groups, O), bias (O,) → (N, T', O). See `conv2d`."""
    return _convolve("conv1d", 1, x, weight, bias, stride, padding, dilation, groups, activation)


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, activation=None):
    """2-D convolution (strictly: cross-correlation, the kernel is not flipped).

    Args:
        x: (N, H, W, C), float.
        weight: (kh, kw, C / groups, O), of x's dtype.
        bias: (O,) or None.
        stride: step between windows, one number or one per spatial axis.
        padding: zeros around x: "valid" (none), "same" (output ceil(size / stride), an odd surplus behind),
            a number, one per axis, or a (before, after) pair per axis.
        dilation: distance between the elements of a window.
        groups: output channels see only their group's C / groups inputs; ``groups=C`` is depthwise.
        activation: None, or ``"relu"``, which is then computed along with the rest.

    Returns:
        (N, H', W', O) with H' = ⌊(H + before + after − dilation·(kh − 1) − 1) / stride⌋ + 1.

    Raises:
        ShapeError: shapes, channels or groups don't fit, or the window is larger than the padded input.
        DTypeError: the dtypes differ or are not floating.
        ArgumentError: there is no such activation.
    """
    return _convolve("conv2d", 2, x, weight, bias, stride, padding, dilation, groups, activation)


def conv3d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, activation=None):
    """3-D convolution: x (N, D, H, W, C), weight (kd, kh, kw, C / groups, O) → (N, D', H', W', O).

    See `conv2d`.
    """
    return _convolve("conv3d", 3, x, weight, bias, stride, padding, dilation, groups, activation)


def _convolve(operation, dimensions, x, weight, bias, stride, padding, dilation, groups, activation):
    check_activation(operation, activation)
    x, weight, bias = _operands(operation, dimensions, x, weight, bias)
    channels, outputs = x.shape[-1], weight.shape[-1]
    _check_groups(operation, groups, channels, outputs)
    expected = weight.shape[-2] * groups
    if channels != expected:
        of = f" in {groups} groups" if groups > 1 else ""
        raise ShapeError(
            f"{operation}: x has {channels} channels (shape {x.shape}) but weight expects {expected}{of} "
            f"(shape {weight.shape})"
        )
    _check_bias(operation, bias, outputs, weight)
    geometry = resolve(operation, x.shape[1:-1], weight.shape[:-2], stride, padding, dilation)
    function = CONVOLUTIONS[activation](geometry, groups)
    return function(x, weight) if bias is None else function(x, weight, bias)


def conv_transpose1d(x, weight, bias=None, stride=1, padding=0, output_padding=0, dilation=1, groups=1):
    """1-D transposed convolution: x (N, T, C), weight (kernel, O / groups, C). See `conv_transpose2d`."""
    return _transpose(
        "conv_transpose1d", 1, x, weight, bias, stride, padding, output_padding, dilation, groups
    )


def conv_transpose2d(x, weight, bias=None, stride=1, padding=0, output_padding=0, dilation=1, groups=1):
    """2-D transposed convolution: the gradient of a convolution by its input, used as a layer.

    Args:
        x: (N, H, W, C), float.
        weight: (kh, kw, O / groups, C): the weight of the convolution from O to C channels whose
            transpose this is.
        bias: (O,) or None.
        stride: how far apart the elements of x are placed in the output.
        padding: how much is cut off the output's borders (a number, one or a pair per axis); "same" makes
            the output H·stride long, "valid" cuts nothing.
        output_padding: added behind the output, per axis; less than the stride.
        dilation: distance between the elements of a window.
        groups: as in `conv2d`.

    Returns:
        (N, H', W', O) with H' = (H − 1)·stride − before − after + dilation·(kh − 1) + 1 + output_padding.

    Raises:
        ShapeError: shapes, channels or groups don't fit, or nothing is left of the output.
        DTypeError: the dtypes differ or are not floating.
    """
    return _transpose(
        "conv_transpose2d", 2, x, weight, bias, stride, padding, output_padding, dilation, groups
    )


def conv_transpose3d(x, weight, bias=None, stride=1, padding=0, output_padding=0, dilation=1, groups=1):
    """3-D transposed convolution: x (N, D, H, W, C), weight (kd, kh, kw, O / groups, C).

    See `conv_transpose2d`.
    """
    return _transpose(
        "conv_transpose3d", 3, x, weight, bias, stride, padding, output_padding, dilation, groups
    )


def _transpose(operation, dimensions, x, weight, bias, stride, padding, output_padding, dilation, groups):
    x, weight, bias = _operands(operation, dimensions, x, weight, bias)
    channels, outputs = x.shape[-1], weight.shape[-2] * groups
    if channels != weight.shape[-1]:
        raise ShapeError(
            f"{operation}: x has {channels} channels (shape {x.shape}) but weight expects {weight.shape[-1]} "
            f"(shape {weight.shape}, channels of x last)"
        )
    _check_groups(operation, groups, channels, outputs)
    _check_bias(operation, bias, outputs, weight)
    window = weight.shape[:-2]
    stride = per_axis(operation, "stride", stride, dimensions)
    dilation = per_axis(operation, "dilation", dilation, dimensions)
    extra = per_axis(operation, "output_padding", output_padding, dimensions, least=0)
    extents = [spread * (kernel - 1) + 1 for kernel, spread in zip(window, dilation, strict=True)]
    if padding in ("same", "valid"):
        # Both are meant in the sense of the convolution whose transpose this is, as Keras does.
        extra = tuple([n + max(step - e, 0) for n, step, e in zip(extra, stride, extents, strict=True)])
        target = [size * step for size, step in zip(x.shape[1:-1], stride, strict=True)]
    else:
        target = x.shape[1:-1]
    pairs = padding_pairs(operation, padding, target, window, stride, dilation)
    output = tuple(
        [
            (size - 1) * step - sum(pair) + extent + more
            for size, step, pair, extent, more in zip(
                x.shape[1:-1], stride, pairs, extents, extra, strict=True
            )
        ]
    )
    for axis, more in enumerate(extra):
        if more >= stride[axis]:
            raise ArgumentError(
                f"{operation}: output_padding {more} of spatial axis {axis} must be less than the stride, "
                f"{stride[axis]}"
            )
        if output[axis] < 1:
            raise ShapeError(
                f"{operation}: padding {pairs[axis]} leaves {output[axis]} elements of spatial axis {axis} "
                f"(x has shape {x.shape}, weight {weight.shape})"
            )
    function = ConvolutionInputGradient(Geometry(stride, pairs, dilation), groups, output)
    return function(x, weight) if bias is None else function(x, weight, bias)


def _operands(operation, dimensions, x, weight, bias):
    x = spatial_input(operation, x, dimensions)
    weight = as_tensor(weight)
    if weight.ndim != dimensions + 2:
        raise ShapeError(
            f"{operation}: weight must have {dimensions + 2} axes (kernel sizes, two for channels), but has "
            f"shape {weight.shape}"
        )
    bias = None if bias is None else as_tensor(bias)
    if precision.open_blocks:
        x, weight, bias = as_factors(x, weight, bias)
    for name, array in (("weight", weight), ("bias", bias)):
        if array is not None and array.dtype != x.dtype:
            raise DTypeError(f"{operation}: x is {x.dtype} but {name} is {array.dtype}")
    return x, weight, bias


def _check_groups(operation, groups, channels, outputs):
    if groups < 1 or channels % groups or outputs % groups:
        raise ShapeError(
            f"{operation}: groups = {groups} must divide the {channels} channels of x and the {outputs} of y"
        )


def _check_bias(operation, bias, outputs, weight):
    if bias is not None and bias.shape != (outputs,):
        raise ShapeError(
            f"{operation}: bias has shape {bias.shape} but weight (shape {weight.shape}) makes {outputs} "
            "channels"
        )
