"""Sums along contiguous rows, for kernels of several families."""

from tinynet_kernels.compile import summing_inner

__all__ = ["dot", "total"]


@summing_inner(cache=False)
def total(row):
    """The sum of the elements."""
    result = row.dtype.type(0)
    for c in range(row.size):
        result += row[c]
    return result


@summing_inner(cache=False)
def dot(a, b):
    """The sum of the products of two rows."""
    result = a.dtype.type(0)
    for c in range(a.size):
        result += a[c] * b[c]
    return result
