"""Asking for memory early, so that it is in a cache when it is read."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from tinynet_kernels.compile import inlined

__all__ = ["ask_for"]

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
