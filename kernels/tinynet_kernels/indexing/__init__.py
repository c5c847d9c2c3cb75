"""Sums by index: what choosing rows of a table by number has as its gradient."""

from tinynet_kernels.dispatch import FLOATS, Family

__all__ = ["add_rows"]

_family = Family(__name__, gpu=FLOATS, widens=True)


def add_rows(rows, indices, count, start=None):
    """The sum of those rows that have the same index, for every index.

    The rows of one sum are added in the order in which they come, after the row of `start`.

    Args:
        rows: (M, C), floating-point.
        indices: integers (M,), from −count to count − 1; those below 0 count from the end.
        count: how many sums there are.
        start: (count, C), what the rows are added to; None for zeros.

    Returns:
        (count, C). Row i is the sum of all rows of index i; zeros, or that of `start`, if there is none.

    Raises:
        TypeError: the indices are not integers.
        ValueError: shapes disagree, or there are rows but nothing to add them to.
        IndexError: an index lies outside. On a GPU, where looking at them would make the program wait, such
            an index begins again at the other end, as where CuPy chooses elements by it.
    """
    if rows.ndim != 2 or indices.shape != rows.shape[:1]:
        raise ValueError(
            f"indexing.add_rows: rows must be (M, C) and indices (M,), not {rows.shape} and {indices.shape}"
        )
    if indices.dtype.kind not in "iu":
        raise TypeError(f"indexing.add_rows: indices must be integers, not {indices.dtype}")
    if start is not None and start.shape != (count, rows.shape[1]):
        raise ValueError(
            f"indexing.add_rows: start has shape {start.shape}, but count {count} and rows (shape "
            f"{rows.shape}) need {(count, rows.shape[1])}"
        )
    if count < 0 or (count == 0 and indices.size):
        raise ValueError(f"indexing.add_rows: {indices.size} rows can't be added to {count} sums")
    floats = (rows,) if start is None else (rows, start)
    return _family.take(*floats).add_rows(rows, indices, count, start)
