"""Sums by index on the GPU, without atomics: the rows are put in order by their index first.

The number of launches depends on the number of rows alone: one that sorts tiles, one each time that pairs of
sorted parts are merged, one that looks where in the order each index begins, one that adds. Nothing waits.
A single thread adds up one column of one sum, however many rows it has.
"""

from tinynet_kernels.cuda import Source, blocks_for, contiguous, empty, launch, zeros

__all__ = ["add_rows"]

_source = Source(__package__)
_order = Source(__package__, "order.cu", dtypes=("float32",))  # in which no element type occurs

_THREADS = 256
_TILE = 256  # as in order.cu
_KEY_BITS = 64


def add_rows(rows, indices, count, start):
    total = empty((count, rows.shape[1]), rows.dtype)
    if total.size:
        position_bits = _position_bits(indices.size, count)
        keys, starts = _in_order(contiguous(indices, "int64"), count, position_bits)
        arguments = keys, starts, contiguous(rows), contiguous(start), total, total.size, rows.shape[1]
        function = _source.function("add_rows", rows.dtype)
        launch(function, blocks_for(total.size, _THREADS), _THREADS, (*arguments, position_bits))
    return total


def _position_bits(size, count):
    """How many of a key's lower bits hold the position; see order.cu."""
    bits = max(size - 1, 0).bit_length()
    if bits + count.bit_length() > _KEY_BITS:
        raise ValueError(f"indexing.add_rows: {size} rows and {count} sums are too many for the GPU")
    return bits


def _in_order(indices, count, position_bits):
    """The sorted keys (M,), and for each index, and behind the last, how many keys come before it."""
    size = indices.size
    if not size:
        return None, zeros((count + 1,), "int64")
    keys, other = empty((size,), "uint64"), empty((size,), "uint64")
    grid = blocks_for(size, _THREADS)
    function = _order.function("sort_tiles", "float32")
    launch(function, blocks_for(size, _TILE), _TILE, (indices, keys, size, count, position_bits))
    run = _TILE
    while run < size:
        launch(_order.function("merge", "float32"), grid, _THREADS, (keys, other, size, run))
        keys, other, run = other, keys, 2 * run
    starts = empty((count + 1,), "int64")
    arguments = keys, size, starts, count, position_bits
    grid = blocks_for(count + 1, _THREADS)
    launch(_order.function("find_starts", "float32"), grid, _THREADS, arguments)
    return keys, starts
