"""Reading and writing at an address, for Numba code.

Every function takes as its first argument a number of the element type, float32 or float64, which is
there for its type only.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from tinynet_kernels.simd.vectors import WIDTH_BYTES

__all__ = ["copy_element", "copy_row", "element_bytes"]


@intrinsic
def element_bytes(typing_context, zero):
    """The size of an element, known when the code is compiled."""
    if zero not in (types.float32, types.float64):
        return None

    def generate(context, builder, signature, arguments):
        return ir.IntType(64)(signature.args[0].bitwidth // 8)

    return types.int64(zero), generate


def _make_copy(row_bytes):
    """A function that copies one element, or `row_bytes` bytes, from one address to another."""

    @intrinsic
    def copy(typing_context, zero, source, target):
        if zero not in (types.float32, types.float64):
            return None

        def generate(context, builder, signature, arguments):
            copied = element = context.get_value_type(signature.args[0])
            size = signature.args[0].bitwidth // 8
            if row_bytes is not None:
                copied = ir.VectorType(element, row_bytes // size)
            _, source, target = arguments
            value = builder.load(builder.inttoptr(source, copied.as_pointer()), align=size)
            builder.store(value, builder.inttoptr(target, copied.as_pointer()), align=size)
            return context.get_dummy_value()

        return types.void(zero, types.int64, types.int64), generate

    return copy


copy_element = _make_copy(None)
copy_row = _make_copy(WIDTH_BYTES)
