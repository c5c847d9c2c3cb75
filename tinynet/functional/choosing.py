"""Choosing between values, elementwise: limits, the larger or smaller of two, one or the other."""

import numpy as np

from tinynet.autograd import Function, Tensor, as_tensor
from tinynet.errors import ArgumentError
from tinynet.functional.arithmetic import Broadcasting, operands, sum_to
from tinynet.functional.conversion import cast

__all__ = ["clip", "maximum", "minimum", "where"]


class Clip(Function):
    __slots__ = ("high", "low")

    def __init__(self, low, high):
        self.low = low
        self.high = high

    def forward(self, x):
        if self.needs(0):
            inside = True
            if self.low is not None:
                inside = x >= self.low
            if self.high is not None:
                inside = inside & (x <= self.high)
            self.kept = inside
        return self.xp.clip(x, self.low, self.high)

    def backward(self, gy):
        return where(self.kept, gy, 0.0)

    def backward_arrays(self, gy):
        return self.xp.where(self.kept, gy, gy.dtype.type(0))


def clip(x, low=None, high=None):
    """x limited to [low, high], elementwise; one of the bounds, both numbers, may be left out.

    The gradient is 1 between and at the bounds, 0 outside. Raises ArgumentError when both bounds are
    missing or out of order.
    """
    if low is None and high is None:
        raise ArgumentError("clip: give low, high or both")
    if low is not None and high is not None and low > high:
        raise ArgumentError(f"clip: low ({low}) is above high ({high})")
    return Clip(low, high)(as_tensor(x))


class Extremum(Broadcasting):
    """Base of maximum and minimum: where both inputs are equal, each gets half of the gradient."""

    __slots__ = ("shapes",)
    reads = ((0, 1), (0, 1))

    def backward(self, gy):
        return self._gradients(gy, [None if share is None else Tensor(share) for share in self._shares()])

    def backward_arrays(self, gy):
        return self._gradients(gy, self._shares())

    def _gradients(self, gy, shares):
        return tuple(
            [
                None if share is None else sum_to(gy * share, shape)
                for share, shape in zip(shares, self.shapes, strict=True)
            ]
        )

    def _shares(self):
        """Which part of the gradient each input gets: 0, ½ or 1."""
        x, y = self.input_arrays
        loses = (self.loser(x, y), self.loser(y, x))
        half = (x == y) * x.dtype.type(0.5)
        return [1 - half - lost if self.needs(index) else None for index, lost in enumerate(loses)]


class Maximum(Extremum):
    __slots__ = ()
    loser = staticmethod(np.less)

    def forward(self, x, y):
        self.shapes = x.shape, y.shape
        return self.xp.maximum(x, y)


def maximum(x, y):
    """The larger of x and y, elementwise, with broadcasting; NaN where either is NaN.

    Where both are equal each gets half of the gradient.
    """
    return Maximum()(*operands(x, y))


class Minimum(Extremum):
    __slots__ = ()
    loser = staticmethod(np.greater)

    def forward(self, x, y):
        self.shapes = x.shape, y.shape
        return self.xp.minimum(x, y)


def minimum(x, y):
    """The smaller of x and y, elementwise, with broadcasting; NaN where either is NaN.

    Where both are equal each gets half of the gradient.
    """
    return Minimum()(*operands(x, y))


class Where(Broadcasting):
    __slots__ = ("shapes",)
    reads = ((), (0,), (0,))

    def forward(self, condition, x, y):
        self.shapes = x.shape, y.shape
        return self.xp.where(condition, x, y)

    def backward(self, gy):
        condition = self.inputs[0]
        return (
            None,
            sum_to(where(condition, gy, 0.0), self.shapes[0]) if self.needs(1) else None,
            sum_to(where(condition, 0.0, gy), self.shapes[1]) if self.needs(2) else None,
        )

    def backward_arrays(self, gy):
        condition = self.input_arrays[0]
        where_of, zero = self.xp.where, gy.dtype.type(0)
        return (
            None,
            sum_to(where_of(condition, gy, zero), self.shapes[0]) if self.needs(1) else None,
            sum_to(where_of(condition, zero, gy), self.shapes[1]) if self.needs(2) else None,
        )


def where(condition, x, y):
    """x where the condition holds, y elsewhere; all three broadcast. The condition has no gradient."""
    return Where()(cast(condition, bool), *operands(x, y))
