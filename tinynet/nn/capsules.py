"""Layers of capsules: vectors whose length tells whether something is there, and whose direction tells how.

Source: Sabour, Frosst & Hinton, "Dynamic routing between capsules", 2017.
"""

from math import prod, sqrt

from tinynet import functional as F
from tinynet.nn import init
from tinynet.nn.arguments import count, empty_parameter
from tinynet.nn.convolution import Conv2d
from tinynet.nn.module import Module

__all__ = ["PrimaryCapsules", "RoutedCapsules"]


class PrimaryCapsules(Module):
    """The lowest capsules: a convolution, (N, H, W, in_channels) → (N, H' · W' · capsules, capsule_size).

    Its channels, `capsule_size` after `capsule_size`, are the capsules of a place, which are squashed.

    Args:
        in_channels: the channels of x.
        capsules: how many there are at each place.
        capsule_size: the numbers of a capsule.
        kernel_size, stride, padding: of the convolution, see `Conv2d`.
        generator: the source of the initial weight; the default generator if None.

    Raises:
        ArgumentError: a size is not an integer of at least 1.
    """

    def __init__(
        self, in_channels, capsules, capsule_size, kernel_size, stride=1, padding=0, *, generator=None
    ):
        self.capsules = count(self, "capsules", capsules)
        self.capsule_size = count(self, "capsule_size", capsule_size)
        channels = self.capsules * self.capsule_size
        self.conv = Conv2d(in_channels, channels, kernel_size, stride, padding, generator=generator)

    def forward(self, x):
        y = self.conv(x)
        n, height, width, _ = y.shape
        return F.squash(F.reshape(y, (n, height * width * self.capsules, self.capsule_size)))

    def extra_repr(self):
        return f"capsules={self.capsules}, capsule_size={self.capsule_size}"


class RoutedCapsules(Module):
    """Upper capsules, routed to by agreement: (N, in_capsules, in_size) → (N, out_capsules, out_size).

    Each pair of a lower and an upper capsule has a matrix, which turns the lower one into a vote on the upper
    one. The weight (in_capsules, out_capsules, in_size, out_size) starts Glorot-uniform, each matrix by
    itself; there is no bias. See `functional.route`.

    Args:
        in_capsules, in_size: the number of lower capsules, and the numbers of each.
        out_capsules, out_size: those of the upper capsules.
        iterations: of the routing.
        through_coefficients: whether gradients go through the coefficients of the routing.
        generator: the source of the initial weight; the default generator if None.

    Raises:
        ArgumentError: a size or `iterations` is not an integer of at least 1.
    """

    def __init__(
        self,
        in_capsules,
        in_size,
        out_capsules,
        out_size,
        iterations=3,
        through_coefficients=True,
        *,
        generator=None,
    ):
        self.in_capsules = count(self, "in_capsules", in_capsules)
        self.in_size = count(self, "in_size", in_size)
        self.out_capsules = count(self, "out_capsules", out_capsules)
        self.out_size = count(self, "out_size", out_size)
        self.iterations = count(self, "iterations", iterations)
        self.through_coefficients = bool(through_coefficients)
        weight = empty_parameter(self.in_capsules, self.out_capsules, self.in_size, self.out_size)
        limit = sqrt(6 / (self.in_size + self.out_size))
        self.weight = init.uniform(weight, -limit, limit, generator=generator)

    def forward(self, u):
        return F.route(u, self.weight, self.iterations, self.through_coefficients)

    def multiply_adds(self, input_shape, output_shape):
        """Multiplications with a following addition: votes once, sums and agreements in each iteration."""
        votes = prod(output_shape[:1]) * self.in_capsules * self.out_capsules * self.out_size
        return votes * (self.in_size + 2 * self.iterations - 1)

    def extra_repr(self):
        return (
            f"{self.in_capsules} × {self.in_size} → {self.out_capsules} × {self.out_size}, "
            f"iterations={self.iterations}, through_coefficients={self.through_coefficients}"
        )
