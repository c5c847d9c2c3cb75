"""Reading and writing at an address, for Numba code.

Every function takes as its first argument a number of the element type, float32 or float64, which is
there for its type only.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload
from numba.np.numpy_support import as_dtype

from tinynet_kernels.compile import inner
from tinynet_kernels.simd.emitter import VectorEmitter
from tinynet_kernels.simd.vectors import VECTOR_BYTES, WIDTH_BYTES

__all__ = [
    "add_run",
    "clear_run",
    "copy_element",
    "copy_row",
    "copy_run",
    "element_bytes",
    "keep_alive",
    "new_matrix",
]


@intrinsic
def element_bytes(typing_context, zero):
    """The size of an element, known when the code is compiled."""
    if zero not in (types.float32, types.float64):
        return None

    def generate(context, builder, signature, arguments):
        return ir.IntType(64)(signature.args[0].bitwidth // 8)

    return types.int64(zero), generate


def new_matrix(zero, rows, columns):
    """In Numba code: an array (rows, columns) of the type of `zero`, its elements undefined."""
    return np.empty((rows, columns), np.asarray(zero).dtype)


@overload(new_matrix)
def _new_matrix(zero, rows, columns):
    dtype = as_dtype(zero)

    def implementation(zero, rows, columns):
        return np.empty((rows, columns), dtype)

    return implementation


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


_COPY, _ADD, _CLEAR = range(3)


def _make_partial(action):
    """A function that copies, adds or clears the first `count` elements of a vector: 0 to all lanes."""

    @intrinsic
    def partial(typing_context, zero, source, target, count):
        if zero not in (types.float32, types.float64):
            return None

        def generate(context, builder, signature, arguments):
            _, source, target, count = arguments
            emit = VectorEmitter(context, builder, signature.args[0])
            mask = emit.masks(count, 1)[0]
            value = emit.zeros() if action == _CLEAR else emit.load(source, mask=mask)
            if action == _ADD:
                value = builder.fadd(emit.load(target, mask=mask), value)
            emit.store(value, target, mask=mask)
            return context.get_dummy_value()

        return types.void(zero, types.int64, types.int64, types.int64), generate

    return partial


_copy_vector = _make_copy(VECTOR_BYTES)
_copy_part, _add_part, _clear_part = map(_make_partial, (_COPY, _ADD, _CLEAR))


@inner(cache=False)
def copy_run(zero, source, target, count):
    """Copies `count` adjacent elements from one address to another."""
    size = element_bytes(zero)
    end = count * size // VECTOR_BYTES * VECTOR_BYTES
    for offset in range(0, end, VECTOR_BYTES):
        _copy_vector(zero, source + offset, target + offset)
    if end < count * size:
        _copy_part(zero, source + end, target + end, count - end // size)


@inner(cache=False)
def add_run(zero, source, target, count):
    """Adds `count` adjacent elements to those at another address."""
    size = element_bytes(zero)
    lanes = VECTOR_BYTES // size
    for first in range(0, count, lanes):
        _add_part(zero, source + first * size, target + first * size, min(lanes, count - first))


@inner(cache=False)
def clear_run(zero, target, count):
    """Sets `count` adjacent elements to 0."""
    lanes = VECTOR_BYTES // element_bytes(zero)
    for first in range(0, count, lanes):
        _clear_part(zero, 0, target + first * element_bytes(zero), min(lanes, count - first))


@inner(cache=False)
def keep_alive(array):
    """Does nothing. Numba frees an array after its last use, even where its address is still in use."""
    return array.size
