"""How the CPU takes cut a matrix (M, C) for work that is done column by column.

The matrix, contiguous in memory, is read as a sequence of *strips* of several rows each: with C = 3 and
strips of 512 rows, element j of every strip belongs to column j % 3. A loop along a strip is then long
enough for vector instructions however few the columns are, and a sum has as many independent parts as a
strip has elements, which also keeps its rounding error small. Strips are grouped into *blocks* that fit
into the cache: the unit of work of one thread, and of partial sums. Both depend on the shape only.
"""

__all__ = ["ALONE", "cut"]

# With fewer elements than this, waking another thread (10 to 25 µs) takes longer than it helps.
ALONE = 131072

_STRIP_ELEMENTS = 512
_BLOCK_ELEMENTS = 16384  # 64 KiB of float32
_BLOCK_ROWS = 16  # at least: keeps the partial sums small beside the data when there are many columns


def cut(rows, columns):
    """The number of elements in a strip and in a block of a matrix (rows, columns).

    A strip holds whole rows, a block whole strips; the last ones may be cut short.
    """
    columns = max(1, columns)
    rows_per_strip = max(1, min(_STRIP_ELEMENTS // columns, rows))
    strip = rows_per_strip * columns
    return strip, strip * max(_BLOCK_ELEMENTS // strip, -(-_BLOCK_ROWS // rows_per_strip))
