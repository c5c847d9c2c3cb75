"""Moving rows between the caches and the memory: asking for them early, and writing past the cache.

A product with a short sum computes little for every element that it reads and writes, so it has to do both
while it computes. Asking for the rows of the next block in good time hides the reading. The writing costs
less if the processor is told that a whole cache line is going to be replaced, and need not read it first.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from tinynet_kernels.compile import inlined
from tinynet_kernels.simd.memory import element_bytes
from tinynet_kernels.simd.packing import copy_rows
from tinynet_kernels.simd.streaming import store_past_cache
from tinynet_kernels.simd.vectors import VECTOR_BYTES

__all__ = ["ask_for", "deliver_rows"]

_CACHE_LINE = 64  # bytes

_INT32 = ir.IntType(32)


@intrinsic
def _prefetch(typing_context, address):
    """Asks for one cache line, to be kept in the second-level cache. Never faults, whatever the address."""

    def generate(context, builder, signature, arguments):
        byte = ir.IntType(8).as_pointer()
        function_type = ir.FunctionType(ir.VoidType(), [byte, _INT32, _INT32, _INT32])
        function = builder.module.declare_intrinsic("llvm.prefetch.p0", (), function_type)
        to_read, second_level, data = _INT32(0), _INT32(2), _INT32(1)
        builder.call(function, [builder.inttoptr(arguments[0], byte), to_read, second_level, data])
        return context.get_dummy_value()

    return types.void(types.int64), generate


@inlined
def ask_for(address, count):
    """Asks for `count` bytes, which are going to be read a little later."""
    for offset in range(0, count, _CACHE_LINE):
        _prefetch(address + offset)


@inlined
def deliver_rows(zero, source, source_row, target, target_row, rows, columns, is_large):
    """As `packing.copy_rows`; past the cache if `is_large` and the rows of the target are whole vectors.

    A task that has used it ends with `streaming.finish_streaming`.
    """
    row_bytes = columns * element_bytes(zero)
    if not is_large or (row_bytes | target | target_row) % VECTOR_BYTES:
        copy_rows(zero, source, source_row, target, target_row, rows, columns)
        return
    for row in range(rows):
        for offset in range(0, row_bytes, VECTOR_BYTES):
            start = source + row * source_row + offset
            store_past_cache(zero, start, target + row * target_row + offset)
