"""Functions for Numba code whose instructions are spelled out, and stand once in whatever is compiled.

Numba compiles an ordinary function by itself, anew for every type of argument and every constant that it is
called with, and then again as a part of each caller: a tenth of a second for a loop of three lines. What all
kernels use is therefore written as instructions, which takes next to no time.
"""

from inspect import Parameter, Signature, signature
from weakref import WeakKeyDictionary

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from tinynet_kernels.simd.emitter import VectorEmitter
from tinynet_kernels.simd.vectors import VECTOR_BYTES

__all__ = ["subroutine"]


def subroutine(write, vector_bytes=VECTOR_BYTES):
    """A function for Numba code, from one that writes its instructions.

    Args:
        write: called as ``write(emit, *numbers)`` with a `VectorEmitter` and values of 64 bits, one for each
            argument of the function.
        vector_bytes: how long the vectors of the emitter are.

    Returns:
        The function ``(zero, *numbers)``, where `zero` is a number of the element type, float32 or float64,
        and the numbers are integers. It returns nothing.
    """

    def typing(typing_context, zero, *numbers):
        if zero not in (types.float32, types.float64):
            return None

        def generate(context, builder, signature, arguments):
            function = _declared(builder.module, write, signature.args)
            if function.is_declaration:
                body = ir.IRBuilder(function.append_basic_block("entry"))
                write(VectorEmitter(context, body, signature.args[0], vector_bytes), *function.args)
                body.ret_void()
                function.linkage = "internal"
            builder.call(function, arguments[1:])
            return context.get_dummy_value()

        return types.void(zero, *[types.int64] * len(numbers)), generate

    names = ["typing_context", "zero", *list(signature(write).parameters)[1:]]
    parameters = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    typing.__dict__["__signature__"] = Signature(parameters)
    typing.__name__, typing.__qualname__, typing.__doc__ = write.__name__, write.__qualname__, write.__doc__
    return intrinsic(typing)


# Of each LLVM module, by who writes them and for which type.
_functions: WeakKeyDictionary = WeakKeyDictionary()


def _declared(module, write, kinds):
    """The function of an LLVM module that is to have the instructions, or has them already."""
    functions = _functions.setdefault(module, {})
    key = write, kinds[0]
    if key not in functions:
        function_type = ir.FunctionType(ir.VoidType(), [ir.IntType(64)] * (len(kinds) - 1))
        name = module.get_unique_name(f"{write.__module__}.{write.__qualname__}")
        functions[key] = ir.Function(module, function_type, name)
    return functions[key]
