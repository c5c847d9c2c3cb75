"""Floating-point numbers as integers of the same order, so that a maximum becomes vector code.

The bits of two positive floating-point numbers, read as integers, compare as the numbers do, and those of
negative ones the other way round. The largest of many integers LLVM finds with vector instructions, but not
that of floating-point numbers, whose order says nothing of NaN. Here NaN counts as larger than
everything, or as smaller if its sign is negative.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = ["from_ordered_integer", "ordered_integer"]

_INTEGER = {types.float32: types.int32, types.float64: types.int64}


def _flip_if_negative(builder, bits):
    width = bits.type.width
    sign = builder.ashr(bits, bits.type(width - 1))
    return builder.xor(bits, builder.and_(sign, bits.type(2 ** (width - 1) - 1)))


@intrinsic
def ordered_integer(typing_context, x):
    """An int32 for a float32, an int64 for a float64."""

    def generate(context, builder, signature, arguments):
        integer = ir.IntType(signature.args[0].bitwidth)
        return _flip_if_negative(builder, builder.bitcast(arguments[0], integer))

    return _INTEGER[x](x), generate


@intrinsic
def from_ordered_integer(typing_context, zero, integer):
    """The number of the type of `zero` that `ordered_integer` gave."""

    def generate(context, builder, signature, arguments):
        bits = _flip_if_negative(builder, arguments[1])
        return builder.bitcast(bits, context.get_value_type(signature.args[0]))

    return zero(zero, _INTEGER[zero]), generate
