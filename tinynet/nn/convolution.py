"""Convolution layers, plain and transposed, in one, two and three dimensions. Channels come last."""

from math import prod

from tinynet import functional as F
from tinynet.errors import ArgumentError
from tinynet.functional.geometry import per_axis
from tinynet.nn import init
from tinynet.nn.arguments import count, empty_parameter, padded_window
from tinynet.nn.chaining import absorbs
from tinynet.nn.folding import folded
from tinynet.nn.module import Module

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]


class _Convolution(Module):
    """What all convolution layers share: sizes, a Glorot-uniform weight and a bias of zeros."""

    dimensions = 0

    def __init__(self, in_channels, out_channels, kernel_size, stride, padding, dilation, groups):
        self.in_channels = count(self, "in_channels", in_channels)
        self.out_channels = count(self, "out_channels", out_channels)
        self.kernel_size, self.stride, self.dilation = padded_window(
            self, self.dimensions, kernel_size, stride, padding, dilation
        )
        self.padding = padding
        self.groups = count(self, "groups", groups)
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ArgumentError(
                f"{type(self).__name__}: groups ({groups}) must divide both in_channels ({in_channels}) and "
                f"out_channels ({out_channels})"
            )

    def _add_parameters(self, channels, bias, generator):
        weight = empty_parameter(*self.kernel_size, *channels)
        self.weight = init.glorot_uniform(weight, generator=generator)
        self.bias = init.zeros(empty_parameter(self.out_channels)) if bias else None

    def extra_repr(self):
        options = {
            "kernel_size": (self.kernel_size, None),
            "stride": (self.stride, (1,) * self.dimensions),
            "padding": (self.padding, 0),
            "dilation": (self.dilation, (1,) * self.dimensions),
            "groups": (self.groups, 1),
            "bias": (self.bias is not None, True),
        }
        given = [f"{name}={value!r}" for name, (value, default) in options.items() if value != default]
        return ", ".join([str(self.in_channels), str(self.out_channels), *given])


class _Conv(_Convolution):
    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        groups=1,
        bias=True,
        *,
        generator=None,
    ):
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        self._add_parameters((self.in_channels // self.groups, self.out_channels), bias, generator)

    @absorbs("batch norm", "relu")
    def forward(self, x, activation=None, batch_norm=None):
        """(N, *spatial, in_channels) → (N, *spatial', out_channels), with what may be computed along with it.

        Args:
            activation: None or ``"relu"``.
            batch_norm: a batch norm in inference that is to follow, or None.
        """
        weight, bias = self.weight, self.bias
        if batch_norm is not None:
            weight, bias = folded(weight, bias, batch_norm)
        options = self.stride, self.padding, self.dilation, self.groups
        return self.convolve(x, weight, bias, *options, activation)

    def multiply_adds(self, input_shape, output_shape):
        """Multiplications with a following addition, for arrays of these shapes."""
        return prod(output_shape[:-1]) * self.weight.size


class Conv1d(_Conv):
    """Convolution along sequences, (N, T, in_channels) → (N, T', out_channels). See `Conv2d`."""

    dimensions = 1
    convolve = staticmethod(F.conv1d)


class Conv2d(_Conv):
    """Convolution over images, (N, H, W, in_channels) → (N, H', W', out_channels).

    y[n, i, j, o] = bias[o] + Σ x[n, i · stride + p · dilation, j · stride + q · dilation, c] ·
    weight[p, q, c, o], with x padded by zeros.

    The weight (*kernel_size, in_channels // groups, out_channels) starts Glorot-uniform and the bias
    (out_channels,) at zero, as a Keras Conv2D layer does.

    Args:
        in_channels, out_channels: the numbers of channels.
        kernel_size: an integer, or one for each spatial axis; so are stride and dilation.
        stride: by how much the window moves.
        padding: ``"valid"`` (none), ``"same"`` (output size ⌈size / stride⌉), an integer, one for each
            axis, or a pair (before, after) for each axis.
        dilation: the distance between the elements of the window.
        groups: output channels see only the input channels of their own group; with in_channels groups
            it is a depthwise convolution.
        bias: whether there is a bias.
        generator: the source of the initial weight; the default generator if None.

    Raises:
        ArgumentError: a size is not an integer of at least 1, or groups does not divide the channels.
    """

    dimensions = 2
    convolve = staticmethod(F.conv2d)


class Conv3d(_Conv):
    """Convolution over volumes, (N, D, H, W, in_channels) → (N, D', H', W', out_channels). See `Conv2d`."""

    dimensions = 3
    convolve = staticmethod(F.conv3d)


class _ConvTranspose(_Convolution):
    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        output_padding=0,
        groups=1,
        bias=True,
        dilation=1,
        *,
        generator=None,
    ):
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        self.output_padding = per_axis(
            type(self).__name__, "output_padding", output_padding, self.dimensions, least=0
        )
        self._add_parameters((self.out_channels // self.groups, self.in_channels), bias, generator)

    def _options(self):
        return {
            "stride": self.stride,
            "padding": self.padding,
            "output_padding": self.output_padding,
            "dilation": self.dilation,
            "groups": self.groups,
        }

    def multiply_adds(self, input_shape, output_shape):
        """Multiplications with a following addition, for arrays of these shapes."""
        return prod(input_shape[:-1]) * self.weight.size

    def extra_repr(self):
        extra = f", output_padding={self.output_padding}" if any(self.output_padding) else ""
        return super().extra_repr() + extra


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution along sequences, (N, T, in_channels) → (N, T', out_channels).

    See `ConvTranspose2d`.
    """

    dimensions = 1

    def forward(self, x):
        return F.conv_transpose1d(x, self.weight, self.bias, **self._options())


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution over images, (N, H, W, in_channels) → (N, H', W', out_channels).

    The map that carries gradients back through `Conv2d`: it spreads every input over the window that the
    convolution would have gathered it from. Without padding, H' = (H − 1) · stride + kernel.

    The weight has the shape of that convolution's, (*kernel_size, out_channels // groups, in_channels). It
    starts Glorot-uniform, the bias (out_channels,) at zero.

    Args:
        output_padding: how much larger the output is than the smallest that fits the input; an integer, or
            one for each spatial axis.

    The other arguments and the errors are those of `Conv2d`.
    """

    dimensions = 2

    def forward(self, x):
        return F.conv_transpose2d(x, self.weight, self.bias, **self._options())


class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution over volumes, (N, D, H, W, in_channels) → (N, D', H', W', out_channels).

    See `ConvTranspose2d`.
    """

    dimensions = 3

    def forward(self, x):
        return F.conv_transpose3d(x, self.weight, self.bias, **self._options())
