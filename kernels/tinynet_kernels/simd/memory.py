"""Reading and writing at an address, for Numba code.

Every function takes as its first argument a number of the element type, float32 or float64, which is
there for its type only.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from numba.np.numpy_support import as_dtype

from tinynet_kernels.compile import inner
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

_INT32 = ir.IntType(32)


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
            vectors = _MaskedVectors(context, builder, signature.args[0], count)
            value = vectors.zeros if action == _CLEAR else vectors.load(source)
            if action == _ADD:
                value = builder.fadd(vectors.load(target), value)
            vectors.store(value, target)
            return context.get_dummy_value()

        return types.void(zero, types.int64, types.int64, types.int64), generate

    return partial


class _MaskedVectors:
    """Reads and writes the first `count` lanes of a vector."""

    def __init__(self, context, builder, dtype, count):
        self.builder = builder
        self.lanes, self.align = VECTOR_BYTES * 8 // dtype.bitwidth, _INT32(dtype.bitwidth // 8)
        self.vector = ir.VectorType(context.get_value_type(dtype), self.lanes)
        self.pointer = self.vector.as_pointer()
        self.suffix = f"v{self.lanes}f{dtype.bitwidth}.p0"
        self.mask = _lanes_below(builder, count, self.lanes)
        self.zeros = ir.Constant(self.vector, [0.0] * self.lanes)

    def load(self, address):
        function = self._function("load", self.vector, [self.pointer, _INT32, self.mask.type, self.vector])
        place = self.builder.inttoptr(address, self.pointer)
        return self.builder.call(function, [place, self.align, self.mask, self.zeros])

    def store(self, value, address):
        function = self._function("store", ir.VoidType(), [self.vector, self.pointer, _INT32, self.mask.type])
        place = self.builder.inttoptr(address, self.pointer)
        self.builder.call(function, [value, place, self.align, self.mask])

    def _function(self, action, result, arguments):
        name = f"llvm.masked.{action}.{self.suffix}"
        return cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(result, arguments), name)


def _lanes_below(builder, count, lanes):
    """A mask of the lanes whose number is less than `count`."""
    indices = ir.VectorType(_INT32, lanes)
    undefined = ir.Constant(indices, ir.Undefined)
    single = builder.insert_element(undefined, builder.trunc(count, _INT32), _INT32(0))
    everywhere = builder.shuffle_vector(single, undefined, ir.Constant(indices, [0] * lanes))
    return builder.icmp_signed("<", ir.Constant(indices, list(range(lanes))), everywhere)


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
