"""Layers that calculate: sums and differences, products and quotients, also far outside of what was trained.

Source: Trask, Hill, Reed, Rae, Dyer & Blunsom, "Neural arithmetic logic units", 2018.
"""

from collections.abc import Callable
from math import prod

from tinynet import functional as F
from tinynet.errors import ArgumentError
from tinynet.nn import init
from tinynet.nn.arguments import count, empty_parameter
from tinynet.nn.module import Module

__all__ = ["NAC", "NALU"]


class NAC(Module):
    """The neural accumulator, y = x · (tanh(W) ⊙ σ(M)): (..., in_features) → (..., out_features).

    The elements of the product tend to −1, 0 and 1, where tanh and σ are flat, so that y is a sum of some
    inputs less others. There is no bias and no activation. W and M (in_features, out_features) start
    Glorot-uniform.

    Args:
        in_features, out_features: the sizes of the last axis, before and after.
        generator: the source of the initial weights; the default generator if None.

    Raises:
        ArgumentError: a size is not an integer of at least 1.

    Trask et al., 2018, section 3.
    """

    # How x and a weight are multiplied; layers that hold weights for many models replace it.
    product: Callable = staticmethod(F.linear)

    def __init__(self, in_features, out_features, *, generator=None):
        self.in_features = count(self, "in_features", in_features)
        self.out_features = count(self, "out_features", out_features)
        self.weight_hat, self.mask_hat = [
            init.glorot_uniform(empty_parameter(self.in_features, self.out_features), generator=generator)
            for _ in range(2)
        ]

    @property
    def weight(self):
        """tanh(W) ⊙ σ(M), a tensor (in_features, out_features)."""
        return F.tanh(self.weight_hat) * F.sigmoid(self.mask_hat)

    def forward(self, x):
        return self.product(x, self.weight)

    def multiply_adds(self, input_shape, output_shape):
        """Multiplications with a following addition, for arrays of these shapes."""
        return prod(output_shape[:-1]) * self.weight_hat.size

    def extra_repr(self):
        return f"{self.in_features}, {self.out_features}"


class NALU(Module):
    """The neural arithmetic logic unit, between sums and products: (..., in_features) → (..., out_features).

    y = g ⊙ a + (1 − g) ⊙ m with a = x · W, m = exp(ln(|x| + epsilon) · W), g = σ(x · gate), where W is the
    weight of a `NAC`: a product of some inputs divided by others is the exponential of a sum of logarithms.
    The sign of the inputs is lost to m.

    Args:
        in_features, out_features: the sizes of the last axis, before and after.
        epsilon: what keeps the logarithm of zero finite, above 0.
        generator: the source of the initial weights; the default generator if None.

    Raises:
        ArgumentError: a size is not an integer of at least 1, or epsilon is not above 0.

    Trask et al., 2018, section 3.
    """

    def __init__(self, in_features, out_features, epsilon=1e-7, *, generator=None):
        if not epsilon > 0:
            raise ArgumentError(f"NALU: epsilon must be above 0, not {epsilon!r}")
        self.epsilon = epsilon
        self.accumulator = NAC(in_features, out_features, generator=generator)
        self.gate = init.glorot_uniform(
            empty_parameter(self.accumulator.in_features, self.accumulator.out_features), generator=generator
        )

    def forward(self, x):
        weight, product = self.accumulator.weight, self.accumulator.product
        added = product(x, weight)
        multiplied = F.exp(product(F.log(F.abs(x) + self.epsilon), weight))
        gate = F.sigmoid(product(x, self.gate))
        return gate * added + (1 - gate) * multiplied

    def multiply_adds(self, input_shape, output_shape):
        """Multiplications with a following addition, for arrays of these shapes."""
        return 3 * prod(output_shape[:-1]) * self.gate.size

    def extra_repr(self):
        return f"{self.accumulator.in_features}, {self.accumulator.out_features}, epsilon={self.epsilon}"
