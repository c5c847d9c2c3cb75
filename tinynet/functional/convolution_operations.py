"""Convolution and its two gradients as operations that can be differentiated as often as one likes.

They are closed under differentiation: the backward of the convolution, of its gradient by the input (which
is the transposed convolution) and of its gradient by the weight each consists of the other two.
"""

from tinynet.autograd import Function
from tinynet.functional.fused_activation import ActivatedFunction
from tinynet_kernels import activation as activation_kernels
from tinynet_kernels import conv

__all__: list[str] = []


class Convolution(ActivatedFunction):
    """y = x * weight + bias; the bias may be left out."""

    __slots__ = ("geometry", "groups", "input_size", "kernel_size")
    reads = ((1,), (0,), ())

    def __init__(self, geometry, groups):
        self.geometry = geometry
        self.groups = groups

    def forward(self, x, weight, bias=None):
        self.input_size, self.kernel_size = x.shape[1:-1], weight.shape[:-2]
        return conv.forward(x, weight, *self.geometry, self.groups, bias, self.activation)

    def backward(self, gy):
        gx = gweight = None
        gy = self.before_activation(gy)
        if self.needs(0):
            weight = self.inputs[1]
            gx = ConvolutionInputGradient(self.geometry, self.groups, self.input_size)(gy, weight)
        if self.needs(1):
            x = self.inputs[0]
            gweight = ConvolutionWeightGradient(self.geometry, self.groups, self.kernel_size)(x, gy)
        if len(self.edges) == 2:
            return gx, gweight
        return gx, gweight, _sum_over_positions(gy) if self.needs(2) else None

    def backward_arrays(self, gy):
        gx = gweight = gbias = None
        has_bias = len(self.edges) == 3
        if has_bias and self.needs(2):
            gy, gbias = self.before_bias_arrays(gy)
        else:
            gy = self.before_activation_arrays(gy)
        if self.needs(0):
            weight = self.input_arrays[1]
            gx = conv.input_gradient(gy, weight, self.input_size, *self.geometry, self.groups)
        if self.needs(1):
            x = self.input_arrays[0]
            place = self.place_of_gradient(1, gy.dtype)
            gweight = conv.weight_gradient(x, gy, self.kernel_size, *self.geometry, self.groups, place)
        return (gx, gweight, gbias) if has_bias else (gx, gweight)


class RectifiedConvolution(Convolution):
    """y = max(x * weight + bias, 0)."""

    __slots__ = ()
    operation = "convolution"
    activation = "relu"
    reads_output = True


CONVOLUTIONS = {None: Convolution, "relu": RectifiedConvolution}


class ConvolutionInputGradient(Function):
    """The gradient of a convolution by its input, as an operation on (gy, weight); a bias may be added."""

    __slots__ = ("geometry", "groups", "input_size", "kernel_size")
    reads = ((1,), (0,), ())

    def __init__(self, geometry, groups, input_size):
        self.geometry = geometry
        self.groups = groups
        self.input_size = input_size

    def forward(self, gy, weight, bias=None):
        self.kernel_size = weight.shape[:-2]
        gx = conv.input_gradient(gy, weight, self.input_size, *self.geometry, self.groups)
        if bias is not None:
            gx += bias
        return gx

    def backward(self, ggx):
        ggy = gweight = None
        if self.needs(0):
            ggy = Convolution(self.geometry, self.groups)(ggx, self.inputs[1])
        if self.needs(1):
            gy = self.inputs[0]
            gweight = ConvolutionWeightGradient(self.geometry, self.groups, self.kernel_size)(ggx, gy)
        if len(self.edges) == 2:
            return ggy, gweight
        return ggy, gweight, _sum_over_positions(ggx) if self.needs(2) else None

    def backward_arrays(self, ggx):
        ggy = gweight = None
        if self.needs(0):
            ggy = conv.forward(ggx, self.input_arrays[1], *self.geometry, self.groups)
        if self.needs(1):
            gy = self.input_arrays[0]
            gweight = conv.weight_gradient(ggx, gy, self.kernel_size, *self.geometry, self.groups)
        if len(self.edges) == 2:
            return ggy, gweight
        gbias = activation_kernels.backward_with_bias(ggx, None, None)[1] if self.needs(2) else None
        return ggy, gweight, gbias


class ConvolutionWeightGradient(Function):
    """The gradient of a convolution by its weight, as an operation on (x, gy)."""

    __slots__ = ("geometry", "groups", "input_size", "kernel_size")
    reads = ((1,), (0,))

    def __init__(self, geometry, groups, kernel_size):
        self.geometry = geometry
        self.groups = groups
        self.kernel_size = kernel_size

    def forward(self, x, gy):
        self.input_size = x.shape[1:-1]
        return conv.weight_gradient(x, gy, self.kernel_size, *self.geometry, self.groups)

    def backward(self, ggweight):
        x, gy = self.inputs
        gx = ggy = None
        if self.needs(0):
            gx = ConvolutionInputGradient(self.geometry, self.groups, self.input_size)(gy, ggweight)
        if self.needs(1):
            ggy = Convolution(self.geometry, self.groups)(x, ggweight)
        return gx, ggy


def _sum_over_positions(gy):
    """The sum of a tensor over all axes but the last."""
    return gy.sum(axis=tuple(range(gy.ndim - 1)))
