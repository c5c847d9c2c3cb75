"""A band of a product: any number of rows, and columns up to the width of a register tile.

The rows are cut from the top into tiles of 12 (or 6); what remains, up to 15, takes tiles of about five rows,
since a multiply-add takes four cycles and fewer rows than that would leave the processor waiting. Columns
that do not fill the tile are masked: the processor then neither reads nor writes the lanes beyond them.

Numba puts a copy of every function into each function that calls it, and compiles it again there. The tiles
are too long for that: they are compiled once per element type, and kernels call them through their address.
"""

from functools import cache, reduce

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from tinynet_kernels.compile import callback
from tinynet_kernels.simd.subroutine import subroutine
from tinynet_kernels.simd.tile import write_tile
from tinynet_kernels.simd.vectors import TALLEST, VECTORS

__all__ = [
    "band_address",
    "call_band",
    "call_band_from",
    "call_windows",
    "call_windows_from",
    "multiply_band",
]

_INT64 = ir.IntType(64)


@subroutine
def multiply_band(
    emit,
    a,
    a_row,
    a_step,
    b,
    b_step,
    depth,
    outer,
    a_outer,
    c,
    c_row,
    rows,
    columns,
    finish,
    start,
    start_row,
):
    """Sets c to a @ b, or what else `finish` asks for, see `tile.ADD` and `tile.CUT_OFF`.

    What `ADD` adds to is (rows, columns) at the address `start`: c itself, or a bias, whose `start_row` is 0.

    a is (rows, outer * depth), b (outer * depth, columns), c (rows, columns), all given by address and
    strides in bytes; the columns of b and c are adjacent, and there are 1 to ``WIDTH_BYTES`` / element size
    of them. Along the sum, a consists of `outer` stretches, `a_outer` bytes apart, of `depth` entries each,
    `a_step` bytes apart; both are at least 1. `zero` is a number of the element type. See `tile.make_tile`.
    """
    builder, lanes = emit.builder, emit.lanes

    def band(vectors, masked):
        masks = emit.masks(columns, vectors) if masked else [None] * vectors
        left, right = (a, a_row, a_step, a_outer), (b, b_step, builder.mul(depth, b_step))
        _write_band(emit, masks, left, right, depth, outer, (start, start_row), c, c_row, rows, finish)

    is_full = builder.icmp_signed("==", columns, _INT64(VECTORS * lanes))
    with builder.if_else(is_full, likely=True) as (full, partial):
        with full:
            band(VECTORS, masked=False)
        with partial, builder.if_else(builder.icmp_signed(">", columns, _INT64(lanes))) as (wide, narrow):
            with wide:
                band(VECTORS, masked=True)
            with narrow:
                band(1, masked=True)


def _write_band(emit, masks, left, right, depth, outer, start, c, c_row, rows, finish):
    """Writes the instructions of a band with a vector for each of the masks."""
    builder, (a, a_row, *strides), (first, start_row) = emit.builder, left, start
    a_now, c_now, rest, start_now = map(emit.variable, (a, c, rows, first))

    def tiles(height, *conditions):
        """Tiles of so many rows, as long as one of the conditions holds for the rows that are left."""

        def is_wanted():
            comparisons = [builder.icmp_signed(sign, builder.load(rest), _INT64(n)) for sign, n in conditions]
            return reduce(builder.or_, comparisons)

        with emit.repeated_while(is_wanted):
            operand, beginning = (builder.load(a_now), a_row, *strides), (builder.load(start_now), start_row)
            target = builder.load(c_now)
            write_tile(emit, height, masks, operand, right, depth, outer, beginning, target, c_row, finish)
            builder.store(emit.offset(builder.load(a_now), a_row, height), a_now)
            builder.store(emit.offset(builder.load(c_now), c_row, height), c_now)
            builder.store(emit.offset(builder.load(start_now), start_row, height), start_now)
            builder.store(builder.sub(builder.load(rest), _INT64(height)), rest)

    tiles(TALLEST, ("==", TALLEST), (">=", TALLEST + 4))
    tiles(5, ("==", 5), (">", 6))
    for height in (6, 4, 3, 2, 1):
        if height < TALLEST:
            tiles(height, ("==", height))


_ARGUMENTS = [types.int64] * 15


def _float32_band(
    a,
    a_row,
    a_step,
    b,
    b_step,
    depth,
    outer,
    a_outer,
    c,
    c_row,
    rows,
    columns,
    finish,
    start,
    start_row,
):
    multiply_band(
        np.float32(0),
        a,
        a_row,
        a_step,
        b,
        b_step,
        depth,
        outer,
        a_outer,
        c,
        c_row,
        rows,
        columns,
        finish,
        start,
        start_row,
    )


def _float64_band(
    a,
    a_row,
    a_step,
    b,
    b_step,
    depth,
    outer,
    a_outer,
    c,
    c_row,
    rows,
    columns,
    finish,
    start,
    start_row,
):
    multiply_band(
        np.float64(0),
        a,
        a_row,
        a_step,
        b,
        b_step,
        depth,
        outer,
        a_outer,
        c,
        c_row,
        rows,
        columns,
        finish,
        start,
        start_row,
    )


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
    """Calls the function at the address `band` with the arguments of `multiply_band`. `ADD` adds to c."""

    def generate(context, builder, signature, arguments):
        c, c_row = arguments[9:11]
        _call(builder, arguments[0], [*arguments[1:], c, c_row])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 14), generate


@intrinsic
def call_windows_from(
    typing_context,
    band,
    a,
    a_row,
    a_step,
    b,
    b_step,
    depth,
    outer,
    a_outer,
    start,
    start_row,
    c,
    c_row,
    rows,
    columns,
    finish,
):
    """`call_windows`, but `ADD` adds to what lies at `start`."""

    def generate(context, builder, signature, arguments):
        band, *before, start, start_row, c, c_row, rows, columns, finish = arguments
        _call(builder, band, [*before, c, c_row, rows, columns, finish, start, start_row])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 16), generate


@intrinsic
def call_band(typing_context, band, a, a_row, a_step, b, b_step, depth, c, c_row, rows, columns, finish):
    """`call_windows` where a is one stretch: an ordinary product of (rows, depth) and (depth, columns)."""

    def generate(context, builder, signature, arguments):
        band, *before, c, c_row, rows, columns, finish = arguments
        _call(builder, band, [*before, *_one_stretch(), c, c_row, rows, columns, finish, c, c_row])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 12), generate


@intrinsic
def call_band_from(
    typing_context,
    band,
    a,
    a_row,
    a_step,
    b,
    b_step,
    depth,
    start,
    start_row,
    c,
    c_row,
    rows,
    columns,
    finish,
):
    """`call_band`, but `ADD` adds to what lies at `start`."""

    def generate(context, builder, signature, arguments):
        band, *before, start, start_row, c, c_row, rows, columns, finish = arguments
        numbers = [*before, *_one_stretch(), c, c_row, rows, columns, finish, start, start_row]
        _call(builder, band, numbers)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 14), generate


def _one_stretch():
    """The arguments `outer` and `a_outer` of an ordinary product."""
    return _INT64(1), _INT64(0)


def _call(builder, address, arguments):
    function = ir.FunctionType(ir.VoidType(), [_INT64] * len(arguments))
    builder.call(builder.inttoptr(address, function.as_pointer()), arguments)
