"""Axis arguments: an integer, several, or None for all."""

from numbers import Integral
from operator import index

from tinynet.errors import ArgumentError, ShapeError

__all__: list[str] = []


def one_axis(operation, axis, ndim, shape=None):
    """The axis counted from the front. Raises ShapeError when there is no such axis."""
    try:
        axis = index(axis)
    except TypeError:
        raise ArgumentError(f"{operation}: axis must be an integer, not {axis!r}") from None
    if not -ndim <= axis < ndim:
        of = f"x of shape {shape}" if shape is not None else f"{ndim} axes"
        raise ShapeError(f"{operation}: axis {axis} is out of range for {of}")
    return axis % ndim


def several_axes(operation, axis, ndim, shape=None):
    """A tuple of axes counted from the front, in the order given; all of them for None.

    Raises ShapeError when one doesn't exist or is named twice.
    """
    if axis is None:
        return tuple(range(ndim))
    if isinstance(axis, (tuple, list)):
        axes = tuple([one_axis(operation, part, ndim, shape) for part in axis])
        if len(set(axes)) != len(axes):
            raise ShapeError(f"{operation}: axis {tuple(axis)} names an axis of x (shape {shape}) twice")
        return axes
    return (one_axis(operation, axis, ndim, shape),)


def with_ones(shape, axes):
    """`shape` with the size of each of `axes` replaced by 1: what keepdims leaves."""
    return tuple([1 if axis in axes else size for axis, size in enumerate(shape)])


def as_shape(shape):
    """A shape given as separate sizes or as one sequence, as a tuple of integers."""
    if len(shape) == 1 and not isinstance(shape[0], Integral):
        shape = shape[0]
    return tuple([index(size) for size in shape])
