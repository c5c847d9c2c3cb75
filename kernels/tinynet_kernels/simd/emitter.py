"""Writing LLVM instructions on vectors of one element type, with or without a mask.

A *mark* is a small integer that belongs to an element, such as the place where a maximum was found. In
memory marks are as small as they can be; in the registers they are as wide as the elements, so that
comparing marks gives masks that fit the vectors of elements.
"""

from contextlib import contextmanager

from llvmlite import ir
from numba.core import cgutils

from tinynet_kernels.simd.vectors import VECTOR_BYTES

__all__ = ["Emitter", "VectorEmitter"]

_INT32, _INT64 = ir.IntType(32), ir.IntType(64)


class VectorEmitter:
    """Writes instructions on vectors of one element type, float32 or float64.

    Addresses are integers; `v` counts the vectors from there on. A mask tells which lanes are written, or
    read while the others become 0; None stands for all.
    """

    def __init__(self, context, builder, dtype, vector_bytes=VECTOR_BYTES):
        self.builder = builder
        self.element = context.get_value_type(dtype)
        self.element_bytes = dtype.bitwidth // 8
        self.lanes = vector_bytes // self.element_bytes
        self.vector_bytes = vector_bytes
        self.vector = ir.VectorType(self.element, self.lanes)

    def constant(self, number):
        return ir.Constant(self.vector, [float(number)] * self.lanes)

    def zeros(self):
        return self.constant(0)

    def variable(self, value):
        """A variable that starts as `value`; LLVM turns it into a register."""
        return cgutils.alloca_once_value(self.builder, value)

    def address(self, start, index, stride):
        return self.builder.add(start, self.builder.mul(index, stride))

    def offset(self, address, step, times):
        return self.builder.add(address, self.builder.mul(step, _INT64(times)))

    def masks(self, columns, vectors):
        """For each vector, which of its lanes lie below `columns`."""
        count = self.broadcast(self.builder.trunc(columns, _INT32))
        lanes = [
            ir.Constant(count.type, [v * self.lanes + lane for lane in range(self.lanes)])
            for v in range(vectors)
        ]
        return [self.builder.icmp_signed("<", numbers, count) for numbers in lanes]

    @contextmanager
    def repeated_while(self, condition):
        """A block that is repeated as long as what `condition` writes, a truth value, holds."""
        test, body, end = (self.builder.append_basic_block(name) for name in ("test", "body", "end"))
        self.builder.branch(test)
        self.builder.position_at_end(test)
        self.builder.cbranch(condition(), body, end)
        self.builder.position_at_end(body)
        yield
        self.builder.branch(test)
        self.builder.position_at_end(end)

    def for_each_vector(self, count, action):
        """Writes ``action(offset, mask)`` for each of the vectors that `count` adjacent elements take up.

        It is written twice: in a loop over whole vectors, where the mask is None, and for what remains.
        """
        builder, lanes = self.builder, _INT64(self.lanes)
        whole, rest = builder.udiv(count, lanes), builder.urem(count, lanes)
        with cgutils.for_range(builder, whole) as loop:
            action(builder.mul(loop.index, _INT64(self.vector_bytes)), None)
        with builder.if_then(builder.icmp_signed(">", rest, _INT64(0))):
            action(builder.mul(whole, _INT64(self.vector_bytes)), self.masks(rest, 1)[0])

    def load_at(self, address, offset, mask=None):
        return self.load(self.builder.add(address, offset), mask=mask)

    def load(self, address, v=0, mask=None):
        return self._load(self.vector, self.element_bytes, address, v, mask)

    def store(self, value, address, v=0, mask=None):
        self._store(value, self.element_bytes, address, v, mask)

    def load_everywhere(self, address):
        """One element, copied to all lanes."""
        return self.broadcast(self.builder.load(self._element_at(address), align=self.element_bytes))

    def copy_element(self, source, target):
        element = self.builder.load(self._element_at(source), align=self.element_bytes)
        self.builder.store(element, self._element_at(target), align=self.element_bytes)

    def prefetch(self, address, distance):
        """Asks for a cache line that is going to be written. A hint: it never faults, wherever it points."""
        byte = ir.IntType(8).as_pointer()
        function_type = ir.FunctionType(ir.VoidType(), [byte, _INT32, _INT32, _INT32])
        function = cgutils.get_or_insert_function(self.builder.module, function_type, "llvm.prefetch.p0")
        pointer = self.builder.inttoptr(self.builder.add(address, _INT64(distance)), byte)
        to_write, keep, data = _INT32(1), _INT32(3), _INT32(1)
        self.builder.call(function, [pointer, to_write, keep, data])

    def fused(self, a, b, c):
        """a * b + c."""
        name = f"llvm.fmuladd.v{self.lanes}f{8 * self.element_bytes}"
        function_type = ir.FunctionType(self.vector, [self.vector] * 3)
        function = cgutils.get_or_insert_function(self.builder.module, function_type, name)
        return self.builder.call(function, [a, b, c])

    def multiply_add(self, a, b, variable):
        """Adds a * b to a variable."""
        self.builder.store(self.fused(a, b, self.builder.load(variable)), variable)

    def cut_off(self, value, floor):
        """The larger one of `value` and `floor`; NaN if `value` is."""
        is_below = self.builder.fcmp_ordered("<", value, floor)
        return self.builder.select(is_below, floor, value)

    def broadcast(self, value):
        vector = ir.VectorType(value.type, self.lanes)
        undefined = ir.Constant(vector, ir.Undefined)
        single = self.builder.insert_element(undefined, value, _INT32(0))
        first_lane = ir.Constant(ir.VectorType(_INT32, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(single, undefined, first_lane)

    def _load(self, vector, size, address, v, mask):
        pointer = self._pointer(vector, size, address, v)
        if mask is None:
            return self.builder.load(pointer, align=size)
        function = self._masked("load", vector, vector, [pointer.type, _INT32, mask.type, vector])
        return self.builder.call(function, [pointer, _INT32(size), mask, ir.Constant(vector, None)])

    def _store(self, value, size, address, v, mask):
        pointer = self._pointer(value.type, size, address, v)
        if mask is None:
            self.builder.store(value, pointer, align=size)
            return
        void = ir.VoidType()
        function = self._masked("store", value.type, void, [value.type, pointer.type, _INT32, mask.type])
        self.builder.call(function, [value, pointer, _INT32(size), mask])

    def _element_at(self, address):
        return self.builder.inttoptr(address, self.element.as_pointer())

    def _pointer(self, vector, size, address, v):
        address = self.builder.add(address, _INT64(v * self.lanes * size))
        return self.builder.inttoptr(address, vector.as_pointer())

    def _masked(self, action, vector, result, arguments):
        kind = "f" if vector.element in (ir.FloatType(), ir.DoubleType()) else "i"
        width = {"f": 8 * self.element_bytes}.get(kind) or vector.element.width
        name = f"llvm.masked.{action}.v{self.lanes}{kind}{width}.p0"
        return cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(result, arguments), name)


class Emitter(VectorEmitter):
    """Writes instructions on vectors of elements, and of marks and integers of the same size."""

    def __init__(self, context, builder, dtype, mark, vector_bytes):
        super().__init__(context, builder, dtype, vector_bytes)
        self.integer = ir.IntType(dtype.bitwidth)
        self.integers = ir.VectorType(self.integer, self.lanes)
        self.mark_bytes = mark.bitwidth // 8
        self.mark_is_signed = mark.signed
        self.marks = ir.VectorType(ir.IntType(mark.bitwidth), self.lanes)

    def all_positive(self, counts):
        product = self.builder.mul(self.builder.mul(counts[0], counts[1]), counts[2])
        return self.builder.icmp_signed(">", product, _INT64(0))

    def load_marks(self, address, v, mask):
        """Marks, widened to the size of the elements."""
        marks = self._load(self.marks, self.mark_bytes, address, v, mask)
        if self.marks.element.width >= self.integer.width:
            return marks
        widen = self.builder.sext if self.mark_is_signed else self.builder.zext
        return widen(marks, self.integers)

    def store_marks(self, value, address, v, mask):
        if self.marks.element.width < self.integer.width:
            value = self.builder.trunc(value, self.marks)
        self._store(value, self.mark_bytes, address, v, mask)

    def broadcast_integer(self, number):
        if self.integer.width < 64:
            number = self.builder.trunc(number, self.integer)
        return self.broadcast(number)
