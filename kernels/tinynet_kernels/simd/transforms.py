"""Small linear maps of tiles of pixels, one vector of channels at a time, emitted as LLVM instructions.

A transform takes a tile X of cells × cells pixels to ``L @ X @ L.T``, for each channel by itself, where L
is a small matrix of constants. The channels are the lanes of the vectors, so that a pixel is one load
and no lanes change places::

    X[0,0] X[0,1] …      each cell is an address; a step of the loop handles one vector of channels there
    X[1,0] X[1,1] …  ─►  L @ each column  ─►  each row @ L.T  ─►  the cells of the result, stored
      ⋮      ⋮

Where the cells lie is told by tables of addresses, one for the source and one for the target. A pixel
outside of the image is then no special case: its address is that of a row of zeros or, where it is
written, that of a row that nobody reads.
"""

from typing import NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from tinynet_kernels.compile import inlined
from tinynet_kernels.simd.emitter import VectorEmitter
from tinynet_kernels.simd.vectors import VECTOR_BYTES

__all__ = ["Images", "fill_cells", "fill_planes", "make_transform"]

_INT64 = ir.IntType(64)


class Images(NamedTuple):
    """Where a batch of images (N, height, width, channels) lies: its address, and strides in bytes."""

    address: int
    image: int
    row: int
    column: int
    height: int
    width: int

    @classmethod
    def of(cls, array):
        """The images in an array whose last axis is contiguous."""
        return cls(array.ctypes.data, *array.strides[:3], *array.shape[1:3])


def make_transform(factors_of, has_epilogue=False, is_adding=False, vector_bytes=VECTOR_BYTES):
    """A function for Numba code that transforms one tile, for all sizes in `factors_of`.

    The function ``transform(zero, sizes, source, source_offset, target, target_offset, columns)`` sets ::

        target_cell[i, j][c]  to  the sum over k and l of  L[i, k] * L[j, l] * source_cell[k, l][c]

    for c < columns, or with `is_adding` adds it there, cell by cell in row-major order, so that cells may
    share an address. `source` and `target` are the addresses of tables of addresses (int64), in row-major
    order, one for each cell; to each of them the offset, in bytes, is added. `zero` is a number of the
    element type, float32 or float64, and `sizes` a tuple of tuples of integers; the one is there for its
    type, the other for their lengths, so that both are known when the code is compiled.

    With `has_epilogue` there are two more arguments, ``bias`` and ``floor``: the address of `columns`
    numbers, which are added to every cell, and a number; results below it are replaced by it. NaN stays.

    Args:
        factors_of: for the lengths of the tuples in `sizes`, the matrices whose product is L, the first to
            apply first: tuples of rows of numbers.

    Memory: reads and writes exactly `columns` elements per cell. No alignment is required beyond that of
    single elements.
    """

    def emit(context, builder, signature, arguments):
        zero, sizes = signature.args[:2]
        writer = _TransformEmitter(context, builder, zero, vector_bytes)
        writer.is_adding = is_adding
        writer.transform(factors_of[_lengths(sizes)], *arguments[2:])
        return context.get_dummy_value()

    def signature_of(zero, sizes, *more):
        is_served = zero in (types.float32, types.float64) and _lengths(sizes) in factors_of
        return types.void(zero, sizes, *[types.int64] * 5, *more) if is_served else None

    if has_epilogue:

        @intrinsic
        def transform(
            typing_context,
            zero,
            sizes,
            source,
            source_offset,
            target,
            target_offset,
            columns,
            bias,
            floor,
        ):
            signature = signature_of(zero, sizes, types.int64, zero)
            return None if signature is None else (signature, emit)

    else:

        @intrinsic
        def transform(typing_context, zero, sizes, source, source_offset, target, target_offset, columns):
            signature = signature_of(zero, sizes)
            return None if signature is None else (signature, emit)

    return transform


def _lengths(sizes):
    """The lengths of the tuples of a Numba type."""
    return tuple(getattr(part, "count", None) for part in getattr(sizes, "types", ()))


class _TransformEmitter(VectorEmitter):
    """Writes the instructions of a transform."""

    is_adding = False

    def transform(
        self, factors, source, source_offset, target, target_offset, columns, bias=None, floor=None
    ):
        builder = self.builder
        source, target = (builder.inttoptr(table, _INT64.as_pointer()) for table in (source, target))
        epilogue = None if bias is None else (bias, self.broadcast(floor))
        whole = builder.sdiv(columns, _INT64(self.lanes))
        with cgutils.for_range(builder, whole) as step:
            done = builder.mul(step.index, _INT64(self.vector_bytes))
            self._step(factors, source, source_offset, target, target_offset, done, None, epilogue)
        rest = builder.srem(columns, _INT64(self.lanes))
        with builder.if_then(builder.icmp_signed(">", rest, _INT64(0)), likely=False):
            done = builder.mul(whole, _INT64(self.vector_bytes))
            self._step(
                factors, source, source_offset, target, target_offset, done, self.masks(rest, 1)[0], epilogue
            )

    def _step(self, factors, source, source_offset, target, target_offset, done, mask, epilogue):
        """One vector of channels of all cells."""
        size, results = len(factors[0][0]), len(factors[-1])
        source_offset, target_offset = (
            self.builder.add(offset, done) for offset in (source_offset, target_offset)
        )
        columns = []
        for j in range(size):
            cells = [self._cell(source, i * size + j, source_offset) for i in range(size)]
            columns.append(self._apply(factors, [self.load(cell, mask=mask) for cell in cells]))
        if epilogue:
            bias = self.load(self.builder.add(epilogue[0], done), mask=mask)
        for i in range(results):
            row = self._apply(factors, [column[i] for column in columns])
            for j, value in enumerate(row):
                if epilogue:
                    value = self.cut_off(self.builder.fadd(value, bias), epilogue[1])
                cell = self._cell(target, i * results + j, target_offset)
                if self.is_adding:
                    value = self.builder.fadd(self.load(cell, mask=mask), value)
                self.store(value, cell, mask=mask)

    def _apply(self, factors, vectors):
        for factor in factors:
            vectors = [self._combine(row, vectors) for row in factor]
        return vectors

    def _combine(self, row, vectors):
        """The sum of row[k] * vectors[k]; costs one instruction per factor beyond the first."""
        builder, total = self.builder, None
        terms = [(factor, vector) for factor, vector in zip(row, vectors, strict=True) if factor != 0]
        for factor, vector in sorted(terms, key=lambda term: term[0] != 1):
            if total is None:
                total = vector if factor == 1 else builder.fmul(vector, self.constant(factor))
            elif factor == 1:
                total = builder.fadd(total, vector)
            elif factor == -1:
                total = builder.fsub(total, vector)
            else:
                total = self.fused(vector, self.constant(factor), total)
        return total

    def _cell(self, table, index, offset):
        """The address of a cell."""
        return self.builder.add(self.builder.load(self.builder.gep(table, [_INT64(index)])), offset)


@inlined
def fill_cells(table, images, n, first_row, first_column, cells, outside):
    """Sets table (cells * cells) to the addresses of the pixels of a square tile, in row-major order.

    Args:
        images: the `Images` in which the tile lies, and n the one of them.
        first_row, first_column: the pixel of the tile's upper left corner; may lie outside of the image.
        outside: the address that stands for every pixel outside of the image.
    """
    corner = images.address + n * images.image
    for i in range(cells):
        row = first_row + i
        for j in range(cells):
            column = first_column + j
            is_inside = 0 <= row < images.height and 0 <= column < images.width
            address = corner + row * images.row + column * images.column
            table[i * cells + j] = address if is_inside else outside


@inlined
def fill_planes(table, first, distance):
    """Sets table to the addresses of planes that lie `distance` bytes apart, from `first` on."""
    for f in range(table.size):
        table[f] = first + f * distance
