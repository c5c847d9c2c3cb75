"""Copies blocks of the operands to where, and in the order in which, the register tiles read them.

A matrix whose rows are kilobytes apart is slow to read in pieces of a tile's size: each row lies on
another page, and with a power of two between them all fall into the same few sets of the cache. Packed,
the block is one stretch of memory that stays in a cache while it is used again and again. A transposed b
*must* be packed, since a tile wants the entries of one row side by side.
"""

from llvmlite import ir
from numba.core import cgutils

from tinynet_kernels.simd.subroutine import subroutine
from tinynet_kernels.simd.vectors import WIDTH_BYTES

__all__ = ["copy_rows", "copy_to_strips", "copy_transposed", "transpose_block"]

_INT32, _INT64 = ir.IntType(32), ir.IntType(64)


def transpose_block(emit, source, source_row, target, target_row):
    """Writes the instructions that transpose one square block of as many rows as a vector has lanes."""
    rows = [emit.load(emit.offset(source, source_row, i)) for i in range(emit.lanes)]
    for i, row in enumerate(_transposed(emit.builder, rows, emit.lanes)):
        emit.store(row, emit.offset(target, target_row, i))


def _transposed(builder, rows, lanes):
    """The rows of the transposed block, by perfect shuffles.

    Interleaving the first half of the rows with the second half, as when shuffling cards, rotates the
    bits of the index (row, lane) by one; after as many rounds as the row has bits, row and lane have
    changed places.
    """
    low = [half * lanes + lane for lane in range(lanes // 2) for half in (0, 1)]
    orders = [
        ir.Constant(ir.VectorType(_INT32, lanes), [i + start for i in low]) for start in (0, lanes // 2)
    ]
    for _ in range(lanes.bit_length() - 1):
        pairs = zip(rows[: lanes // 2], rows[lanes // 2 :], strict=True)
        rows = [builder.shuffle_vector(*pair, order) for pair in pairs for order in orders]
    return rows


@subroutine
def copy_rows(emit, source, source_row, target, target_row, rows, columns):
    """Copies a block (rows, columns), given by address and row stride in bytes, to rows further apart.

    Writes nothing between the rows of the target.
    """
    with cgutils.for_range(emit.builder, rows) as row:
        from_row = emit.address(source, row.index, source_row)
        to_row = emit.address(target, row.index, target_row)

        def copy(offset, mask):
            emit.store(emit.load_at(from_row, offset, mask), emit.builder.add(to_row, offset), mask=mask)

        emit.for_each_vector(columns, copy)


@subroutine
def copy_to_strips(emit, source, source_row, target, strip_bytes, rows, columns):
    """Cuts a block (rows, columns) into strips of a tile's width, `strip_bytes` apart, each without gaps.

    Row by row: what is adjacent is read in one go, as the processor's prefetching needs it.
    """
    builder, width = emit.builder, _INT64(WIDTH_BYTES)
    width_columns = _INT64(WIDTH_BYTES // emit.element_bytes)
    whole, rest = builder.udiv(columns, width_columns), builder.urem(columns, width_columns)
    with cgutils.for_range(builder, rows) as row:
        from_row = emit.address(source, row.index, source_row)
        to_row = emit.address(target, row.index, width)
        with cgutils.for_range(builder, whole) as strip:
            place = emit.address(from_row, strip.index, width)
            goal = emit.address(to_row, strip.index, strip_bytes)
            for vector in range(WIDTH_BYTES // emit.vector_bytes):
                emit.store(emit.load(place, vector), goal, vector)
        last, goal = emit.address(from_row, whole, width), emit.address(to_row, whole, strip_bytes)

        def copy(offset, mask):
            emit.store(emit.load_at(last, offset, mask), builder.add(goal, offset), mask=mask)

        emit.for_each_vector(rest, copy)


@subroutine
def copy_transposed(emit, source, source_row, target, target_row, rows, columns):
    """As `copy_rows`, but transposes: a block (rows, columns) becomes (columns, rows)."""
    builder, lanes, size = emit.builder, _INT64(emit.lanes), _INT64(emit.element_bytes)

    def places(row, column):
        return (
            emit.address(emit.address(source, row, source_row), column, size),
            emit.address(emit.address(target, column, target_row), row, size),
        )

    row_blocks, column_blocks = builder.udiv(rows, lanes), builder.udiv(columns, lanes)
    with cgutils.for_range(builder, row_blocks) as i, cgutils.for_range(builder, column_blocks) as j:
        block, place = places(builder.mul(i.index, lanes), builder.mul(j.index, lanes))
        transpose_block(emit, block, source_row, place, target_row)
    whole_rows, whole_columns = builder.mul(row_blocks, lanes), builder.mul(column_blocks, lanes)
    with cgutils.for_range(builder, rows) as row:
        is_in_blocks = builder.icmp_signed("<", row.index, whole_rows)
        first = builder.select(is_in_blocks, whole_columns, _INT64(0))
        with cgutils.for_range(builder, columns, start=first) as column:
            emit.copy_element(*places(row.index, column.index))
