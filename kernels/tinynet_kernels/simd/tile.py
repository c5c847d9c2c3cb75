"""The microkernel: one register tile of a product, emitted as LLVM vector instructions.

Numba compiles ordinary loops and hopes that LLVM finds the vectors in them. For this innermost piece,
where all the time is spent, the instructions are spelled out instead. There is no assembly in it: LLVM
adapts vectors of any length to the processor, so the same lines make AVX-512, AVX2 and NEON code.

Addresses and strides are plain integers, in bytes. This makes one tile serve every layout of ``a``: rows
(``a_step`` is the size of one element), a transposed matrix (``a_row`` is), or neither.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from tinynet_kernels.simd.vectors import VECTOR_BYTES

__all__ = ["ADD", "CUT_OFF", "make_tile"]

_INT32, _INT64 = ir.IntType(32), ir.IntType(64)

# What a tile does with its sums besides storing them; the flags may be added up.
ADD = 1  # to what c holds
CUT_OFF = 2  # at zero

_CACHE_LINE = 64  # bytes


def make_tile(rows, vectors, masked, vector_bytes=VECTOR_BYTES):
    """A function for Numba code that computes `rows` × `vectors` vectors of a product.

    The function ``tile(zero, a, a_row, a_step, b, b_step, depth, outer, a_outer, b_outer, c, c_row,
    columns, finish)`` sets, or if `finish` contains `ADD` increases, ::

        c[r, n]  by  the sum over o < outer and k < depth of
                     a[o * a_outer + r * a_row + k * a_step] * b[o * b_outer + k * b_step + n]

    where a, b and c are addresses, everything that multiplies an index is a stride in bytes, and `n`
    counts elements. If `finish` contains `CUT_OFF`, negative results are replaced by 0; NaN stays. `zero`
    is any number of the element type, float32 or float64, and is there for its
    type. `depth` and `outer` must be at least 1. The outer sum serves convolutions, whose windows are
    several stretches of memory; a matrix product has one.

    Every entry is summed in the order of o and k, whatever the size of the tile, so that products cut
    into different tiles are equal to the last bit.

    Memory: reads rows × depth elements of `a`, and in b and c exactly `columns` elements of each row.
    `columns` counts only if `masked`; it is then from 1 to the width of the tile. Otherwise the width,
    ``vectors * vector_bytes``, is always read and written. No alignment is required beyond that of
    single elements.
    """

    @intrinsic
    def tile(
        typing_context,
        zero,
        a,
        a_row,
        a_step,
        b,
        b_step,
        depth,
        outer,
        a_outer,
        b_outer,
        c,
        c_row,
        columns,
        finish,
    ):
        if zero not in (types.float32, types.float64):
            return None
        signature = types.void(zero, *[types.int64] * 13)

        def generate(context, builder, signature, arguments):
            _, a, a_row, a_step, b, b_step, depth, outer, a_outer, b_outer, c, c_row, columns, finish = (
                arguments
            )
            emit = _Emitter(context, builder, signature.args[0], vector_bytes)
            masks = emit.masks(columns, vectors) if masked else [None] * vectors
            sums = [[emit.zero_variable() for _ in range(vectors)] for _ in range(rows)]
            emit.prefetch(c, c_row, rows, vectors)
            with cgutils.for_range(builder, outer) as segment:
                a_segment = emit.address(a, segment.index, a_outer)
                b_segment = emit.address(b, segment.index, b_outer)
                with cgutils.for_range(builder, depth) as step:
                    a_now = emit.address(a_segment, step.index, a_step)
                    b_now = emit.address(b_segment, step.index, b_step)
                    emit.multiply_add(sums, emit.row_addresses(a_now, a_row, rows), b_now, masks)
            emit.store(sums, c, c_row, masks, finish)
            return context.get_dummy_value()

        return signature, generate

    return tile


class _Emitter:
    """Writes the instructions of a tile with vectors of one element type."""

    def __init__(self, context, builder, dtype, vector_bytes):
        self.builder = builder
        self.element = context.get_value_type(dtype)
        self.element_bytes = dtype.bitwidth // 8
        self.lanes = vector_bytes // self.element_bytes
        self.vector_bytes = vector_bytes
        self.vector = ir.VectorType(self.element, self.lanes)
        self.suffix = f"v{self.lanes}f{dtype.bitwidth}"

    def address(self, base, index, stride):
        return self.builder.add(base, self.builder.mul(index, stride))

    def row_addresses(self, base, stride, rows):
        """One address per row, from one pointer for every three rows.

        x86 adds a register times 1 or 2 to an address at no cost, and has too few integer registers to
        hold a pointer for each of 12 rows.
        """
        builder, addresses = self.builder, []
        two, three = builder.shl(stride, _INT64(1)), builder.mul(stride, _INT64(3))
        for _ in range(0, rows, 3):
            addresses += [base, builder.add(base, stride), builder.add(base, two)]
            base = builder.add(base, three)
        return addresses[:rows]

    def prefetch(self, c, c_row, rows, vectors):
        """Asks for the tile of c, which is on its way to the cache while the sums are computed.

        A prefetch is a hint: it never faults, whatever the address, so masked lanes need no care here.
        """
        builder, byte = self.builder, ir.IntType(8).as_pointer()
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [byte, _INT32, _INT32, _INT32]),
            "llvm.prefetch.p0",
        )
        to_write, keep, data = _INT32(1), _INT32(3), _INT32(1)
        for row in range(rows):
            for offset in range(0, vectors * self.vector_bytes, _CACHE_LINE):
                address = builder.add(self.address(c, _INT64(row), c_row), _INT64(offset))
                builder.call(function, [builder.inttoptr(address, byte), to_write, keep, data])

    def zero_variable(self):
        """A vector that starts as 0; LLVM turns the variable into a register."""
        return cgutils.alloca_once_value(self.builder, ir.Constant(self.vector, [0.0] * self.lanes))

    def masks(self, columns, vectors):
        """For each vector, which of its lanes lie below `columns`."""
        count = self._broadcast(self.builder.trunc(columns, _INT32), _INT32)
        lane_type = ir.VectorType(_INT32, self.lanes)
        return [
            self.builder.icmp_signed(
                "<", ir.Constant(lane_type, [v * self.lanes + i for i in range(self.lanes)]), count
            )
            for v in range(vectors)
        ]

    def multiply_add(self, sums, a_addresses, b, masks):
        builder = self.builder
        b_vectors = [self._load(b, v, mask) for v, mask in enumerate(masks)]
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(self.vector, [self.vector] * 3),
            f"llvm.fmuladd.{self.suffix}",
        )
        for row, address in zip(sums, a_addresses, strict=True):
            pointer = builder.inttoptr(address, self.element.as_pointer())
            factor = self._broadcast(builder.load(pointer, align=self.element_bytes), self.element)
            for variable, b_vector in zip(row, b_vectors, strict=True):
                total = builder.call(function, [factor, b_vector, builder.load(variable)])
                builder.store(total, variable)

    def store(self, sums, c, c_row, masks, finish):
        for flag, action in ((ADD, self._add_old), (CUT_OFF, self._cut_off)):
            is_wanted = self.builder.icmp_signed("!=", self.builder.and_(finish, _INT64(flag)), _INT64(0))
            with self.builder.if_then(is_wanted):
                self._for_each(sums, c, c_row, masks, action)
        self._for_each(sums, c, c_row, masks, self._store)

    def _for_each(self, sums, c, c_row, masks, action):
        for index, row in enumerate(sums):
            address = self.address(c, _INT64(index), c_row)
            for v, (variable, mask) in enumerate(zip(row, masks, strict=True)):
                action(variable, address, v, mask)

    def _add_old(self, variable, address, v, mask):
        total = self.builder.fadd(self._load(address, v, mask), self.builder.load(variable))
        self.builder.store(total, variable)

    def _cut_off(self, variable, address, v, mask):
        total, zeros = self.builder.load(variable), ir.Constant(self.vector, [0.0] * self.lanes)
        is_negative = self.builder.fcmp_ordered("<", total, zeros)
        self.builder.store(self.builder.select(is_negative, zeros, total), variable)

    def _load(self, address, v, mask):
        pointer = self._pointer(address, v)
        if mask is None:
            return self.builder.load(pointer, align=self.element_bytes)
        function = self._masked("load", self.vector, [pointer.type, _INT32, mask.type, self.vector])
        nothing = ir.Constant(self.vector, [0.0] * self.lanes)
        return self.builder.call(function, [pointer, _INT32(self.element_bytes), mask, nothing])

    def _store(self, variable, address, v, mask):
        pointer, value = self._pointer(address, v), self.builder.load(variable)
        if mask is None:
            self.builder.store(value, pointer, align=self.element_bytes)
            return
        function = self._masked("store", ir.VoidType(), [self.vector, pointer.type, _INT32, mask.type])
        self.builder.call(function, [value, pointer, _INT32(self.element_bytes), mask])

    def _pointer(self, address, v):
        address = self.builder.add(address, _INT64(v * self.vector_bytes))
        return self.builder.inttoptr(address, self.vector.as_pointer())

    def _masked(self, action, result, arguments):
        name = f"llvm.masked.{action}.{self.suffix}.p0"
        return cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(result, arguments), name)

    def _broadcast(self, value, element):
        vector = ir.VectorType(element, self.lanes)
        undefined = ir.Constant(vector, ir.Undefined)
        single = self.builder.insert_element(undefined, value, _INT32(0))
        first_lane = ir.Constant(ir.VectorType(_INT32, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(single, undefined, first_lane)
