"""Copies blocks of the operands to where, and in the order in which, the register tiles read them.

A matrix whose rows are kilobytes apart is slow to read in pieces of a tile's size: each row lies on
another page, and with a power of two between them all fall into the same few sets of the cache. Packed,
the block is one stretch of memory that stays in a cache while it is used again and again. A transposed b
*must* be packed, since a tile wants the entries of one row side by side.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from tinynet_kernels.compile import inner
from tinynet_kernels.simd.memory import copy_element, copy_row, copy_run, element_bytes
from tinynet_kernels.simd.vectors import VECTOR_BYTES, WIDTH_BYTES

__all__ = ["copy_rows", "copy_transposed", "make_transpose"]

_INT32, _INT64 = ir.IntType(32), ir.IntType(64)


def make_transpose(vector_bytes=VECTOR_BYTES):
    """A function for Numba code that transposes one square block of as many rows as a vector has lanes.

    The function is ``transpose(zero, source, source_row, target, target_row)``; see `tile.make_tile` for
    addresses, strides and `zero`. Reads and writes the square block only.
    """

    @intrinsic
    def transpose(typing_context, zero, source, source_row, target, target_row):
        if zero not in (types.float32, types.float64):
            return None

        def generate(context, builder, signature, arguments):
            element = context.get_value_type(signature.args[0])
            align = signature.args[0].bitwidth // 8
            lanes = vector_bytes // align
            pointer = ir.VectorType(element, lanes).as_pointer()
            _, source, source_row, target, target_row = arguments

            def row_pointer(base, stride, row):
                address = builder.add(base, builder.mul(stride, _INT64(row)))
                return builder.inttoptr(address, pointer)

            rows = [builder.load(row_pointer(source, source_row, i), align=align) for i in range(lanes)]
            for i, row in enumerate(_transposed(builder, rows, lanes)):
                builder.store(row, row_pointer(target, target_row, i), align=align)
            return context.get_dummy_value()

        return types.void(zero, *[types.int64] * 4), generate

    return transpose


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


_transpose_block = make_transpose()


@inner(cache=False)
def copy_rows(zero, source, source_row, target, target_row, rows, columns):
    """Copies a block (rows, columns), given by address and row stride in bytes, to rows further apart.

    Writes nothing between the rows of the target.
    """
    size = element_bytes(zero)
    whole_bytes = columns * size // WIDTH_BYTES * WIDTH_BYTES
    rest = columns - whole_bytes // size
    for m in range(rows):
        row_source, row_target = source + m * source_row, target + m * target_row
        for offset in range(0, whole_bytes, WIDTH_BYTES):
            copy_row(zero, row_source + offset, row_target + offset)
        if rest > 0:
            copy_run(zero, row_source + whole_bytes, row_target + whole_bytes, rest)


@inner(cache=False)
def copy_transposed(zero, source, source_row, target, target_row, rows, columns):
    """As `copy_rows`, but transposes: a block (rows, columns) becomes (columns, rows)."""
    size = element_bytes(zero)
    lanes = VECTOR_BYTES // size
    whole_rows, whole_columns = rows // lanes * lanes, columns // lanes * lanes
    for m in range(0, whole_rows, lanes):
        row_source, row_target = source + m * source_row, target + m * size
        for n in range(0, whole_columns, lanes):
            _transpose_block(zero, row_source + n * size, source_row, row_target + n * target_row, target_row)
    for m in range(rows):
        row_source, row_target = source + m * source_row, target + m * size
        for n in range(whole_columns if m < whole_rows else 0, columns):
            copy_element(zero, row_source + n * size, row_target + n * target_row)
