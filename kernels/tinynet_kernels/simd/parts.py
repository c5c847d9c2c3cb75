"""Parts of flat arrays for inner loops, without the cost of owning them.

A slice ``x[first:last]`` counts as a reference to the memory of x, and so does handing it to a function
that LLVM does not inline. Counting takes an atomic instruction, which threads that work on the same array
do in turns: with slices of some kilobytes this takes longer than the work itself. A part refers to the
memory without being counted, so the array must outlive it. The arguments of a kernel do. An array that
the function itself makes may not: Numba frees it after the last line that names it.
"""

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

__all__ = ["part"]


@intrinsic
def part(typing_context, array, first, last):
    """``array[first:last]`` of an array with one axis, for first ≥ 0; not counted as a reference."""
    if not (isinstance(array, types.Array) and array.ndim == 1):
        return None

    def generate(context, builder, signature, arguments):
        make_array = context.make_array(signature.args[0])
        source, result = make_array(context, builder, arguments[0]), make_array(context, builder)
        first, last = arguments[1:]
        (stride,) = cgutils.unpack_tuple(builder, source.strides, 1)
        end = _smaller(builder, last, source.nitems)
        size = builder.sub(end, _smaller(builder, first, end))
        populate_array(
            result,
            data=cgutils.pointer_add(builder, source.data, builder.mul(first, stride)),
            shape=cgutils.pack_array(builder, [size]),
            strides=source.strides,
            itemsize=source.itemsize,
            meminfo=None,
        )
        return result._getvalue()

    return array(array, types.int64, types.int64), generate


def _smaller(builder, a, b):
    return builder.select(builder.icmp_signed("<", a, b), a, b)
