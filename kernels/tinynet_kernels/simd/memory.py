"""Addresses, and reading and writing there, for Numba code.

The functions that read or write take as their first argument a number of the element type, float32 or
float64, which is there for its type only.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from tinynet_kernels.simd.subroutine import subroutine

__all__ = [
    "add_run",
    "address_of",
    "clear_run",
    "copy_run",
    "element_bytes",
    "keep_alive",
    "new_matrix",
]

_INT64 = ir.IntType(64)
_CACHE_LINE = 64  # bytes


@intrinsic
def element_bytes(typing_context, zero):
    """The size of an element, known when the code is compiled."""
    if zero not in (types.float32, types.float64):
        return None

    def generate(context, builder, signature, arguments):
        return ir.IntType(64)(signature.args[0].bitwidth // 8)

    return types.int64(zero), generate


@intrinsic
def address_of(typing_context, array):
    """Where the elements of an array begin, an int64.

    Unlike ``array.ctypes.data``, which is unsigned, it may be added to other integers: with signed ones Numba
    makes a float of the sum. It counts no reference either; see `keep_alive`.
    """

    def generate(context, builder, signature, arguments):
        structure = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.ptrtoint(structure.data, _INT64)

    return types.int64(array), generate


@intrinsic
def new_matrix(typing_context, zero, rows, columns):
    """An array (rows, columns) of the type of `zero`, its elements undefined, that begins at a cache line."""

    def generate(context, builder, signature, arguments):
        _, rows, columns = arguments
        item_bytes = _INT64(context.get_abi_sizeof(context.get_data_type(signature.args[0])))
        row_bytes = builder.mul(columns, item_bytes)
        line = ir.IntType(32)(_CACHE_LINE)
        owner = context.nrt.meminfo_alloc_aligned(builder, builder.mul(rows, row_bytes), line)
        result = context.make_array(signature.return_type)(context, builder)
        populate_array(
            result,
            data=builder.bitcast(context.nrt.meminfo_data(builder, owner), result.data.type),
            shape=cgutils.pack_array(builder, [rows, columns]),
            strides=cgutils.pack_array(builder, [row_bytes, item_bytes]),
            itemsize=item_bytes,
            meminfo=owner,
        )
        return result._getvalue()

    zero = types.unliteral(zero)
    return types.Array(zero, 2, "C")(zero, types.int64, types.int64), generate


@intrinsic
def keep_alive(typing_context, array):
    """Does nothing. Numba frees an array after its last use, even where its address is still in use."""

    def generate(context, builder, signature, arguments):
        return context.get_dummy_value()

    return types.void(array), generate


@subroutine
def copy_run(emit, source, target, count):
    """Copies `count` adjacent elements from one address to another."""

    def copy(offset, mask):
        emit.store(emit.load_at(source, offset, mask), emit.builder.add(target, offset), mask=mask)

    emit.for_each_vector(count, copy)


@subroutine
def add_run(emit, source, target, count):
    """Adds `count` adjacent elements to those at another address."""

    def add(offset, mask):
        total = emit.builder.fadd(emit.load_at(target, offset, mask), emit.load_at(source, offset, mask))
        emit.store(total, emit.builder.add(target, offset), mask=mask)

    emit.for_each_vector(count, add)


@subroutine
def clear_run(emit, target, count):
    """Sets `count` adjacent elements to 0."""

    def clear(offset, mask):
        emit.store(emit.zeros(), emit.builder.add(target, offset), mask=mask)

    emit.for_each_vector(count, clear)
