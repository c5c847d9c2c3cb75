"""The arrays that a wrapper passes to its kernels."""

from tinynet_kernels.cuda import launching
from tinynet_kernels.dispatch import array_module

__all__ = ["blocks_for", "contiguous", "empty", "zeros"]

_MOST_BLOCKS = 2**31 - 1  # in a grid's first dimension


def empty(shape, dtype):
    """A new array on the device, whose elements are undefined."""
    return launching.backend().empty(shape, dtype)


def zeros(shape, dtype):
    """A new array of zeros on the device."""
    array = empty(shape, dtype)
    array.fill(0)
    return array


def contiguous(array, dtype=None):
    """The array itself if it is C-contiguous and of this dtype, else a copy that is. None stays None.

    An array without axes stays one, unlike in NumPy's function of this kind.
    """
    if array is None or (array.flags.c_contiguous and dtype in (None, array.dtype)):
        return array
    return array_module(array).ascontiguousarray(array, dtype).reshape(array.shape)


def blocks_for(count, per_block):
    """The number of blocks in which `count` units of work are done, `per_block` in each; at least 1.

    Kernels go on with the unit that lies a whole grid further until none is left: it doesn't matter that the
    number of blocks is limited.
    """
    return min(max(1, -(-count // per_block)), _MOST_BLOCKS)
