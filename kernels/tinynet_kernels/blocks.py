"""Arrays cut into blocks of rows, every block a task: what many kernels come down to.

A task, see `tinynet_kernels.tasks`, is a loop over the blocks that `block` and `entries` give it. It is
written once, and compiled for two forms of its arguments. Those of large arrays are their addresses. Small
ones are one block, for which no other thread is woken, and a tuple of the arrays takes the place of the
addresses, since finding an address takes Python longer than the work itself.

Arrays have the numbers in whose order they are given. A number must be written out in the task: it is known
when that is compiled.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from tinynet_kernels.tasks import run

__all__ = ["block", "columns_of", "entries", "parameters_of", "run_blocks", "whole"]

_BLOCK = 8192  # elements; 32 KiB of float32
_LEAST_BLOCKS = 16  # so that all threads finish at about the same time; not the number of threads
# Places among the numbers that stand for large arrays.
_ROWS, _ROWS_PER_BLOCK, _COLUMNS, _ADDRESSES = range(4)
_INT64 = ir.IntType(64)
_ZEROS = {np.dtype(number): number(0) for number in (np.float32, np.float64)}


def run_blocks(task, arrays, rows, columns=1, *, alone, parameters=()):
    """Computes a task on all blocks of some arrays, in parallel if these are large.

    Args:
        task: a function ``task(zero, arguments, index)`` for `tasks.run`.
        arrays: what it reads with `block`, `entries` and `whole`, and writes: those must be contiguous and
            may be written to. The first one tells the element type.
        rows, columns: at least 1; for functions of single elements the rows have one column.
        alone: with fewer elements than this, waking another thread takes longer than it helps.
        parameters: numbers that it reads with `parameters_of`.
    """
    dtype = arrays[0].dtype
    if parameters:
        arrays = *arrays, np.array(parameters, dtype)
    if rows * columns < alone:
        task(_ZEROS[dtype], (columns, *map(_line, arrays)), 0)
    else:
        arrays = [np.ascontiguousarray(array) for array in arrays]
        rows_per_block = max(1, min(_BLOCK // columns, -(-rows // _LEAST_BLOCKS)))
        addresses = [array.ctypes.data for array in arrays]
        run(task, dtype, -(-rows // rows_per_block), (rows, rows_per_block, columns, *addresses))


def _line(array):
    """The elements with one axis; a copy if they can't be written to, which Numba takes for another type."""
    return array.reshape(-1) if array.flags.carray else array.flatten()


@intrinsic
def columns_of(typing_context, arguments):
    """In a task: the number of columns."""

    def generate(context, builder, signature, values):
        if isinstance(arguments, types.BaseTuple):
            return builder.extract_value(values[0], 0)
        return _numbers(context, builder, arguments, values[0])(_COLUMNS)

    return types.int64(arguments), generate


@intrinsic(prefer_literal=True)
def block(typing_context, zero, arguments, index, number):
    """In a task: the rows of its block, one after the other, of the array (rows, columns) with this number.

    As in `entries` and `whole`, `zero` is a number of the array's element type.
    """

    def bounds(builder, numbers, index):
        size = builder.mul(numbers(_ROWS_PER_BLOCK), numbers(_COLUMNS))
        return builder.mul(index, size), size, builder.mul(numbers(_ROWS), numbers(_COLUMNS))

    return _typed(zero, arguments, types.int64, number, bounds)


@intrinsic(prefer_literal=True)
def entries(typing_context, zero, arguments, index, number):
    """In a task: what the array (rows,) with this number holds for the rows of its block."""

    def bounds(builder, numbers, index):
        return builder.mul(index, numbers(_ROWS_PER_BLOCK)), numbers(_ROWS_PER_BLOCK), numbers(_ROWS)

    return _typed(zero, arguments, types.int64, number, bounds)


@intrinsic(prefer_literal=True)
def whole(typing_context, zero, arguments, size, number):
    """In a task: all elements, so many, of the array with this number."""

    def bounds(builder, numbers, size):
        return _INT64(0), size, size

    return _typed(zero, arguments, types.int64, number, bounds)


def _typed(zero, arguments, integer, number, bounds):
    """Type and code of a function that makes an array, of three of whose arguments the types are known.

    `bounds` gives the first element, how many there are at most, and where the whole array ends.
    """
    if isinstance(arguments, types.BaseTuple):
        place = 1 + number.literal_value

        def take(context, builder, signature, values):
            element = builder.extract_value(values[1], place)
            return impl_ret_borrowed(context, builder, signature.return_type, element)

        return arguments.types[place](zero, arguments, integer, number), take
    array = types.Array(types.unliteral(zero), 1, "C")

    def view(context, builder, signature, values):
        numbers = _numbers(context, builder, arguments, values[1])
        first, size, end = bounds(builder, numbers, values[2])
        rest = builder.sub(end, first)
        size = builder.select(builder.icmp_signed("<", size, rest), size, rest)
        return _view(context, builder, array, numbers(_ADDRESSES + number.literal_value), first, size)

    return array(zero, arguments, integer, number), view


def _numbers(context, builder, kind, arguments):
    """A function that writes the instruction to load one of the numbers that stand for large arrays."""
    data = context.make_array(kind)(context, builder, arguments).data
    return lambda place: builder.load(builder.gep(data, [_INT64(place)]))


def _view(context, builder, array, address, first, size):
    """Elements of an array at an address; see `tinynet_kernels.simd.views`."""
    element = context.get_data_type(array.dtype)
    item_bytes = _INT64(context.get_abi_sizeof(element))
    result = context.make_array(array)(context, builder)
    populate_array(
        result,
        data=builder.inttoptr(builder.add(address, builder.mul(first, item_bytes)), element.as_pointer()),
        shape=cgutils.pack_array(builder, [size]),
        strides=cgutils.pack_array(builder, [item_bytes]),
        itemsize=item_bytes,
        meminfo=None,
    )
    return result._getvalue()


@intrinsic(prefer_literal=True)
def parameters_of(typing_context, zero, arguments, count):
    """In a task: the parameters, of which there are `count`, as a tuple."""
    tuple_type = types.UniTuple(zero, count.literal_value)

    def generate(context, builder, signature, values):
        if isinstance(arguments, types.BaseTuple):
            last = len(arguments) - 1
            array = builder.extract_value(values[1], last)
            data = context.make_array(arguments.types[last])(context, builder, array).data
        else:
            numbers = context.make_array(arguments)(context, builder, values[1])
            last = builder.sub(numbers.nitems, _INT64(1))
            address = builder.load(builder.gep(numbers.data, [last]))
            data = builder.inttoptr(address, context.get_data_type(zero).as_pointer())
        loaded = [builder.load(builder.gep(data, [_INT64(place)])) for place in range(tuple_type.count)]
        return context.make_tuple(builder, tuple_type, loaded)

    return tuple_type(zero, arguments, count), generate
