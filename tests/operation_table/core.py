"""How an operation is described to the tests: its inputs, its definition in NumPy, its twin in PyTorch.

From each description the tests of ``test_operation_table.py`` are generated.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Input:
    """How one input array is drawn.

    Attributes:
        shape: its shape.
        draw: draws float64 numbers (or integers, for an input that has no gradient).
        differentiable: whether gradients by it are checked.
    """

    shape: tuple
    draw: Callable
    differentiable: bool = True

    def array(self, rng, dtype=np.float64):
        """An array of this description; integers stay integers."""
        array = np.asarray(self.draw(rng, self.shape))
        return array.astype(dtype) if array.dtype.kind == "f" else array


def normal(*shape):
    """Normally distributed numbers."""
    return Input(shape, lambda rng, size: rng.normal(size=size))


def uniform(low, high, *shape):
    """Numbers between two bounds."""
    return Input(shape, lambda rng, size: rng.uniform(low, high, size=size))


def positive(*shape):
    """Numbers well above zero."""
    return uniform(0.3, 3.0, *shape)


def away_from(*kinks, shape, distance=0.1, spread=2.0):
    """Numbers at least `distance` away from the points where the operation has a kink."""

    def draw(rng, size):
        array = rng.normal(scale=spread, size=size)
        for kink in kinks:
            near = np.abs(array - kink) < distance
            array = np.where(near, kink + np.where(array < kink, -2, 2) * distance, array)
        return array

    return Input(tuple(shape), draw)


def distinct(*shape, gap=0.05):
    """Numbers of which no two are close, for operations that choose (max, sort)."""

    def draw(rng, size):
        count = int(np.prod(size))
        return gap * (rng.permutation(count) - count / 2).reshape(size) + gap / 4

    return Input(shape, draw)


def integers(low, high, *shape):
    """Integers from [low, high): labels and indices, without a gradient."""
    return Input(shape, lambda rng, size: rng.integers(low, high, size=size), differentiable=False)


def booleans(*shape):
    """Truth values, without a gradient."""
    return Input(shape, lambda rng, size: rng.random(size) < 0.5, differentiable=False)


def constant(array):
    """A given array, without a gradient."""
    return Input(np.shape(array), lambda rng, size: np.asarray(array), differentiable=False)


@dataclass(frozen=True)
class Sample:
    """One way of calling the operation: ``function(*inputs, **options)``."""

    inputs: tuple
    options: dict = field(default_factory=dict)


def sample(*inputs, **options):
    """A `Sample` of these inputs and keyword options."""
    return Sample(inputs, options)


@dataclass(frozen=True)
class Operation:
    """One public operation of `tinynet.functional`.

    Attributes:
        name: its public name there; several descriptions may share one.
        samples: ways of calling it.
        reference: the same calculation on NumPy arrays, called like the operation.
        torch: the same with PyTorch: called as ``torch_function(torch, *tensors, **options)``, in
            tinynet's layout; None where PyTorch has nothing of the kind.
        function: what to call instead of ``tinynet.functional.<name>``; takes and returns tensors
            (for operations on a list of tensors, or that return several).
        orders: how many times it can be differentiated: 0 for comparisons and the like, 1 or 2.
        tolerance: allowed difference to the reference, relative to the largest value, in float64; in
            float32 it is `tolerance32`.
        empty: the axis that may have no elements, or None when no axis may (or there are no inputs).
    """

    name: str
    samples: tuple
    reference: Callable
    torch: Callable | None = None
    function: Callable | None = None
    orders: int = 2
    tolerance: float = 1e-10
    tolerance32: float = 1e-5
    empty: int | None = 0

    def __str__(self):
        return self.name
