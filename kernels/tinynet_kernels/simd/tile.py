"""The microkernel: one register tile of a product, emitted as LLVM vector instructions.

Numba compiles ordinary loops and hopes that LLVM finds the vectors in them. For this innermost piece,
where all the time is spent, the instructions are spelled out instead. There is no assembly in it: LLVM
adapts vectors of any length to the processor, so the same lines make AVX-512, AVX2 and NEON code.

Addresses and strides are plain integers, in bytes. This makes one tile serve every layout of ``a``: rows
(``a_step`` is the size of one element), a transposed matrix (``a_row`` is), or neither.
"""

from llvmlite import ir
from numba.core import cgutils

from tinynet_kernels.simd.subroutine import subroutine
from tinynet_kernels.simd.vectors import VECTOR_BYTES

__all__ = ["ADD", "CUT_OFF", "make_tile", "write_tile"]

_INT64 = ir.IntType(64)

# What a tile does with its sums besides storing them; the flags may be added up.
ADD = 1  # to what c, or another start, holds
CUT_OFF = 2  # at zero

_CACHE_LINE = 64  # bytes


def make_tile(rows, vectors, masked, vector_bytes=VECTOR_BYTES):
    """A function for Numba code that computes `rows` × `vectors` vectors of a product.

    The function ``tile(zero, a, a_row, a_step, b, b_step, depth, outer, a_outer, b_outer, c, c_row,
    columns, finish)`` sets, or if `finish` contains `ADD` increases, ::

        c[r, n]  by  the sum over o < outer and k < depth of
                     a[o * a_outer + r * a_row + k * a_step] * b[o * b_outer + k * b_step + n]

    where a, b and c are addresses, everything that multiplies an index is a stride in bytes, and `n`
    counts elements. If `finish` contains `CUT_OFF`, negative results are replaced by 0; NaN stays. `zero`
    is any number of the element type, float32 or float64, and is there for its
    type. `depth` and `outer` must be at least 1. The outer sum serves convolutions, whose windows are
    several stretches of memory; a matrix product has one.

    Every entry is summed in the order of o and k, whatever the size of the tile, so that products cut
    into different tiles are equal to the last bit.

    Memory: reads rows × depth elements of `a`, and in b and c exactly `columns` elements of each row.
    `columns` counts only if `masked`; it is then from 1 to the width of the tile. Otherwise the width,
    ``vectors * vector_bytes``, is always read and written. No alignment is required beyond that of
    single elements.
    """

    def tile(emit, a, a_row, a_step, b, b_step, depth, outer, a_outer, b_outer, c, c_row, columns, finish):
        masks = emit.masks(columns, vectors) if masked else [None] * vectors
        left, right = (a, a_row, a_step, a_outer), (b, b_step, b_outer)
        write_tile(emit, rows, masks, left, right, depth, outer, (c, c_row), c, c_row, finish)

    return subroutine(tile, vector_bytes)


def write_tile(emit, rows, masks, left, right, depth, outer, start, c, c_row, finish):
    """Writes the instructions of a tile, see `make_tile`.

    `left` is (a, a_row, a_step, a_outer), `right` (b, b_step, b_outer); for every vector there is a mask, or
    None. `start`, (address, row), is where that lies to which `ADD` adds; it may be c itself.
    """
    (a, a_row, a_step, a_outer), (b, b_step, b_outer) = left, right
    sums = [[emit.variable(emit.zeros()) for _ in masks] for _ in range(rows)]
    _prefetch(emit, c, c_row, rows, len(masks))
    with cgutils.for_range(emit.builder, outer) as segment:
        a_segment = emit.address(a, segment.index, a_outer)
        b_segment = emit.address(b, segment.index, b_outer)
        with cgutils.for_range(emit.builder, depth) as step:
            a_now = emit.address(a_segment, step.index, a_step)
            b_now = emit.address(b_segment, step.index, b_step)
            _add_products(emit, sums, _row_addresses(emit, a_now, a_row, rows), b_now, masks)
    _store(emit, sums, start, c, c_row, masks, finish)


def _row_addresses(emit, base, stride, rows):
    """One address per row, from one pointer for every three rows.

    x86 adds a register times 1 or 2 to an address at no cost, and has too few integer registers to
    hold a pointer for each of 12 rows.
    """
    builder, addresses = emit.builder, []
    two, three = builder.shl(stride, _INT64(1)), builder.mul(stride, _INT64(3))
    for _ in range(0, rows, 3):
        addresses += [base, builder.add(base, stride), builder.add(base, two)]
        base = builder.add(base, three)
    return addresses[:rows]


def _prefetch(emit, c, c_row, rows, vectors):
    """Asks for the tile of c, which is on its way to the cache while the sums are computed."""
    for row in range(rows):
        for distance in range(0, vectors * emit.vector_bytes, _CACHE_LINE):
            emit.prefetch(emit.offset(c, c_row, row), distance)


def _add_products(emit, sums, a_addresses, b, masks):
    b_vectors = [emit.load(b, v, mask) for v, mask in enumerate(masks)]
    for row, address in zip(sums, a_addresses, strict=True):
        factor = emit.load_everywhere(address)
        for variable, b_vector in zip(row, b_vectors, strict=True):
            emit.multiply_add(factor, b_vector, variable)


def _store(emit, sums, start, c, c_row, masks, finish):
    builder = emit.builder

    def places_from(address, stride):
        return [
            (variable, emit.offset(address, stride, index), v, mask)
            for index, row in enumerate(sums)
            for v, (variable, mask) in enumerate(zip(row, masks, strict=True))
        ]

    places = places_from(c, c_row)
    with builder.if_then(_has(builder, finish, ADD)):
        for variable, address, v, mask in places_from(*start):
            builder.store(builder.fadd(emit.load(address, v, mask), builder.load(variable)), variable)
    with builder.if_then(_has(builder, finish, CUT_OFF)):
        for variable, *_ in places:
            builder.store(emit.cut_off(builder.load(variable), emit.zeros()), variable)
    for variable, address, v, mask in places:
        emit.store(builder.load(variable), address, v, mask)


def _has(builder, finish, flag):
    return builder.icmp_signed("!=", builder.and_(finish, _INT64(flag)), _INT64(0))
