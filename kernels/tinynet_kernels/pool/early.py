"""Sums over windows that ask for what they are going to read.

With many channels neighbouring windows read some lines of pixels in turns, which the processor does not
foresee as well as one long stretch, and a sum computes so little that it would wait.
"""

from llvmlite import ir

from tinynet_kernels.simd.window import ScaledSum

__all__ = ["EarlyScaledSum"]

_AHEAD = 4096  # bytes
_INT32 = ir.IntType(32)


class EarlyScaledSum(ScaledSum):
    """A `ScaledSum` of which each vector that is read asks for the one that lies some vectors behind it."""

    def step(self, tap, source, beside):
        if self.is_wide():
            for pixel, v in self.each():
                self._ask_for(self.along(source, self.source, pixel), v * self.emit.vector_bytes + _AHEAD)
        super().step(tap, source, beside)

    def _ask_for(self, address, distance):
        """Asks for a cache line. A hint: it never faults, wherever it points."""
        builder, byte = self.emit.builder, ir.IntType(8).as_pointer()
        function_type = ir.FunctionType(ir.VoidType(), [byte, _INT32, _INT32, _INT32])
        function = builder.module.declare_intrinsic("llvm.prefetch.p0", (), function_type)
        pointer = builder.inttoptr(builder.add(address, ir.Constant(address.type, distance)), byte)
        to_read, keep, data = _INT32(0), _INT32(3), _INT32(1)
        builder.call(function, [pointer, to_read, keep, data])
