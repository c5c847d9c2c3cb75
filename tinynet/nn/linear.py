"""The fully connected layer."""

from math import prod

from tinynet import functional as F
from tinynet.nn import init
from tinynet.nn.arguments import count, empty_parameter
from tinynet.nn.chaining import absorbs
from tinynet.nn.module import Module

__all__ = ["Linear"]


class Linear(Module):
    """y = x · weight + bias along the last axis: (..., in_features) → (..., out_features).

    The weight (in_features, out_features) starts Glorot-uniform and the bias (out_features,) at zero, as a
    Keras Dense layer does.

    Args:
        in_features, out_features: the sizes of the last axis, before and after.
        bias: whether there is a bias.
        generator: the source of the initial weight; the default generator if None.

    Raises:
        ArgumentError: a size is not an integer of at least 1.
    """

    def __init__(self, in_features, out_features, bias=True, *, generator=None):
        self.in_features = count(self, "in_features", in_features)
        self.out_features = count(self, "out_features", out_features)
        self.weight = init.glorot_uniform(
            empty_parameter(self.in_features, self.out_features), generator=generator
        )
        self.bias = init.zeros(empty_parameter(self.out_features)) if bias else None

    @absorbs("relu")
    def forward(self, x, activation=None):
        """(..., in_features) → (..., out_features), with the activation (None or "relu") applied."""
        return F.linear(x, self.weight, self.bias, activation)

    def multiply_adds(self, input_shape, output_shape):
        """Multiplications with a following addition, for arrays of these shapes."""
        return prod(output_shape[:-1]) * self.weight.size

    def extra_repr(self):
        return f"{self.in_features}, {self.out_features}, bias={self.bias is not None}"
