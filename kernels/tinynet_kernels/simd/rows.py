"""A band of a product: any number of rows, and columns up to the width of a register tile.

The rows are cut from the top into tiles of 12 (or 6), then 8, 4, 2 and 1. Columns that do not fill the
tile are masked: the processor then neither reads nor writes the lanes beyond them.
"""

from tinynet_kernels.compile import inner
from tinynet_kernels.simd.memory import element_bytes
from tinynet_kernels.simd.tile import make_tile
from tinynet_kernels.simd.vectors import TALLEST, VECTORS, WIDTH_BYTES

__all__ = ["multiply_band"]


def _make_band(vectors, masked):
    """A function for Numba code that computes a band of the given number of vectors."""
    tallest, eight, four, two, one = (make_tile(rows, vectors, masked) for rows in (TALLEST, 8, 4, 2, 1))

    # Not cached by itself: its code is part of the kernel that calls it, which is.
    @inner(cache=False)
    def band(zero, a, a_row, a_step, b, b_step, depth, c, c_row, rows, columns, accumulate):
        while rows >= TALLEST:
            tallest(zero, a, a_row, a_step, b, b_step, depth, 1, 0, 0, c, c_row, columns, accumulate)
            a, c, rows = a + TALLEST * a_row, c + TALLEST * c_row, rows - TALLEST
        if rows >= 8:
            eight(zero, a, a_row, a_step, b, b_step, depth, 1, 0, 0, c, c_row, columns, accumulate)
            a, c, rows = a + 8 * a_row, c + 8 * c_row, rows - 8
        if rows >= 4:
            four(zero, a, a_row, a_step, b, b_step, depth, 1, 0, 0, c, c_row, columns, accumulate)
            a, c, rows = a + 4 * a_row, c + 4 * c_row, rows - 4
        if rows >= 2:
            two(zero, a, a_row, a_step, b, b_step, depth, 1, 0, 0, c, c_row, columns, accumulate)
            a, c, rows = a + 2 * a_row, c + 2 * c_row, rows - 2
        if rows >= 1:
            one(zero, a, a_row, a_step, b, b_step, depth, 1, 0, 0, c, c_row, columns, accumulate)

    return band


_full = _make_band(VECTORS, masked=False)
_partial = _make_band(VECTORS, masked=True)
_narrow = _make_band(1, masked=True)


@inner(cache=False)
def multiply_band(zero, a, a_row, a_step, b, b_step, depth, c, c_row, rows, columns, accumulate):
    """Sets c to a @ b, or increases it by that if `accumulate` is not 0.

    a is (rows, depth), b (depth, columns), c (rows, columns), all given by address and strides in bytes;
    the columns of b and c are adjacent, and there are 1 to ``WIDTH_BYTES`` / element size of them.
    `depth` is at least 1. `zero` is a number of the element type. See `tile.make_tile`.
    """
    width = WIDTH_BYTES // element_bytes(zero)
    if columns == width:
        _full(zero, a, a_row, a_step, b, b_step, depth, c, c_row, rows, columns, accumulate)
    elif columns * VECTORS > width:
        _partial(zero, a, a_row, a_step, b, b_step, depth, c, c_row, rows, columns, accumulate)
    else:
        _narrow(zero, a, a_row, a_step, b, b_step, depth, c, c_row, rows, columns, accumulate)
