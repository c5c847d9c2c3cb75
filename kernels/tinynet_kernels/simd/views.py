"""Flat arrays at an address, for tasks, whose arguments are integers; see `tinynet_kernels.tasks`."""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

__all__ = ["view"]


@intrinsic
def view(typing_context, like, address, size):
    """The array of `size` elements of the type of `like`, a number or truth value, at an address.

    It does not own the memory, which must outlive it.
    """
    if not isinstance(like, (types.Float, types.Integer, types.Boolean)):
        return None
    array = types.Array(like, 1, "C")

    def generate(context, builder, signature, arguments):
        _, address, size = arguments
        element = context.get_data_type(like)
        item_bytes = ir.Constant(ir.IntType(64), context.get_abi_sizeof(element))
        result = context.make_array(array)(context, builder)
        populate_array(
            result,
            data=builder.inttoptr(address, element.as_pointer()),
            shape=cgutils.pack_array(builder, [size]),
            strides=cgutils.pack_array(builder, [item_bytes]),
            itemsize=item_bytes,
            meminfo=None,
        )
        return result._getvalue()

    return array(like, types.int64, types.int64), generate
