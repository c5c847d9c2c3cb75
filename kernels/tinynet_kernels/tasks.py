"""Running the tasks of a computation in parallel, all through one compiled kernel.

Numba compiles a loop over ``prange`` into a chain of four functions, and the loop's body anew with each of
them. For the long bodies of products and convolutions that is most of the time that a first run takes. Such
a body is therefore an ordinary function, a *task*, compiled once per element type; the one parallel kernel
here calls it through its address.

A task is declared with `inner` and has the arguments ``(zero, arguments, index)``: a number of the element
type, which is there for its type; an int64 array with all that the tasks of one call have in common, sizes,
strides and addresses; and the number of the task. A task that is compiled for several sizes of a tile has
the arguments ``(zero, sizes, arguments, index)``, where `sizes` is a tuple of tuples of so many zeros each:
only their lengths count, which are part of the type.
"""

from functools import cache

import numpy as np
from numba import prange, types
from numba.extending import intrinsic

from tinynet_kernels.compile import inner, kernel

__all__ = ["run"]

_ARGUMENTS = types.Array(types.int64, 1, "C")
_NUMBA_TYPES = {np.dtype(np.float32): types.float32, np.dtype(np.float64): types.float64}


def run(task, dtype, count, arguments, sizes=None):
    """Calls ``task(zero, arguments, index)`` for every index below `count`, in parallel.

    With `sizes`, a tuple of numbers, it is ``task(zero, sizes, arguments, index)``. Whoever calls this keeps
    the arrays alive whose addresses are among the `arguments`.
    """
    # Even a single task would wake all threads there, which takes longer than most tasks that are alone.
    start = _run_alone if count == 1 else _run
    start(_address(task, dtype, sizes), dtype.type(0), np.array(arguments, np.int64), count)


@cache
def _address(task, dtype, sizes):
    # What is omitted takes its value from the type: it is known to the compiler, and no argument any more.
    tuples = () if sizes is None else (types.Omitted(tuple((0,) * size for size in sizes)),)
    signature = _NUMBA_TYPES[dtype], *tuples, _ARGUMENTS, types.int64
    task.compile(signature)
    compiled = task.overloads[signature]
    return compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)


@intrinsic
def _call(typing_context, address, zero, arguments, index):
    """Calls the task at an address."""
    signature = types.void(types.int64, zero, _ARGUMENTS, types.int64)

    def generate(context, builder, signature, values):
        kinds = signature.args[1:]
        convention = context.call_conv
        function = convention.get_function_type(types.void, kinds)
        pointer = builder.inttoptr(values[0], function.as_pointer())
        status, _ = convention.call_function(builder, pointer, types.void, kinds, values[1:])
        with builder.if_then(status.is_error):
            convention.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return signature, generate


@inner
def _run_alone(address, zero, arguments, count):
    for index in range(count):
        _call(address, zero, arguments, index)


@kernel
def _run(address, zero, arguments, count):
    for index in prange(count):
        _call(address, zero, arguments, index)
