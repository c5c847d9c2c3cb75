"""How a product is cut into tasks for the threads and into blocks for the caches.

The blocks of the sum over k depend on the shapes and strides alone. The tasks depend also on the number of
threads, but the result does not: every entry is computed by one task, and always in the same order.
"""

from functools import lru_cache
from typing import NamedTuple

__all__ = ["Blocking", "blocking"]

# A strip of b, depth × 128 bytes, fills two thirds of a first-level cache of 48 KiB; the rest is for the
# rows of a that pass by.
_MOST_DEPTH = 256

_MOST_ROWS = 30  # tiles; their rows of a, 360 × 256 elements, stay in a second-level cache of 1 MiB
_MOST_COLUMNS = 32  # tiles; each task packs the rows of a anew

_MOST_IDLE = 0.06  # the part of their time in which threads may have no task left
_LEAST_WORK = 1 << 19  # multiply-adds of a task worth waking a thread for: some 10 microseconds


class Blocking(NamedTuple):
    """The largest size of a task in rows and columns, and of a block of the sum over k."""

    rows: int
    columns: int
    depth: int


@lru_cache(maxsize=4096)
def blocking(batch, rows, columns, depth, tile_rows, tile_columns, threads):
    """The `Blocking` of `batch` products (rows, depth) @ (depth, columns), all at least 1."""
    row_tiles, column_tiles = _ceil(rows, tile_rows), _ceil(columns, tile_columns)
    most_rows, most_columns = _even(row_tiles, _MOST_ROWS), _even(column_tiles, _MOST_COLUMNS)
    work = tile_rows * tile_columns * depth  # of one register tile

    while not _is_even(batch * _ceil(row_tiles, most_rows) * _ceil(column_tiles, most_columns), threads):
        if most_rows * most_columns * work < 2 * _LEAST_WORK or most_rows * most_columns == 1:
            break
        if (most_rows > 1 and most_rows * tile_rows >= most_columns * tile_columns) or most_columns == 1:
            most_rows = _ceil(most_rows, 2)  # nearly square tasks read the least
        else:
            most_columns = _ceil(most_columns, 2)
    return Blocking(most_rows * tile_rows, most_columns * tile_columns, _even(depth, _MOST_DEPTH))


def _is_even(tasks, threads):
    """Whether threads that share so many tasks of equal size finish at about the same time."""
    places = _ceil(tasks, threads) * threads
    return places - tasks <= _MOST_IDLE * places


def _ceil(total, part):
    return -(-total // part)


def _even(total, most):
    """The size of equal parts of `total`, as few as possible, none larger than `most`."""
    return _ceil(total, _ceil(total, most))
