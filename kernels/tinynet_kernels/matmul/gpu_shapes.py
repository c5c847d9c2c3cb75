"""What a product of stacked matrices is as plain numbers, for the kernel and for cuBLAS."""

from functools import lru_cache
from math import prod
from typing import NamedTuple

import numpy as np

__all__ = ["Shapes", "Work", "work"]


class Shapes(NamedTuple):
    """`batch` products (rows, depth) @ (depth, columns), in the order in which the kernel takes them.

    The batch has two axes, the second of length `inner`; the other numbers of a and b are how many elements
    lie between one matrix and the next along an axis, 0 if it is the same.
    """

    batch: int
    inner: int
    a_outer: int
    a_inner: int
    b_outer: int
    b_inner: int
    rows: int
    columns: int
    depth: int

    def turned(self):
        """Of the transposed products, bᵀ @ aᵀ."""
        return Shapes(
            *(self.batch, self.inner, self.b_outer, self.b_inner, self.a_outer, self.a_inner),
            *(self.columns, self.rows, self.depth),
        )


class Work(NamedTuple):
    """What there is to do.

    Attributes:
        shape: of the product.
        is_spread: whether a and b must be copied to all the places to which they are broadcast first.
    """

    shape: tuple[int, ...]
    is_spread: bool
    shapes: Shapes


class _Axis(NamedTuple):
    """An axis of the batch, or several neighbours that a and b have alike."""

    length: int
    of_a: bool  # whether each place has a matrix of its own in a, instead of the same for all
    of_b: bool


@lru_cache(maxsize=4096)
def work(a_shape, a_is_transposed, b_shape, b_is_transposed):
    """The `Work` for contiguous arrays of these shapes, with the last two axes swapped if `is_transposed`."""
    rows, depth = a_shape[:-3:-1] if a_is_transposed else a_shape[-2:]
    columns = b_shape[-2 if b_is_transposed else -1]
    leading = np.broadcast_shapes(a_shape[:-2], b_shape[:-2])
    shape = (*leading, rows, columns)
    axes = _batch_axes(a_shape, b_shape, leading)
    is_spread = len(axes) > 2
    if is_spread:
        axes = [_Axis(prod(leading), True, True)]
    if not a_is_transposed and not any(axis.of_b for axis in axes):  # one matrix for all rows there are
        axes, rows = [], prod(leading) * rows
    batch = prod(axis.length for axis in axes)
    steps = _steps(axes, rows * depth, depth * columns)
    return Work(shape, is_spread, Shapes(batch, *steps, rows, columns, depth))


def _batch_axes(a_shape, b_shape, leading):
    axes = []
    for place, length in enumerate(reversed(leading), 3):
        of_a, of_b = (place <= len(shape) and shape[-place] > 1 for shape in (a_shape, b_shape))
        if axes and axes[0][1:] == (of_a, of_b):
            axes[0] = axes[0]._replace(length=length * axes[0].length)
        elif length > 1:
            axes.insert(0, _Axis(length, of_a, of_b))
    return axes


def _steps(axes, a_size, b_size):
    """The steps of `Shapes`, for two axes at most."""
    one = _Axis(1, False, False)
    outer, inner = (one, one, *axes)[-2:]
    a_outer = a_size * (inner.length if inner.of_a else 1) if outer.of_a else 0
    b_outer = b_size * (inner.length if inner.of_b else 1) if outer.of_b else 0
    return inner.length, a_outer, a_size if inner.of_a else 0, b_outer, b_size if inner.of_b else 0
