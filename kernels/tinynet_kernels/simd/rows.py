"""A band of a product: any number of rows, and columns up to the width of a register tile.

The rows are cut from the top into tiles of 12 (or 6); what remains, up to 15, takes tiles of about five rows,
since a multiply-add takes four cycles and fewer rows than that would leave the processor waiting. Columns
that do not fill the tile are masked: the processor then neither reads nor writes the lanes beyond them.

Numba puts a copy of every function into each function that calls it, and compiles it again there. The tiles
are too long for that: they are compiled once per element type, and kernels call them through their address.
"""

from functools import cache

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from tinynet_kernels.compile import callback, inner
from tinynet_kernels.simd.memory import element_bytes
from tinynet_kernels.simd.tile import make_tile
from tinynet_kernels.simd.vectors import TALLEST, VECTORS, WIDTH_BYTES

__all__ = ["band_address", "call_band", "call_windows", "multiply_band"]


def _make_band(vectors, masked):
    """A function for Numba code that computes a band of the given number of vectors."""
    tallest, six, five, four, three, two, one = (
        make_tile(rows, vectors, masked) for rows in (TALLEST, 6, 5, 4, 3, 2, 1)
    )

    @inner(cache=False)
    def band(zero, a, a_row, a_step, b, b_step, depth, outer, a_outer, c, c_row, rows, columns, finish):
        b_outer = depth * b_step
        while rows == TALLEST or rows >= TALLEST + 4:
            tallest(
                zero, a, a_row, a_step, b, b_step, depth, outer, a_outer, b_outer, c, c_row, columns, finish
            )
            a, c, rows = a + TALLEST * a_row, c + TALLEST * c_row, rows - TALLEST
        while rows > 6:
            five(zero, a, a_row, a_step, b, b_step, depth, outer, a_outer, b_outer, c, c_row, columns, finish)
            a, c, rows = a + 5 * a_row, c + 5 * c_row, rows - 5
        if rows == 6:
            six(zero, a, a_row, a_step, b, b_step, depth, outer, a_outer, b_outer, c, c_row, columns, finish)
        elif rows == 5:
            five(zero, a, a_row, a_step, b, b_step, depth, outer, a_outer, b_outer, c, c_row, columns, finish)
        elif rows == 4:
            four(zero, a, a_row, a_step, b, b_step, depth, outer, a_outer, b_outer, c, c_row, columns, finish)
        elif rows == 3:
            three(
                zero, a, a_row, a_step, b, b_step, depth, outer, a_outer, b_outer, c, c_row, columns, finish
            )
        elif rows == 2:
            two(zero, a, a_row, a_step, b, b_step, depth, outer, a_outer, b_outer, c, c_row, columns, finish)
        elif rows == 1:
            one(zero, a, a_row, a_step, b, b_step, depth, outer, a_outer, b_outer, c, c_row, columns, finish)

    return band


_full = _make_band(VECTORS, masked=False)
_partial = _make_band(VECTORS, masked=True)
_narrow = _make_band(1, masked=True)


@inner(cache=False)
def multiply_band(zero, a, a_row, a_step, b, b_step, depth, outer, a_outer, c, c_row, rows, columns, finish):
    """Sets c to a @ b, or what else `finish` asks for, see `tile.ADD` and `tile.CUT_OFF`.

    a is (rows, outer * depth), b (outer * depth, columns), c (rows, columns), all given by address and
    strides in bytes; the columns of b and c are adjacent, and there are 1 to ``WIDTH_BYTES`` / element size
    of them. Along the sum, a consists of `outer` stretches, `a_outer` bytes apart, of `depth` entries each,
    `a_step` bytes apart; both are at least 1. `zero` is a number of the element type. See `tile.make_tile`.
    """
    width = WIDTH_BYTES // element_bytes(zero)
    if columns == width:
        _full(zero, a, a_row, a_step, b, b_step, depth, outer, a_outer, c, c_row, rows, columns, finish)
    elif columns * VECTORS > width:
        _partial(zero, a, a_row, a_step, b, b_step, depth, outer, a_outer, c, c_row, rows, columns, finish)
    else:
        _narrow(zero, a, a_row, a_step, b, b_step, depth, outer, a_outer, c, c_row, rows, columns, finish)


_ARGUMENTS = [types.int64] * 13


def _float32_band(a, a_row, a_step, b, b_step, depth, outer, a_outer, c, c_row, rows, columns, finish):
    zero = np.float32(0)
    multiply_band(zero, a, a_row, a_step, b, b_step, depth, outer, a_outer, c, c_row, rows, columns, finish)


def _float64_band(a, a_row, a_step, b, b_step, depth, outer, a_outer, c, c_row, rows, columns, finish):
    zero = np.float64(0)
    multiply_band(zero, a, a_row, a_step, b, b_step, depth, outer, a_outer, c, c_row, rows, columns, finish)


_BANDS = {np.dtype(np.float32): _float32_band, np.dtype(np.float64): _float64_band}


@cache
def _compiled_band(dtype):
    return callback(_BANDS[dtype], types.void(*_ARGUMENTS))


def band_address(dtype):
    """The address of `multiply_band` for float32 or float64, which `call_band` and `call_windows` take."""
    return _compiled_band(dtype).address


@intrinsic
def call_windows(
    typing_context, band, a, a_row, a_step, b, b_step, depth, outer, a_outer, c, c_row, rows, columns, finish
):
    """Calls the function at the address `band` with the arguments of `multiply_band` except `zero`."""

    def generate(context, builder, signature, arguments):
        function = ir.FunctionType(ir.VoidType(), [ir.IntType(64)] * len(arguments[1:]))
        builder.call(builder.inttoptr(arguments[0], function.as_pointer()), arguments[1:])
        return context.get_dummy_value()

    return types.void(types.int64, *_ARGUMENTS), generate


@inner(cache=False)
def call_band(band, a, a_row, a_step, b, b_step, depth, c, c_row, rows, columns, finish):
    """`call_windows` where a is one stretch: an ordinary product of (rows, depth) and (depth, columns)."""
    call_windows(band, a, a_row, a_step, b, b_step, depth, 1, 0, c, c_row, rows, columns, finish)
