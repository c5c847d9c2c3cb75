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

from tinynet_kernels.simd.emitter import VectorEmitter
from tinynet_kernels.simd.vectors import VECTOR_BYTES

__all__ = ["ADD", "CUT_OFF", "make_tile"]

_INT64 = ir.IntType(64)

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
            emit = _TileEmitter(context, builder, signature.args[0], vector_bytes)
            masks = emit.masks(columns, vectors) if masked else [None] * vectors
            sums = [[emit.variable(emit.zeros()) for _ in range(vectors)] for _ in range(rows)]
            emit.prefetch_tile(c, c_row, rows, vectors)
            with cgutils.for_range(builder, outer) as segment:
                a_segment = emit.address(a, segment.index, a_outer)
                b_segment = emit.address(b, segment.index, b_outer)
                with cgutils.for_range(builder, depth) as step:
                    a_now = emit.address(a_segment, step.index, a_step)
                    b_now = emit.address(b_segment, step.index, b_step)
                    emit.add_products(sums, emit.row_addresses(a_now, a_row, rows), b_now, masks)
            emit.store_tile(sums, c, c_row, masks, finish)
            return context.get_dummy_value()

        return signature, generate

    return tile


class _TileEmitter(VectorEmitter):
    """Writes the instructions of a tile."""

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

    def prefetch_tile(self, c, c_row, rows, vectors):
        """Asks for the tile of c, which is on its way to the cache while the sums are computed."""
        for row in range(rows):
            for distance in range(0, vectors * self.vector_bytes, _CACHE_LINE):
                self.prefetch(self.address(c, _INT64(row), c_row), distance)

    def add_products(self, sums, a_addresses, b, masks):
        b_vectors = [self.load(b, v, mask) for v, mask in enumerate(masks)]
        for row, address in zip(sums, a_addresses, strict=True):
            factor = self.load_everywhere(address)
            for variable, b_vector in zip(row, b_vectors, strict=True):
                self.multiply_add(factor, b_vector, variable)

    def store_tile(self, sums, c, c_row, masks, finish):
        for flag, action in ((ADD, self._add_old), (CUT_OFF, self._cut_off_at_zero)):
            is_wanted = self.builder.icmp_signed("!=", self.builder.and_(finish, _INT64(flag)), _INT64(0))
            with self.builder.if_then(is_wanted):
                self._for_each(sums, c, c_row, masks, action)
        self._for_each(sums, c, c_row, masks, self._store_sum)

    def _for_each(self, sums, c, c_row, masks, action):
        for index, row in enumerate(sums):
            address = self.address(c, _INT64(index), c_row)
            for v, (variable, mask) in enumerate(zip(row, masks, strict=True)):
                action(variable, address, v, mask)

    def _add_old(self, variable, address, v, mask):
        total = self.builder.fadd(self.load(address, v, mask), self.builder.load(variable))
        self.builder.store(total, variable)

    def _cut_off_at_zero(self, variable, address, v, mask):
        self.builder.store(self.cut_off(self.builder.load(variable), self.zeros()), variable)

    def _store_sum(self, variable, address, v, mask):
        self.store(self.builder.load(variable), address, v, mask)
